//! Lines of comma-separated values (RFC 4180, one record a line), as `kafka-consumer-groups.sh --export`
//! writes them and `--from-file` reads them: `topic,partition,offset`, or with the group before it.

use crate::cli::client::Part;
use crate::types::Offset;
use std::collections::BTreeMap;

/// A plan: by group, or of the only one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    /// `topic,partition,offset`.
    OfOne(BTreeMap<Part, Offset>),
    /// `group,topic,partition,offset`.
    OfSeveral(BTreeMap<String, BTreeMap<Part, Offset>>),
}

/// Reads a file.
///
/// # Errors
/// Names the line that is none.
pub(super) fn parse(text: &str) -> Result<Plan, String> {
    let mut one: BTreeMap<Part, Offset> = BTreeMap::new();
    let mut several: BTreeMap<String, BTreeMap<Part, Offset>> = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |why: &str| Err(format!("line {number}: {why}: {line}"));
        let Some(fields) = fields(line) else {
            return wrong("a quote is not closed");
        };
        let (group, rest) = match fields.as_slice() {
            [topic, partition, offset] => (None, [topic, partition, offset]),
            [group, topic, partition, offset] => (Some(group), [topic, partition, offset]),
            _ => return wrong("neither topic,partition,offset nor group,topic,partition,offset"),
        };
        let [topic, partition, offset] = rest;
        let Some(partition) = partition.trim().parse().ok().filter(|it: &i32| *it >= 0) else {
            return wrong("that is no partition");
        };
        let Some(offset) = offset.trim().parse().ok().filter(|it: &i64| *it >= 0) else {
            return wrong("that is no offset");
        };
        let plan = match group {
            Some(group) => several.entry(group.clone()).or_default(),
            None => &mut one,
        };
        let part = (topic.clone(), partition);
        if plan.insert(part, Offset(offset)).is_some() {
            return wrong("the partition stands there twice");
        }
        if !one.is_empty() && !several.is_empty() {
            return wrong("some lines name a group and others do not");
        }
    }
    Ok(match several.is_empty() {
        true => Plan::OfOne(one),
        false => Plan::OfSeveral(several),
    })
}

/// One line, without its end.
pub(super) fn line(group: Option<&str>, (topic, index): &Part, offset: Offset) -> String {
    let names = group.into_iter().chain([topic.as_str()]);
    let mut fields: Vec<String> = names.map(quoted).collect();
    fields.extend([index.to_string(), offset.to_string()]);
    fields.join(",")
}

/// Quoted where it has to be.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// The fields of a line; none if a quote is not closed, or something follows it.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let Some(inner) = rest.strip_prefix('"') else {
            match rest.split_once(',') {
                Some((field, behind)) => {
                    fields.push(field.to_owned());
                    rest = behind;
                    continue;
                }
                None => {
                    fields.push(rest.to_owned());
                    return Some(fields);
                }
            }
        };
        let mut field = String::new();
        let mut left = inner;
        let behind = loop {
            let (text, behind) = left.split_once('"')?;
            field.push_str(text);
            match behind.strip_prefix('"') {
                // A quote within is written twice.
                Some(more) => {
                    field.push('"');
                    left = more;
                }
                None => break behind,
            }
        };
        fields.push(field);
        if behind.is_empty() {
            return Some(fields);
        }
        rest = behind.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(topic: &str, index: i32) -> Part {
        (topic.to_owned(), index)
    }

    #[test]
    fn a_file_is_of_one_group_or_of_several() {
        let one = parse("t,0,5\n\n\"with \"\"quotes\"\", and more\",1,6\r\n").unwrap();
        let expected = [
            (part("t", 0), Offset(5)),
            (part("with \"quotes\", and more", 1), Offset(6)),
        ];
        assert_eq!(one, Plan::OfOne(expected.into()));
        let several = parse("g,t,0,5\nh,t,0,7\n").unwrap();
        let of = |offset| BTreeMap::from([(part("t", 0), Offset(offset))]);
        let expected = BTreeMap::from([("g".to_owned(), of(5)), ("h".to_owned(), of(7))]);
        assert_eq!(several, Plan::OfSeveral(expected));
        assert_eq!(parse(""), Ok(Plan::OfOne(BTreeMap::new())));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_line() {
        for (text, why) in [
            ("t,0", "line 1: neither"),
            ("t,0,5\nt,x,5", "line 2: that is no partition"),
            ("t,-1,5", "line 1: that is no partition"),
            ("t,0,-5", "line 1: that is no offset"),
            ("t,0,5\ng,t,0,5", "line 2: some lines name a group"),
            ("t,0,5\nt,0,6", "line 2: the partition stands there twice"),
            ("\"t,0,5", "line 1: a quote"),
            ("\"t\"x,0,5", "line 1: a quote"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_line_is_read_again() {
        for topic in ["t", "a,b", "\"", "a\"b,", "ä"] {
            let part = part(topic, 3);
            let text = line(None, &part, Offset(9));
            let read = BTreeMap::from([(part.clone(), Offset(9))]);
            assert_eq!(parse(&text), Ok(Plan::OfOne(read.clone())), "{text}");
            let text = line(Some("g,1"), &part, Offset(9));
            let several = BTreeMap::from([("g,1".to_owned(), read)]);
            assert_eq!(parse(&text), Ok(Plan::OfSeveral(several)), "{text}");
        }
        assert_eq!(line(Some("g"), &part("t", 0), Offset(1)), "g,t,0,1");
    }
}
