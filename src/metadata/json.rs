//! Just enough JSON (RFC 8259) for Kafka's small state files: a reader of one value and the escaping
//! of strings. Numbers are integers, for Kafka writes no others there.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(i64),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// How deep values may lie in one another; Kafka's files need 3.
const DEPTH_MAX: usize = 16;

impl Json {
    /// Reads one value and nothing behind it; `None` if the text is something else.
    pub(super) fn parse(text: &str) -> Option<Json> {
        let mut parser = Parser {
            rest: text.as_bytes(),
        };
        let value = parser.value(0)?;
        parser.space();
        parser.rest.is_empty().then_some(value)
    }

    /// A member of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.get(key),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Json::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn string(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(values) => Some(values),
            _ => None,
        }
    }
}

/// `text` in quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' | '\\' => quoted.extend(['\\', symbol]),
            '\u{0}'..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", symbol as u32)),
            _ => quoted.push(symbol),
        }
    }
    quoted.push('"');
    quoted
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Takes `token` if it comes next, spaces aside.
    fn take(&mut self, token: &str) -> Option<()> {
        self.space();
        self.rest = self.rest.strip_prefix(token.as_bytes())?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        match self.rest.first()? {
            b'n' => self.take("null").map(|()| Json::Null),
            b't' => self.take("true").map(|()| Json::Bool(true)),
            b'f' => self.take("false").map(|()| Json::Bool(false)),
            b'"' => self.string().map(Json::String),
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<Json> {
        let end = self
            .rest
            .iter()
            .position(|byte| !matches!(byte, b'-' | b'0'..=b'9'))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        std::str::from_utf8(digits)
            .ok()?
            .parse()
            .ok()
            .map(Json::Number)
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.take("[")?;
        let mut values = Vec::new();
        if self.take("]").is_some() {
            return Some(Json::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.take("]").is_some() {
                return Some(Json::Array(values));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{")?;
        let mut members = BTreeMap::new();
        if self.take("}").is_some() {
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.take(":")?;
            members.insert(key, self.value(depth + 1)?);
            if self.take("}").is_some() {
                return Some(Json::Object(members));
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix(b"\"")?;
        let mut bytes = Vec::new();
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => {
                    let symbol = self.escaped()?;
                    bytes.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
                }
                byte => bytes.push(*byte),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match first {
            b'"' | b'\\' | b'/' => *first as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                let digits = std::str::from_utf8(digits).ok()?;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_strings_come_back() {
        let text = r#" {"a": [1, -2 ,true,null], "b\n" : "q\"\u0041", "c":{}, "d":[] } "#;
        let value = Json::parse(text).expect("good");
        assert_eq!(
            value
                .get("a")
                .and_then(Json::array)
                .map(|values| values[1].number()),
            Some(Some(-2))
        );
        assert_eq!(value.get("b\n").and_then(Json::string), Some("q\"A"));
        for text in ["", "\"\\\u{1}é", "plain"] {
            assert_eq!(
                Json::parse(&quote(text)),
                Some(Json::String(text.to_string()))
            );
        }
    }

    #[test]
    fn what_is_no_json_is_none() {
        let deep = "[".repeat(100_000);
        for text in [
            "", "{", "{}x", "[1,]", "{\"a\"}", "\"", "\"\\u12", "1.5", "tru", "--1", &deep,
        ] {
            assert_eq!(Json::parse(text), None, "{text:.20}");
        }
    }
}
