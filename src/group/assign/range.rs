//! The range assignor: the members that want a topic, static ones by their instance ids before the
//! others by their ids, get consecutive ranges of it, the first ones a partition more where it does not
//! come out even. Topics with as many partitions and the same members are so cut alike, which joins
//! count on.

use super::Subscriber;
use crate::group::partitions::Partitions;
use crate::types::{PartitionIndex, TopicId};
use std::collections::BTreeMap;

/// Gives out all partitions that anybody wants.
pub(super) fn assign(
    topics: &BTreeMap<TopicId, i32>,
    members: &[Subscriber<'_>],
) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| {
        let member = &members[*at];
        // None is less than anything: turned around, static members are first.
        (member.instance.is_none(), member.instance, member.id)
    });
    let mut given: Vec<Vec<(TopicId, Vec<PartitionIndex>)>> = vec![Vec::new(); members.len()];
    for (topic, count) in topics {
        let subscribers: Vec<usize> = order
            .iter()
            .copied()
            .filter(|at| members[*at].topics.contains(topic))
            .collect();
        let among = i32::try_from(subscribers.len()).unwrap_or(i32::MAX).max(1);
        let (quota, mut extra) = (count / among, count % among);
        let mut start = 0;
        for at in subscribers {
            let end = start + quota + i32::from(extra > 0);
            extra = (extra - 1).max(0);
            given[at].push((*topic, (start..end).map(PartitionIndex).collect()));
            start = end;
        }
    }
    given.into_iter().map(Partitions::of).collect()
}
