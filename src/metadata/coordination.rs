//! Which partition of an internal topic coordinates a group. Clients never see the rule, but a data
//! directory that moves between Apache Kafka and here does: it is Kafka's.

use crate::types::PartitionIndex;

/// The partition, of `partitions` that the topic has (at least 1), where this group is coordinated.
///
/// A topic that is given more partitions moves its groups, as in Kafka, where that takes a restart: what
/// they have committed stays behind.
pub fn coordinating_partition(group: &str, partitions: i32) -> PartitionIndex {
    assert!(partitions > 0, "a topic has a partition");
    // The number without a positive counterpart counts as 0 in Kafka.
    let hash = java_hash(group).checked_abs().unwrap_or(0);
    PartitionIndex(hash % partitions)
}

/// Java's `String.hashCode`: of UTF-16 units, wrapping around.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        for (text, hash) in [
            ("", 0),
            ("a", 97),
            ("hello", 99_162_322),
            ("group", 98_629_247),
            ("console-consumer", -648_006_740),
            // Two UTF-16 units: 0xd83d, 0xde00.
            ("\u{1f600}", 1_772_899),
            ("polygenelubricants", i32::MIN),
        ] {
            assert_eq!(java_hash(text), hash, "{text}");
        }
    }

    #[test]
    fn groups_lie_where_kafka_puts_them() {
        for (group, partitions, index) in [
            ("", 50, 0),
            ("a", 50, 47),
            ("hello", 50, 22),
            ("group", 50, 47),
            ("group", 1, 0),
            // Negative hashes, and the one whose absolute value is negative, too.
            ("console-consumer", 50, 40),
            ("polygenelubricants", 50, 0),
        ] {
            let found = coordinating_partition(group, partitions);
            assert_eq!(found, PartitionIndex(index), "{group}");
        }
    }
}
