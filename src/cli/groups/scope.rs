//! Topics and partitions as `--topic` names them: `orders`, or `orders:0,1,2`.

use crate::cli::client::{Client, Parts};
use crate::cli::failure::Failure;

/// A topic, or some of its partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scope {
    pub(super) topic: String,
    /// Ascending, each once; none: all.
    pub(super) partitions: Option<Vec<i32>>,
}

/// Reads one.
pub(super) fn parse(text: &str) -> Result<Scope, String> {
    let Some((topic, indexes)) = text.rsplit_once(':') else {
        return match text.is_empty() {
            true => Err("a topic has a name".into()),
            false => Ok(Scope {
                topic: text.to_owned(),
                partitions: None,
            }),
        };
    };
    let index = |text: &str| text.trim().parse().ok().filter(|index: &i32| *index >= 0);
    let indexes: Option<Vec<i32>> = indexes.split(',').map(index).collect();
    let Some(mut indexes) = indexes.filter(|_| !topic.is_empty()) else {
        return Err("not of the form topic or topic:0,1,2".into());
    };
    indexes.sort_unstable();
    indexes.dedup();
    Ok(Scope {
        topic: topic.to_owned(),
        partitions: Some(indexes),
    })
}

/// The partitions that are named, all of which must be there.
pub(super) fn resolve(client: &mut Client, scopes: &[Scope]) -> Result<Parts, Failure> {
    let mut parts = Parts::new();
    for scope in scopes {
        let topic = client.topic(&scope.topic, false)?;
        let indexes = match &scope.partitions {
            None => topic.partitions.iter().map(|it| it.index).collect(),
            Some(indexes) => {
                for index in indexes {
                    topic.partition(*index)?;
                }
                indexes.clone()
            }
        };
        let all = parts.entry(scope.topic.clone()).or_default();
        all.extend(indexes);
        all.sort_unstable();
        all.dedup();
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_stands_alone_or_with_partitions() {
        let read = |text| parse(text).map(|scope| (scope.topic, scope.partitions));
        assert_eq!(read("t"), Ok(("t".to_owned(), None)));
        assert_eq!(read("t:2,0,2"), Ok(("t".to_owned(), Some(vec![0, 2]))));
        for bad in ["", ":", ":0", "t:", "t:x", "t:-1", "t:0,"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
