//! The shards, asked from outside: how the console comes by their reports.

use super::worker::Event;
use crate::config::BrokerConfig;
use crate::console::Watched;
use crate::metrics::Report;
use crate::sys::{Waker, monotonic_us};
use crate::types::ShardId;
use crate::wire::{ApiKey, ErrorCode};
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// How long shards may take to answer, all together: less than a scraper waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the console has to know of this broker.
pub(super) fn watched(
    config: &BrokerConfig,
    cluster_id: Arc<str>,
    doors: Vec<Sender<(ShardId, Event)>>,
    wakers: Arc<Vec<Waker>>,
) -> Watched {
    Watched {
        node: config.node_id.0,
        cluster_id,
        listeners: config.listeners.iter().map(|it| it.name.clone()).collect(),
        clock: monotonic_us,
        api_name: |key| ApiKey(key).name(),
        error_name: |code| ErrorCode(code).name(),
        ask: Arc::new(move || ask(&doors, |shard| wakers[shard].wake())),
    }
}

fn ask(doors: &[Sender<(ShardId, Event)>], wake: impl Fn(usize)) -> Vec<Option<Report>> {
    let (answer, answers) = bounded(doors.len());
    for (shard, door) in doors.iter().enumerate() {
        // A shard that has ended takes nothing and says nothing.
        let _ = door.send((ShardId(0), Event::Report(answer.clone())));
        wake(shard);
    }
    drop(answer);
    let mut reports = vec![None; doors.len()];
    let until = crossbeam_channel::after(PATIENCE);
    loop {
        crossbeam_channel::select! {
            recv(answers) -> report => match report {
                Ok(report) => {
                    let shard = usize::from(report.shard.0);
                    reports[shard] = Some(report);
                }
                // Nobody is left who could answer.
                Err(_) => return reports,
            },
            recv(until) -> _ => return reports,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn shards_that_have_ended_are_not_waited_for() {
        let (doors, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| unbounded()).unzip();
        drop(inboxes);
        let reports = ask(&doors, |_| {});
        assert_eq!(reports.len(), 3);
        assert!(reports.iter().all(Option::is_none));
    }
}
