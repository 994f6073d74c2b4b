//! The text of a Java `.properties` file, read exactly as `java.util.Properties.load(InputStream)`
//! reads it, because that is what Kafka does with `server.properties`:
//!
//! - bytes are ISO-8859-1; other characters come as `\uXXXX`, two of them for a surrogate pair;
//! - a line whose first visible character is `#` or `!` is a comment and never continues;
//! - an odd number of backslashes at the end of a line continues it, the next line's indentation
//!   dropped;
//! - the key ends at the first `=`, `:` or blank that no backslash escapes; blanks, one `=` or `:` and
//!   blanks again separate it from the value; blanks at the value's end belong to it.
//!
//! Keys are not merged here: the later of two equal keys is for the reader to prefer, who can then
//! name the line.

/// One key with its value, and where it began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    /// The line in the file, from 1.
    pub line: usize,
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped; empty if the line held a key alone.
    pub value: String,
}

/// A `\u` that four hexadecimal digits do not follow, at this line: the one thing Java refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadEscape {
    /// The line in the file, from 1.
    pub line: usize,
}

/// Every pair of the file, in its order.
pub fn parse(text: &[u8]) -> Result<Vec<Pair>, BadEscape> {
    let mut pairs = Vec::new();
    let mut lines = NaturalLines {
        rest: text,
        number: 0,
    };
    let mut logical = Vec::new();
    while let Some((line, natural)) = lines.next() {
        let natural = trim_blank_start(natural);
        if natural.is_empty() || matches!(natural[0], b'#' | b'!') {
            continue;
        }
        logical.clear();
        logical.extend_from_slice(natural);
        while ends_in_continuation(&logical) {
            logical.pop();
            if logical.is_empty() {
                // Java takes what follows a lone backslash for a new line.
                break;
            }
            match lines.next() {
                Some((_, more)) => logical.extend_from_slice(trim_blank_start(more)),
                None => break,
            }
        }
        if !logical.is_empty() {
            pairs.push(pair(line, &logical)?);
        }
    }
    Ok(pairs)
}

fn pair(line: usize, logical: &[u8]) -> Result<Pair, BadEscape> {
    let key_end = key_end(logical);
    let mut value = trim_blank_start(&logical[key_end..]);
    if let [b'=' | b':', after @ ..] = value {
        value = trim_blank_start(after);
    }
    Ok(Pair {
        line,
        key: unescape(&logical[..key_end]).ok_or(BadEscape { line })?,
        value: unescape(value).ok_or(BadEscape { line })?,
    })
}

fn key_end(logical: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in logical.iter().enumerate() {
        match byte {
            b'\\' => escaped = !escaped,
            b'=' | b':' if !escaped => return at,
            byte if is_blank(byte) && !escaped => return at,
            _ => escaped = false,
        }
    }
    logical.len()
}

fn unescape(text: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            units.push(byte.into());
            continue;
        }
        match bytes.next() {
            Some(b'u') => {
                let digits = bytes.as_slice().get(..4)?;
                let digit = |d: &u8| (*d as char).to_digit(16);
                let unit = digits
                    .iter()
                    .try_fold(0, |unit, d| Some(unit << 4 | digit(d)?))?;
                units.push(unit as u16);
                bytes = bytes.as_slice()[4..].iter();
            }
            Some(b't') => units.push(b'\t'.into()),
            Some(b'n') => units.push(b'\n'.into()),
            Some(b'r') => units.push(b'\r'.into()),
            Some(b'f') => units.push(0x0c),
            Some(&other) => units.push(other.into()),
            None => {}
        }
    }
    Some(String::from_utf16_lossy(&units))
}

fn ends_in_continuation(line: &[u8]) -> bool {
    line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn trim_blank_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    &text[blanks..]
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

/// Lines as they stand in the file, ended by `\n`, `\r` or `\r\n`.
struct NaturalLines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Iterator for NaturalLines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = self.rest;
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, after) = match end {
            None => (rest, rest.len()),
            Some(at) if rest[at..].starts_with(b"\r\n") => (&rest[..at], at + 2),
            Some(at) => (&rest[..at], at + 1),
        };
        self.rest = &rest[after..];
        self.number += 1;
        Some((self.number, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        parse(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|pair| (pair.line, pair.key, pair.value))
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut pairs = read(text);
        assert_eq!(pairs.len(), 1, "{text:?}");
        let (_, key, value) = pairs.remove(0);
        (key, value)
    }

    fn is(text: &str, key: &str, value: &str) {
        assert_eq!(one(text), (key.to_owned(), value.to_owned()), "{text:?}");
    }

    #[test]
    fn key_and_value_part_at_an_equals_sign_a_colon_or_a_blank() {
        is("a=b", "a", "b");
        is("a:b", "a", "b");
        is("a b", "a", "b");
        is("  a \t= \t b", "a", "b");
        is("a", "a", "");
        is("a==b", "a", "=b");
        is("a : = b", "a", "= b");
        is("=b", "", "b");
        is(
            "listeners=PLAINTEXT://:9092",
            "listeners",
            "PLAINTEXT://:9092",
        );
    }

    #[test]
    fn blanks_at_the_end_of_a_value_stay() {
        is("a=b  ", "a", "b  ");
        is("a=b\t\n", "a", "b\t");
    }

    #[test]
    fn a_comment_is_skipped_and_does_not_continue() {
        assert_eq!(
            read("# x=1 \\\na=b\n  ! y\n\n\t\nc=d"),
            [(2, "a".into(), "b".into()), (6, "c".into(), "d".into())]
        );
        is("a=b#c", "a", "b#c");
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        is("a=b,\\\n   c", "a", "b,c");
        is("a=b\\\\\n", "a", "b\\");
        is("a=b\\\n#c", "a", "b#c");
        is("a=b\\\n", "a", "b");
        is("\\\n#b\na=c", "a", "c");
        is("a\\\r\n  b=c", "ab", "c");
        assert_eq!(
            read("a=b\\\n\nc=d"),
            [(1, "a".into(), "b".into()), (3, "c".into(), "d".into())]
        );
    }

    #[test]
    fn escapes_are_javas() {
        is("a\\=b\\ c=d", "a=b c", "d");
        is("a=\\t\\n\\r\\f\\q\\\\", "a", "\t\n\r\u{c}q\\");
        is("a=\\u00e9\\u20AC", "a", "é€");
        is("a=\\ud83d\\ude00", "a", "😀");
        assert_eq!(parse(b"x=1\na=\\u12g4"), Err(BadEscape { line: 2 }));
        assert_eq!(parse(b"a=\\u12"), Err(BadEscape { line: 1 }));
    }

    #[test]
    fn bytes_beyond_ascii_are_latin_1() {
        let pairs = parse(b"a=caf\xe9").unwrap();
        assert_eq!(pairs[0].value, "café");
    }

    #[test]
    fn every_kind_of_line_end_counts_as_one_line() {
        assert_eq!(
            read("a=1\rb=2\r\nc=3\nd=4")
                .iter()
                .map(|p| p.0)
                .collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
    }
}
