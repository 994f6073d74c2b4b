//! Bytes on the command line and in JSON: escapes in separators, base64 for what is not text.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes that a text with escapes stands for: `\t \n \r \0 \\ \xNN`.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut symbols = text.chars();
    while let Some(symbol) = symbols.next() {
        if symbol != '\\' {
            bytes.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match symbols.next() {
            Some('t') => b'\t',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = symbols.by_ref().take(2).collect();
                let plain = digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_hexdigit());
                let byte = plain
                    .then(|| u8::from_str_radix(&digits, 16).ok())
                    .flatten();
                byte.ok_or_else(|| format!("\\x{digits} is not a byte; write two digits"))?
            }
            Some(other) => return Err(format!("\\{other} is none of \\t \\n \\r \\0 \\\\ \\xNN")),
            None => return Err("a \\ at the end; write \\\\".into()),
        });
    }
    Ok(bytes)
}

/// A separator: at least one byte.
pub(super) fn separator(text: &str) -> Result<Vec<u8>, String> {
    let bytes = unescape(text)?;
    match bytes.is_empty() {
        true => Err("at least one character".into()),
        false => Ok(bytes),
    }
}

/// Base64 (RFC 4648, with padding).
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=three.len()].copy_from_slice(three);
        let group = u32::from_be_bytes(group);
        for at in 0..4 {
            text.push(match at <= three.len() {
                true => BASE64[(group >> (18 - at * 6)) as usize & 63] as char,
                false => '=',
            });
        }
    }
    text
}

/// The bytes of base64, with or without padding; `None` if it is something else.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let symbols = text.trim_end_matches('=').as_bytes();
    if symbols.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(symbols.len() * 3 / 4);
    for four in symbols.chunks(4) {
        let mut group = 0u32;
        for at in 0..4 {
            let value = match four.get(at) {
                Some(symbol) => BASE64.iter().position(|it| it == symbol)? as u32,
                None => 0,
            };
            group = group << 6 | value;
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..four.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(
            unescape("a\\t\\n\\r\\0\\\\\\xffé").unwrap(),
            b"a\t\n\r\0\\\xff\xc3\xa9"
        );
        for bad in ["\\", "\\q", "\\x1", "\\xgg", "\\x+1"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
        assert!(separator("").is_err());
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
        assert_eq!(from_base64("Z"), None);
        assert_eq!(from_base64("Zm9v!A=="), None);
    }
}
