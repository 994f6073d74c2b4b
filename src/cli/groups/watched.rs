//! What a Millstream knows of its groups beyond what Kafka's protocol tells: when each offset was
//! committed, and since when what lies behind it is there. Asked at its `/groups`; any other broker, and
//! one that answers for no metrics, has nothing of it, which is no error.

use crate::cli::client::{Client, Group, Part};
use crate::cli::stats;
use crate::types::{NodeId, Offset, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the page may take: it is an extra.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is told of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// What was committed when it was told.
    pub(super) offset: Offset,
    pub(super) committed: Option<Timestamp>,
    pub(super) behind_ms: Option<i64>,
}

/// By group.
type Page = BTreeMap<String, BTreeMap<Part, Told>>;

/// The pages of the brokers, each asked for once.
#[derive(Default)]
pub(super) struct Watched {
    pages: BTreeMap<NodeId, Page>,
}

impl Watched {
    /// What its coordinator tells of a group.
    pub(super) fn of(&mut self, client: &mut Client, group: &Group) -> BTreeMap<Part, Told> {
        let node = group.coordinator;
        let page = self
            .pages
            .entry(node)
            .or_insert_with(|| page(client, node).unwrap_or_default());
        page.remove(&group.id).unwrap_or_default()
    }
}

fn page(client: &mut Client, node: NodeId) -> Option<Page> {
    let watched = stats::find(client, Some(node)).ok()?;
    let document = watched.page("/groups", PATIENCE).ok()?;
    read(&document)
}

/// Reads a page; nothing if it is none.
fn read(document: &Value) -> Option<Page> {
    let mut page = Page::new();
    for group in document["groups"].as_array()? {
        let told = page.entry(group["group"].as_str()?.to_owned()).or_default();
        for it in group["partitions"].as_array()? {
            let index = i32::try_from(it["partition"].as_i64()?).ok()?;
            let part = (it["topic"].as_str()?.to_owned(), index);
            let known = Told {
                offset: Offset(it["offset"].as_i64()?),
                committed: it["committed_ms"].as_i64().map(Timestamp),
                behind_ms: it["behind_ms"].as_i64(),
            };
            told.insert(part, known);
        }
    }
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_is_read_and_what_is_none_is_not_believed() {
        let page = read(&json!({ "groups": [{
            "group": "g",
            "partitions": [
                { "topic": "t", "partition": 1, "offset": 5, "committed_ms": 7, "behind_ms": null },
            ],
        }]}));
        let told = Told {
            offset: Offset(5),
            committed: Some(Timestamp(7)),
            behind_ms: None,
        };
        let expected = BTreeMap::from([(("t".to_owned(), 1), told)]);
        assert_eq!(page.unwrap()["g"], expected);
        for none in [
            json!([]),
            json!({ "groups": [{}] }),
            json!({ "groups": [{ "group": "g", "partitions": [{ "topic": "t" }] }] }),
        ] {
            assert_eq!(read(&none), None, "{none}");
        }
    }
}
