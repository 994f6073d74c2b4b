//! `consume --group`: records of the partitions that a group gives us, whose offsets are committed when
//! the records are printed. So what is printed and not committed, because the process died in between, is
//! printed again by whoever has the partition next.
//!
//! One thread does it all in turn: tend the membership, fetch, print, commit. An output that nobody takes
//! holds up heartbeats, too, and the group then goes on without us; a pager is no consumer.

use super::classic::Classic;
use super::consumer::{Consumer, Joined};
use super::fetch::{Fetcher, Go, Place};
use super::{Consume, Printer};
use crate::cli::client::{At, Client, Committer, Part};
use crate::cli::failure::Failure;
use crate::sys::signals;
use crate::types::{Offset, TopicId};
use crate::wire::{ApiKey, ErrorCode};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How long the group waits for a sign of life, ms: Java's default.
pub(super) const SESSION_MS: i32 = 45_000;
/// How long a rebalance waits for us, ms.
pub(super) const REBALANCE_MS: i32 = 60_000;
/// How long what a rebalance decides may take beyond that.
const MARGIN: Duration = Duration::from_secs(10);
/// Between two looks when there is nothing to read.
const PAUSE: Duration = Duration::from_millis(100);
/// What a second signal ends the process with: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// By which protocol a group is joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Protocol {
    /// `consumer` where the broker and the group have it, else `classic`.
    Auto,
    /// Members agree among themselves.
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
}

/// What has become of a membership.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Tended {
    /// Nothing.
    Same,
    /// These are the partitions of the topic that it has now.
    Has(BTreeSet<i32>),
}

enum Membership {
    Classic(Classic),
    Consumer(Consumer),
}

impl Membership {
    fn tend(&mut self, client: &mut Client) -> Result<Tended, Failure> {
        match self {
            Membership::Classic(member) => member.tend(client),
            Membership::Consumer(member) => member.tend(client),
        }
    }

    fn committer(&self) -> Committer<'_> {
        match self {
            Membership::Classic(member) => member.committer(),
            Membership::Consumer(member) => member.committer(),
        }
    }

    /// It has given up what is not among these, and begun with the others.
    fn has(&mut self, owned: &BTreeSet<i32>) {
        match self {
            // It says so by joining again.
            Membership::Classic(_) => {}
            Membership::Consumer(member) => member.has(owned),
        }
    }

    fn leave(&mut self, client: &mut Client) -> Result<(), Failure> {
        match self {
            Membership::Classic(member) => member.leave(client),
            Membership::Consumer(member) => member.leave(client),
        }
    }
}

/// A member that reads.
struct Reader<'a> {
    consume: &'a Consume,
    group: &'a str,
    /// For the coordinator: what it is asked may take as long as a rebalance.
    client: Client,
    fetcher: Fetcher,
    membership: Membership,
    /// What is committed of the partitions that it has.
    committed: BTreeMap<i32, Offset>,
}

impl Consume {
    /// Consumes as a member of a group until it is told to stop.
    pub(super) fn run_as_member(&self, group: &str) -> Result<(), Failure> {
        let stopped = stop_flag()?;
        let mut patient = self.connect.clone();
        let rebalance = Duration::from_millis(REBALANCE_MS.unsigned_abs().into());
        patient.timeout = patient.timeout.max(rebalance + MARGIN);
        let mut client = Client::new(&patient);
        let mut reading = Client::new(&self.connect);
        let topic = reading.topic(&self.topic, false)?;
        let topic_id = topic.id;
        let fetcher = Fetcher {
            client: reading,
            topic,
            places: BTreeMap::new(),
            committed: self.is_committed(),
        };
        let (membership, tended) = self.join(&mut client, group, topic_id)?;
        let mut reader = Reader {
            consume: self,
            group,
            client,
            fetcher,
            membership,
            committed: BTreeMap::new(),
        };
        let mut printer = self.printer();
        let read = reader
            .take(tended)
            .and_then(|()| reader.read(&mut printer, &stopped));
        if read.as_ref().is_err_and(Failure::is_connection) {
            // Nobody is there who could hear it.
            return read;
        }
        // Whatever has happened, what is printed is committed, and the others need not wait for us.
        let flushed = printer.flush();
        let committed = match flushed {
            Ok(()) => reader.commit(),
            Err(_) => Ok(()),
        };
        let left = reader.membership.leave(&mut reader.client);
        read.and(flushed).and(committed).and(left)
    }

    fn join(
        &self,
        client: &mut Client,
        group: &str,
        topic_id: TopicId,
    ) -> Result<(Membership, Tended), Failure> {
        let classic = || {
            let member = Classic::new(group, &self.topic);
            (Membership::Classic(member), Tended::Same)
        };
        let serves = client.coordinator_serves(group, ApiKey::CONSUMER_GROUP_HEARTBEAT)?;
        match self.group_protocol {
            Protocol::Classic => return Ok(classic()),
            Protocol::Auto if !serves => return Ok(classic()),
            Protocol::Auto | Protocol::Consumer => {}
        }
        match Consumer::join(client, group, &self.topic, topic_id)? {
            Joined::Yes(member, tended) => Ok((Membership::Consumer(member), tended)),
            Joined::ClassicOnly(_) if self.group_protocol == Protocol::Auto => Ok(classic()),
            Joined::ClassicOnly(why) => Err(why),
        }
    }
}

impl Reader<'_> {
    fn read(&mut self, printer: &mut Printer, stopped: &AtomicBool) -> Result<(), Failure> {
        while !stopped.load(Ordering::Relaxed) {
            let tended = self.membership.tend(&mut self.client)?;
            self.take(tended)?;
            if self.consume.exit && !self.fetcher.places.is_empty() && self.fetcher.is_done() {
                return Ok(());
            }
            if self.fetcher.is_done() {
                sleep(PAUSE);
                continue;
            }
            let go = self.fetcher.round(&mut |record| printer.print(record));
            printer.flush()?;
            let go = go?;
            self.commit()?;
            if go == Go::Stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives up what it has no more, and begins with what it has got.
    fn take(&mut self, tended: Tended) -> Result<(), Failure> {
        let Tended::Has(now) = tended else {
            return Ok(());
        };
        let gone = |index: &i32| !now.contains(index);
        if self.fetcher.places.keys().any(gone) {
            self.commit()?;
            self.fetcher.places.retain(|index, _| now.contains(index));
            self.committed.retain(|index, _| now.contains(index));
        }
        let has = &self.fetcher.places;
        let new: Vec<i32> = now
            .iter()
            .copied()
            .filter(|index| !has.contains_key(index))
            .collect();
        if !new.is_empty() {
            self.begin(&new)?;
        }
        self.membership.has(&now);
        Ok(())
    }

    /// Begins with partitions: where the group has come to or, where it has not been or the log is not
    /// any more, at the place that the command line says.
    fn begin(&mut self, partitions: &[i32]) -> Result<(), Failure> {
        let topic = &mut self.fetcher.topic;
        if partitions.iter().any(|it| topic.partition(*it).is_err()) {
            // It has grown.
            *topic = self.fetcher.client.topic(&self.consume.topic, false)?;
        }
        let places = self
            .consume
            .places(&mut self.fetcher.client, topic, partitions)?;
        let all = |at: At| partitions.iter().map(|index| (*index, at)).collect();
        let earliest = self
            .fetcher
            .client
            .offsets(topic, &all(At::Earliest), false)?;
        let latest = self
            .fetcher
            .client
            .offsets(topic, &all(At::Latest), false)?;
        let Some(committed) = self.fetch_committed(partitions)? else {
            return Ok(());
        };
        for (index, mut place) in places {
            let bounds = earliest[&index].offset.zip(latest[&index].offset);
            if let Some(offset) = committed.get(&index)
                && let Some((first, end)) = bounds
                && (first..=end).contains(offset)
            {
                place.next = *offset;
                self.committed.insert(index, *offset);
            }
            self.fetcher.places.insert(index, place);
        }
        Ok(())
    }

    /// What the group has committed; nothing if this is no member any more, of which its next heartbeat
    /// tells.
    fn fetch_committed(
        &mut self,
        partitions: &[i32],
    ) -> Result<Option<BTreeMap<i32, Offset>>, Failure> {
        let name = self.consume.topic.clone();
        let parts = BTreeMap::from([(name, partitions.to_vec())]);
        let who = self.membership.committer();
        let committed = self.client.committed(self.group, who, Some(&parts))?;
        match committed {
            Ok(committed) => {
                let offsets = committed.into_iter();
                let offsets = offsets.map(|((_, index), it)| (index, it.offset));
                Ok(Some(offsets.collect()))
            }
            Err(code) if is_outdated(code) => Ok(None),
            Err(code) => Err(Failure::refused(
                &format!("the offsets of group '{}'", self.group),
                code,
                None,
            )),
        }
    }

    /// Commits how far it has come, where that is news.
    fn commit(&mut self) -> Result<(), Failure> {
        let topic = &self.consume.topic;
        let news: BTreeMap<Part, Offset> = self
            .fetcher
            .places
            .iter()
            .filter(|(index, place)| is_news(&self.committed, **index, place))
            .map(|(index, place)| ((topic.clone(), *index), place.next))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        let who = self.membership.committer();
        let went = self.client.commit(self.group, who, &news)?;
        for ((topic, index), code) in went {
            match code {
                ErrorCode::NONE => {
                    let offset = self.fetcher.places.get(&index).map(|place| place.next);
                    self.committed.extend(offset.map(|offset| (index, offset)));
                }
                // Others may have the partition by now, and print it from where we have committed last.
                code if is_outdated(code) => {}
                code => {
                    let subject = format!("'{topic}' partition {index} of group '{}'", self.group);
                    return Err(Failure::refused(&subject, code, None));
                }
            }
        }
        Ok(())
    }
}

/// Whether a partition has come further than is committed. A place at which nothing was read yet is none.
fn is_news(committed: &BTreeMap<i32, Offset>, index: i32, place: &Place) -> bool {
    match committed.get(&index) {
        Some(offset) => *offset != place.next,
        None => place.has_moved,
    }
}

/// Codes of a membership that is not what it was, of which its next heartbeat tells.
fn is_outdated(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::STALE_MEMBER_EPOCH
            | ErrorCode::FENCED_MEMBER_EPOCH
    )
}

/// Is set by the first SIGINT or SIGTERM; a second one ends the process at once.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = stopped.clone();
    signals::block()
        .and_then(|()| {
            signals::on_stop(move |_| {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED);
                }
            })
        })
        .map_err(|error| Failure::new(format!("no thread for signals: {error}")))?;
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_again_is_what_has_moved() {
        let place = |next, has_moved| Place {
            next: Offset(next),
            end: None,
            has_moved,
        };
        let committed = BTreeMap::from([(0, Offset(5))]);
        assert!(!is_news(&committed, 0, &place(5, true)));
        assert!(is_news(&committed, 0, &place(6, true)));
        // Of partition 1 nothing is committed.
        assert!(!is_news(&committed, 1, &place(5, false)));
        assert!(is_news(&committed, 1, &place(6, true)));
    }
}
