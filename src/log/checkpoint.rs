//! The small text files beside the logs: Kafka's offset checkpoints and `partition.metadata`. The
//! store writes each as `X.tmp`, fsync, rename, fsync of the directory.
//!
//! A checkpoint is `0`, the count of entries, then one entry a line; an empty file has none.

use crate::types::{Offset, TopicId};
use std::collections::BTreeMap;

/// An offset per partition, as `recovery-point-offset-checkpoint`,
/// `replication-offset-checkpoint`, `log-start-offset-checkpoint` and `cleaner-offset-checkpoint`
/// hold it. Keyed by topic name and partition index.
pub type OffsetCheckpoint = BTreeMap<(String, i32), Offset>;

/// Reads an offset checkpoint; `None` if it is damaged.
pub fn parse_offsets(file: &str) -> Option<OffsetCheckpoint> {
    let mut offsets = OffsetCheckpoint::new();
    for line in lines(file)? {
        let mut words = line.split(' ');
        let topic = words.next().filter(|topic| !topic.is_empty())?;
        let partition = i32::try_from(number(words.next()?)?).ok()?;
        let offset = offset(words.next()?)?;
        if words.next().is_some() {
            return None;
        }
        offsets.insert((topic.to_owned(), partition), offset);
    }
    Some(offsets)
}

/// The text of an offset checkpoint.
pub fn offsets_text(offsets: &OffsetCheckpoint) -> String {
    text(
        offsets
            .iter()
            .map(|((topic, partition), offset)| format!("{topic} {partition} {offset}")),
    )
}

/// Reads `partition.metadata`: the id of the topic whose partition the directory holds. `None` if it
/// is damaged or of another version.
pub fn parse_partition_metadata(file: &str) -> Option<TopicId> {
    let mut version = None;
    let mut topic = None;
    for line in file.lines().filter(|line| !line.trim().is_empty()) {
        let (key, value) = line.split_once(':')?;
        match key.trim() {
            "version" => version = Some(number(value.trim())?),
            "topic_id" => topic = Some(TopicId::parse(value.trim())?),
            _ => return None,
        }
    }
    match version {
        Some(0) => topic.filter(|topic| !topic.is_zero()),
        _ => None,
    }
}

/// The text of `partition.metadata`.
pub fn partition_metadata_text(topic: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic}")
}

/// The entries of a checkpoint, if it is one of version 0 with as many entries as it says.
pub(super) fn lines(file: &str) -> Option<Vec<&str>> {
    if file.is_empty() {
        return Some(Vec::new());
    }
    let mut lines = file.lines();
    if number(lines.next()?)? != 0 {
        return None;
    }
    let count = number(lines.next()?)?;
    let entries: Vec<&str> = lines.collect();
    (i64::try_from(entries.len()).ok()? == count).then_some(entries)
}

/// A number of zero or more, in digits alone.
pub(super) fn number(word: &str) -> Option<i64> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok()).flatten()
}

/// An offset that a log can have.
pub(super) fn offset(word: &str) -> Option<Offset> {
    number(word)
        .map(Offset)
        .filter(|offset| *offset <= Offset::MAX)
}

/// A checkpoint's text from its entries.
pub(super) fn text(entries: impl Iterator<Item = String>) -> String {
    let mut count = 0;
    let mut body = String::new();
    for entry in entries {
        count += 1;
        body.push_str(&entry);
        body.push('\n');
    }
    format!("0\n{count}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_checkpoint_has_kafkas_text() {
        let mut offsets = OffsetCheckpoint::new();
        offsets.insert(("d-lo".into(), 0), Offset(1));
        assert_eq!(offsets_text(&offsets), "0\n1\nd-lo 0 1\n");
        offsets.insert(("a.b_c".into(), 12), Offset::MAX);
        assert_eq!(parse_offsets(&offsets_text(&offsets)), Some(offsets));
        assert_eq!(parse_offsets(""), Some(OffsetCheckpoint::new()));
    }

    #[test]
    fn a_damaged_checkpoint_is_refused() {
        for bad in [
            "0\n",
            "2\n0\n",
            "0\n1\n",
            "0\n1\nt 0\n",
            "0\n1\nt 0 1 2\n",
            "0\n1\nt -1 1\n",
            "0\n99999999999\nt 0 1\n",
            "0\n1\nt 0 99999999999999999999\n",
            "0\n1\nt 0 9223372036854775807\n",
            "x",
        ] {
            assert_eq!(parse_offsets(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn partition_metadata_names_the_topic() {
        let topic = TopicId::parse("abcdefghijklmnopqrstuv").unwrap();
        let text = partition_metadata_text(topic);
        assert!(text.starts_with("version: 0\ntopic_id: ") && !text.ends_with('\n'));
        assert_eq!(parse_partition_metadata(&text), Some(topic));
        assert_eq!(
            parse_partition_metadata(&(text.clone() + "\n")),
            Some(topic)
        );
        for bad in ["", "version: 0", "version: 1\ntopic_id: x", "topic_id"] {
            assert_eq!(parse_partition_metadata(bad), None, "{bad:?}");
        }
        assert_eq!(
            parse_partition_metadata(&text.replace("version: 0", "version: 1")),
            None
        );
    }
}
