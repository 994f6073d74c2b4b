//! The shards, asked from outside: how the console comes by their reports.

use super::worker::{Event, Times};
use crate::config::BrokerConfig;
use crate::console::Watched;
use crate::group::{Bookmark, StandingPage};
use crate::metrics::Report;
use crate::shard::TimePart;
use crate::sys::{Waker, monotonic_us};
use crate::types::{Offset, PartitionId, ShardId, Timestamp};
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
    let doors = Arc::new(doors);
    let (standings, times) = (doors.clone(), doors.clone());
    let (standings_wakers, times_wakers) = (wakers.clone(), wakers.clone());
    Watched {
        node: config.node_id.0,
        cluster_id,
        listeners: config.listeners.iter().map(|it| it.name.clone()).collect(),
        clock: monotonic_us,
        api_name: |key| ApiKey(key).name(),
        error_name: |code| ErrorCode(code).name(),
        ask: Arc::new(move || ask(&doors, |shard| wakers[shard].wake())),
        standings: Arc::new(move |shard, from: Option<Bookmark>| {
            let event = |to: Sender<StandingPage>| Event::Standings(from, to);
            ask_one(&standings, &standings_wakers, shard, event)
        }),
        times: Arc::new(move |shard, places: &[(PartitionId, Offset)]| {
            let parts = parts(places);
            let event = |to: Sender<Times>| Event::Times(parts, to);
            let told = ask_one(&times, &times_wakers, shard, event)?;
            Some(in_order(places.len(), &told))
        }),
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

/// Asks one shard. Nothing if it has ended, or says nothing in time.
fn ask_one<T>(
    doors: &[Sender<(ShardId, Event)>],
    wakers: &[Waker],
    shard: ShardId,
    event: impl FnOnce(Sender<T>) -> Event,
) -> Option<T> {
    let (answer, answers) = bounded(1);
    let shard = usize::from(shard.0);
    doors.get(shard)?.send((ShardId(0), event(answer))).ok()?;
    wakers.get(shard)?.wake();
    answers.recv_timeout(PATIENCE).ok()
}

fn parts(places: &[(PartitionId, Offset)]) -> Vec<TimePart> {
    let numbered = places.iter().zip(0..);
    let parts = numbered.map(|((partition, offset), index)| TimePart {
        index,
        partition: *partition,
        offset: *offset,
    });
    parts.collect()
}

/// The answers in the order of `count` questions.
fn in_order(count: usize, told: &Times) -> Vec<Option<Timestamp>> {
    let mut times = vec![None; count];
    for (index, time) in told {
        if let Some(place) = times.get_mut(*index as usize) {
            *place = *time;
        }
    }
    times
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
