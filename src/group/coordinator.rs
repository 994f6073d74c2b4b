//! The coordinator of one partition of `__consumer_offsets`.

use super::call::{Call, ListFilter, ListedGroup, Reply};
use super::config::GroupConfig;
use crate::metadata::Image;
use crate::types::{Now, ReturnTo, Timestamp};
use std::fmt;
use std::sync::Arc;

/// What a coordinator may look at.
pub struct Context<'a> {
    /// Both clocks.
    pub now: Now,
    /// The cluster.
    pub image: &'a Image,
    /// 16 random bytes at each call, for members' ids.
    pub random: &'a mut dyn FnMut() -> [u8; 16],
}

/// What came of a call or of time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Step {
    /// To be appended as one batch.
    pub records: Vec<Record>,
    /// To be sent when the batch, and those of earlier steps, are committed.
    pub replies: Vec<(ReturnTo, Reply)>,
}

/// A record of `__consumer_offsets`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it is about.
    pub key: Vec<u8>,
    /// What is so from now on; none: nothing is any more.
    pub value: Option<Vec<u8>>,
}

/// Why a record of the log is not taken in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It cannot be read: the bytes are damaged.
    Malformed(String),
    /// It is of a type that this coordinator does not serve, named by Kafka's schema.
    NotServed(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(why) => write!(f, "a damaged record: {why}"),
            Fault::NotServed(name) => write!(f, "a record of a type not served: {name}"),
        }
    }
}

impl std::error::Error for Fault {}

/// All groups of one partition of `__consumer_offsets`.
pub struct Coordinator {
    config: Arc<GroupConfig>,
}

impl Coordinator {
    /// Without groups, ready to load the log.
    pub fn new(config: Arc<GroupConfig>) -> Coordinator {
        Coordinator { config }
    }

    /// Takes over other settings. What waits already waits as it did.
    pub fn configure(&mut self, config: Arc<GroupConfig>) {
        self.config = config;
    }

    /// Takes in one record of the log, while loading.
    ///
    /// # Errors
    /// When the record cannot be read, or is not served; the coordinator is then as before.
    pub fn replay(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: Timestamp,
    ) -> Result<(), Fault> {
        todo!()
    }

    /// The log is loaded: members have their sessions from now on. What it returns is appended like any
    /// other step.
    pub fn loaded(&mut self, now: Now) -> Step {
        todo!()
    }

    /// Answers a call, now or later.
    pub fn handle(&mut self, context: &mut Context<'_>, caller: ReturnTo, call: Call) -> Step {
        todo!()
    }

    /// When `handle_timeout` wants to be called, in µs on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        todo!()
    }

    /// Does what is due. Call again while `poll_timeout` is not after now.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>) -> Step {
        todo!()
    }

    /// These topics, by name, are gone, and what was committed for them goes.
    pub fn topics_deleted(&mut self, context: &mut Context<'_>, topics: &[String]) -> Step {
        todo!()
    }

    /// Gives the partition up: everyone who waits is answered.
    pub fn unload(&mut self) -> Vec<(ReturnTo, Reply)> {
        todo!()
    }

    /// The groups, by id.
    pub fn list(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        todo!()
    }
}
