//! Incremental fetch sessions (KIP-227): the broker remembers what a connection fetches, so that the
//! client names only what changes and hears only of what has changed.

use crate::types::{Offset, Uuid};
use crate::wire::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The epoch of a request without a session, and of one that closes its session.
pub const FINAL_EPOCH: i32 = -1;
/// The epoch of the request that opens a session.
pub const INITIAL_EPOCH: i32 = 0;

/// A partition as clients name it: by id from fetch version 13 on, by name before.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The topic's name; empty where the request has ids.
    pub topic: Arc<str>,
    /// The topic's id; zero where the request has names.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
}

/// What a client wants of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// First offset.
    pub offset: i64,
    /// Bytes at most.
    pub bytes_max: i32,
    /// The leader epoch that the client knows, or -1.
    pub epoch: i32,
}

/// What a client was last told of a partition; a change of it is worth telling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Told {
    high_watermark: Offset,
    log_start: Offset,
}

#[derive(Clone, Debug)]
struct Entry {
    wanted: Wanted,
    told: Option<Told>,
    turn: u64,
}

/// One connection's session.
#[derive(Clone, Debug)]
pub struct FetchSession {
    id: i32,
    epoch: i32,
    entries: BTreeMap<Key, Entry>,
    /// The order of answers: who got data goes to the end, so that nobody starves.
    turns: BTreeMap<u64, Key>,
    next_turn: u64,
}

impl FetchSession {
    /// Opens a session with the partitions of a full request.
    pub fn open(id: i32, wanted: impl IntoIterator<Item = (Key, Wanted)>) -> FetchSession {
        let mut session = FetchSession {
            id,
            epoch: 1,
            entries: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
        };
        session.update(wanted);
        session
    }

    /// The session's id, never 0.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// How many partitions it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Checks an incremental request against the session and counts it.
    pub fn advance(&mut self, id: i32, epoch: i32) -> Result<(), ErrorCode> {
        if id != self.id {
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        if epoch != self.epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        self.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        Ok(())
    }

    /// Adds partitions, or changes what is wanted of them.
    pub fn update(&mut self, wanted: impl IntoIterator<Item = (Key, Wanted)>) {
        for (key, wanted) in wanted {
            match self.entries.get_mut(&key) {
                Some(entry) => entry.wanted = wanted,
                None => {
                    let turn = self.next_turn;
                    self.next_turn += 1;
                    self.turns.insert(turn, key.clone());
                    self.entries.insert(
                        key,
                        Entry {
                            wanted,
                            told: None,
                            turn,
                        },
                    );
                }
            }
        }
    }

    /// Drops partitions.
    pub fn forget(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if let Some(entry) = self.entries.remove(&key) {
                self.turns.remove(&entry.turn);
            }
        }
    }

    /// All partitions, in the order of their turn.
    pub fn wanted(&self) -> impl Iterator<Item = (&Key, Wanted)> {
        self.turns
            .values()
            .map(|key| (key, self.entries[key].wanted))
    }

    /// Notes what a partition's answer would say, and tells whether the client has to hear it.
    pub fn tell(
        &mut self,
        key: &Key,
        error: ErrorCode,
        high_watermark: Offset,
        log_start: Offset,
        has_records: bool,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            return true;
        };
        let now = Told {
            high_watermark,
            log_start,
        };
        let news = has_records || error != ErrorCode::NONE || entry.told != Some(now);
        // After an error the next answer is told whatever it is.
        entry.told = (error == ErrorCode::NONE).then_some(now);
        if has_records {
            self.turns.remove(&entry.turn);
            entry.turn = self.next_turn;
            self.next_turn += 1;
            self.turns.insert(entry.turn, key.clone());
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> Key {
        Key {
            topic: "t".into(),
            topic_id: Uuid::ZERO,
            partition,
        }
    }

    fn from(offset: i64) -> Wanted {
        Wanted {
            offset,
            bytes_max: 100,
            epoch: -1,
        }
    }

    #[test]
    fn only_news_are_told() {
        let mut session = FetchSession::open(7, [(key(0), from(0)), (key(1), from(0))]);
        let none = ErrorCode::NONE;
        assert!(session.tell(&key(0), none, Offset(5), Offset(0), false));
        assert!(!session.tell(&key(0), none, Offset(5), Offset(0), false));
        assert!(session.tell(&key(0), none, Offset(6), Offset(0), false));
        assert!(session.tell(
            &key(0),
            ErrorCode::KAFKA_STORAGE_ERROR,
            Offset(6),
            Offset(0),
            false
        ));
        assert!(
            session.tell(&key(0), none, Offset(6), Offset(0), false),
            "the error is over"
        );
        assert!(session.tell(&key(0), none, Offset(6), Offset(0), true));
    }

    #[test]
    fn who_got_data_goes_to_the_end() {
        let mut session =
            FetchSession::open(7, [(key(0), from(0)), (key(1), from(0)), (key(2), from(0))]);
        session.tell(&key(0), ErrorCode::NONE, Offset(5), Offset(0), true);
        let order: Vec<i32> = session.wanted().map(|(key, _)| key.partition).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn epochs_are_counted_and_wrap_to_one() {
        let mut session = FetchSession::open(7, []);
        assert_eq!(
            session.advance(8, 1),
            Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)
        );
        assert_eq!(
            session.advance(7, 2),
            Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH)
        );
        assert_eq!(session.advance(7, 1), Ok(()));
        assert_eq!(
            session.advance(7, 1),
            Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH)
        );
        session.epoch = i32::MAX;
        assert_eq!(session.advance(7, i32::MAX), Ok(()));
        assert_eq!(session.advance(7, 1), Ok(()));
    }

    #[test]
    fn forgotten_partitions_are_gone() {
        let mut session = FetchSession::open(7, [(key(0), from(0)), (key(1), from(0))]);
        session.forget([key(0), key(9)]);
        session.update([(key(1), from(42))]);
        let left: Vec<_> = session
            .wanted()
            .map(|(key, it)| (key.partition, it.offset))
            .collect();
        assert_eq!(left, [(1, 42)]);
    }
}
