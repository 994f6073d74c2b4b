//! What shards say to each other.
//!
//! A connection lives on one shard, a partition on another. The connection's shard *asks* the
//! owner; each [`Ask`] gets exactly one [`Answer`], under the ticket that it named. Asks need credit
//! from their target and answers use the place that their ask reserved, so two shards can never
//! block each other; notes (`Watch`, `Unwatch`, `Moved`) need none, because a ticket has at most one
//! of each under way per shard.

use super::admin::{AdminAnswer, AdminAsk, Change};
use super::delete_records::DeletePart;
use super::inspect::{InspectAsk, Inspected};
use super::quotas::Debit;
use crate::group::{Call, Reply};
use crate::io::{FileRange, Pieces, Socket};
use crate::log::{Aborted, Isolation};
use crate::types::{Few, LeaderEpoch, Offset, PartitionId, ReturnTo, Timestamp};
use crate::wire::ErrorCode;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One message between two shards.
#[derive(Debug)]
pub enum Mail {
    /// A question; the answer goes to `from`.
    Ask {
        /// Who asks.
        from: ReturnTo,
        /// What.
        ask: Ask,
    },
    /// The answer to an ask.
    Answer {
        /// The ticket that asked.
        ticket: u64,
        /// The answer.
        answer: Answer,
    },
    /// Tell `from` once when these partitions have more to read than it has seen.
    Watch {
        /// Who waits.
        from: ReturnTo,
        /// The partitions, each with the high watermark last seen.
        seen: Few<(PartitionId, Offset)>,
        /// How many bytes more are worth the message.
        bytes: u64,
    },
    /// Never mind.
    Unwatch {
        /// Who waited.
        from: ReturnTo,
    },
    /// There is more to read.
    Moved {
        /// The ticket that watches.
        ticket: u64,
    },
    /// A new connection, dealt by shard 0.
    Connection {
        /// Its socket.
        socket: Socket,
        /// Who it is.
        peer: SocketAddr,
        /// The listener that it came in by.
        listener: usize,
    },
    /// A connection has ended, told to shard 0.
    Left {
        /// Where it came from.
        address: IpAddr,
    },
    /// A log is durable up to there, told to shard 0, which keeps the checkpoint.
    Durable {
        /// Its log directory's index.
        log_dir: usize,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// Everything before is on disk.
        recovery_point: Offset,
    },
    /// A log is compacted up to there, told to shard 0, which keeps the checkpoint.
    Cleaned {
        /// Its log directory's index.
        log_dir: usize,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// The first offset that is not compacted.
        cleaned: Offset,
    },
    /// The disk under a log directory has failed: nothing in it is served any more.
    LogDirFailed {
        /// Its index.
        log_dir: usize,
        /// What happened.
        why: Arc<str>,
    },
    /// A log begins there, told to shard 0, which keeps the checkpoint.
    LogStart {
        /// Its log directory's index.
        log_dir: usize,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// First offset kept.
        log_start: Offset,
        /// Base offset of its first segment.
        first_segment: Offset,
    },
    /// The stop of the broker goes on to its next step.
    Stop(StopStep),
}

/// The steps of a clean stop. Shard 0 leads: it hears from every shard that a step is done before
/// it orders the next.
#[derive(Debug)]
pub enum StopStep {
    /// Accept nothing new, answer what was asked, close connections.
    Drain,
    /// No connection is left on the sending shard.
    Drained,
    /// Close the logs.
    Close,
    /// The sender's logs are closed and end there.
    Closed(Vec<ClosedLog>),
    /// Everything is on disk: the threads may end.
    End,
}

/// Where a log stood when it was closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClosedLog {
    /// Its log directory's index.
    pub log_dir: usize,
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionId,
    /// First offset kept.
    pub log_start: Offset,
    /// Base offset of its first segment.
    pub first_segment: Offset,
    /// High watermark.
    pub high_watermark: Offset,
    /// The first offset that is not compacted; 0 if nothing is.
    pub cleaned: Offset,
    /// Everything before is durable.
    pub recovery_point: Offset,
    /// Whether everything went to disk without an error.
    pub clean: bool,
}

/// What one shard wants of another.
#[derive(Debug)]
pub enum Ask {
    /// Append record sets.
    Produce(ProduceAsk),
    /// Find what a fetch may read.
    Read {
        /// One per partition.
        parts: Few<ReadPart>,
        /// What the client may see.
        isolation: Isolation,
    },
    /// Find offsets by time or by name.
    Offsets {
        /// One per partition.
        parts: Few<OffsetPart>,
        /// What the client may see.
        isolation: Isolation,
    },
    /// Delete what lies before an offset, one part per partition.
    DeleteRecords(Vec<DeletePart>),
    /// Ask the coordinator of a group.
    Group {
        /// The partition of `__consumer_offsets` that the group hashes to.
        partition: PartitionId,
        /// What.
        call: Box<Call>,
    },
    /// Count what a request has used of its client's quotas (shard 0).
    Charge(Vec<Debit>),
    /// Ask what changes nothing.
    Inspect(InspectAsk),
    /// Change or ask the cluster's metadata (shard 0).
    Admin(AdminAsk),
    /// Take over a new image (from shard 0).
    Install(Arc<Change>),
}

/// The answer to the [`Ask`] of the same name.
#[derive(Debug)]
pub enum Answer {
    /// By the parts' index.
    Produce(Few<(u32, Produced)>),
    /// By the parts' index.
    Read(Few<(u32, ReadResult)>),
    /// By the parts' index.
    Offsets(Few<(u32, OffsetResult)>),
    /// By the parts' index: the log's start afterwards.
    RecordsDeleted(Vec<(u32, Result<Offset, ErrorCode>)>),
    /// The coordinator's reply.
    Group(Box<Reply>),
    /// It is counted.
    Charged {
        /// For how long the client is to be held back, in ms.
        held_ms: i32,
    },
    /// What was asked.
    Inspected(Inspected),
    /// What became of it.
    Admin(AdminAnswer),
    /// The image is in force on that shard.
    Installed,
}

impl Ask {
    /// Whether the answer may wait for what other clients do. Such an ask takes no credit of its route:
    /// the others' asks have to come through. A coordinator keeps one of a member waiting at most.
    pub fn waits_for_clients(&self) -> bool {
        let Ask::Group { call, .. } = self else {
            return false;
        };
        matches!(**call, Call::Join(_) | Call::Sync(_))
    }
}

impl Answer {
    /// Whether it answers such an ask.
    pub fn waited_for_clients(&self) -> bool {
        let Answer::Group(reply) = self else {
            return false;
        };
        matches!(**reply, Reply::Joined(_) | Reply::Synced(_))
    }
}

/// Record sets for partitions of one shard. Answered when they are written, also where the client
/// wants no answer (acks=0): its connection's slot is what keeps it from sending faster than the disk
/// writes.
#[derive(Debug)]
pub struct ProduceAsk {
    /// One per partition of the request.
    pub parts: Few<ProducePart>,
    /// The request's version: zstd needs 7.
    pub version: i16,
}

/// One partition's record set.
#[derive(Debug)]
pub struct ProducePart {
    /// Its place in the request.
    pub index: u32,
    /// The partition.
    pub partition: PartitionId,
    /// The record set, as it arrived.
    pub records: Pieces,
}

/// How a record set fared.
#[derive(Clone, Debug)]
pub struct Produced {
    /// `NONE` if it is in the log.
    pub error: ErrorCode,
    /// Offset of its first record.
    pub base: Offset,
    /// The time its records were given, for LogAppendTime; else -1.
    pub append_time: Timestamp,
    /// First offset of the log.
    pub log_start: Offset,
    /// What is wrong, if there is more to say than the error does.
    pub why: Option<Box<WhyRefused>>,
}

/// What is wrong with a record set.
#[derive(Clone, Default, Debug)]
pub struct WhyRefused {
    /// Faults of single records: index in the batch, and what is wrong.
    pub records: Vec<(i32, String)>,
    /// For people.
    pub message: String,
}

impl Produced {
    /// Not in the log.
    pub fn refused(error: ErrorCode) -> Produced {
        Produced {
            error,
            base: Offset::UNKNOWN,
            append_time: Timestamp::NONE,
            log_start: Offset::UNKNOWN,
            why: None,
        }
    }
}

/// One partition of a fetch.
#[derive(Clone, Copy, Debug)]
pub struct ReadPart {
    /// Its place in the request.
    pub index: u32,
    /// The partition.
    pub partition: PartitionId,
    /// First offset wanted.
    pub offset: Offset,
    /// Bytes wanted at most, but for a first batch that is larger.
    pub bytes_max: u64,
    /// The leader epoch the client knows, or unknown (KIP-320).
    pub epoch: LeaderEpoch,
}

/// What a fetch gets of one partition.
#[derive(Clone, Debug)]
pub struct ReadResult {
    /// `NONE`, or why there is nothing.
    pub error: ErrorCode,
    /// Offset after the last committed record.
    pub high_watermark: Offset,
    /// Offset of the first record of an open transaction, else the high watermark.
    pub last_stable: Offset,
    /// First offset of the log.
    pub log_start: Offset,
    /// The bytes, if there are any.
    pub range: Option<FileRange>,
    /// Size of the first batch in `range`.
    pub first_batch: u64,
    /// Whether `range` lies in a closed segment, so that nothing will be added to it.
    pub is_sealed: bool,
    /// The transactions of which `range` may hold aborted records; only for who reads committed ones.
    pub aborted: Vec<Aborted>,
}

impl ReadResult {
    /// Nothing, from a partition that is not known here.
    pub fn refused(error: ErrorCode) -> ReadResult {
        ReadResult {
            error,
            high_watermark: Offset::UNKNOWN,
            last_stable: Offset::UNKNOWN,
            log_start: Offset::UNKNOWN,
            range: None,
            first_batch: 0,
            is_sealed: false,
            aborted: Vec::new(),
        }
    }
}

/// One partition of a ListOffsets request.
#[derive(Clone, Copy, Debug)]
pub struct OffsetPart {
    /// Its place in the request.
    pub index: u32,
    /// The partition.
    pub partition: PartitionId,
    /// A time, or one of Kafka's names for an offset: -1 to -6.
    pub timestamp: i64,
    /// The leader epoch the client knows, or unknown.
    pub epoch: LeaderEpoch,
}

/// An offset found.
#[derive(Clone, Copy, Debug)]
pub struct OffsetResult {
    /// `NONE`, or why there is nothing.
    pub error: ErrorCode,
    /// The offset, or -1.
    pub offset: Offset,
    /// The record's timestamp, or -1.
    pub timestamp: Timestamp,
    /// Its leader epoch, or -1.
    pub epoch: LeaderEpoch,
}

impl OffsetResult {
    /// No offset.
    pub fn refused(error: ErrorCode) -> OffsetResult {
        OffsetResult {
            error,
            offset: Offset::UNKNOWN,
            timestamp: Timestamp::NONE,
            epoch: LeaderEpoch::UNKNOWN,
        }
    }
}
