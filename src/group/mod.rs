//! Groups: who consumes what, and how far they have come. The pure room of the group coordinator: no
//! I/O, no clock, no lock, nothing random but what is handed in.
//!
//! Each partition of `__consumer_offsets` has a [`Coordinator`] on the shard that owns it, which
//! coordinates the groups whose ids hash to that partition.
//!
//! ```text
//! the log's records    -> replay, replay ... -> loaded(now)          the members' sessions begin
//! a client's Call      -> handle(now, caller)      -> Step ]
//! poll_timeout() is up -> handle_timeout(now)      -> Step ]         records, and replies to callers
//! topics are gone      -> topics_deleted(now)      -> Step ]
//! topics come or grow  -> topics_changed(..)
//! leadership is lost, or an append failed -> unload() -> replies; load again
//! ```
//!
//! A [`Step`] is appended as one batch, and its replies, with those of all later steps, leave when the
//! batch is committed: nobody hears of what the log may lose. When an append fails, the coordinator is
//! unloaded, what waits is failed ([`Reply::fail`]), and it is loaded again from the log.
//!
//! | file | what |
//! |---|---|
//! | `call` | what is asked and answered |
//! | `coordinator` | the groups, loading, and who is asked |
//! | `classic/` | the classic protocol: join, sync, heartbeat, leave |
//! | `consumer/` | consumer groups (KIP-848): one heartbeat, and the broker assigns |
//! | `assign/` | who gets which partitions there |
//! | `partitions` | sets of partitions |
//! | `kind` | what is asked of groups of either kind |
//! | `commits`, `offsets` | OffsetCommit, OffsetFetch, OffsetDelete, and what they are about |
//! | `admin` | describe, list, delete |
//! | `standing` | everything committed, and who consumes it, for whoever watches |
//! | `chores` | expiry, deleted topics, what takes more than one batch |
//! | `records` | the log's format |
//! | `turn`, `timers` | what a group may use in its turn |
//!
//! # Invariants
//!
//! - Every caller gets exactly one reply.
//! - Offsets, and whether a group exists, change by taking in records alone, read back from what is
//!   written: loading and live traffic share that path. A classic group knows more than its record
//!   tells; whenever it is written, debug builds hold that a coordinator which reads the record has the
//!   same group.
//! - A step never writes more than a batch holds. What cannot be split is refused, the rest goes on in
//!   later turns.
//! - At any time one generation of a group is valid, and generations only grow.
//! - Nothing walks over all groups or members to find what is due: timers are ordered. Expiry and the
//!   deletion of topics do walk, in turns of bounded length.
//!
//! # Where it differs from Apache Kafka 4.2
//!
//! - A join that is refused for its protocols does not make a group.
//! - A second join or sync of a member whose first one still waits answers that one with
//!   REBALANCE_IN_PROGRESS; and a member that leaves while its sync waits, with UNKNOWN_MEMBER_ID. Kafka
//!   leaves both unanswered.
//! - Ids given out to join with are bounded by group ([`crate::limits::PENDING_MEMBERS_MAX`]), and keep
//!   their group from being forgotten.
//! - A commit larger than a batch is INVALID_COMMIT_OFFSET_SIZE, not UNKNOWN_SERVER_ERROR.
//! - A rebalance in which no static member has joined again is tried again after at least a second.
//! - A static member that starts anew has its new session timeout at once; Kafka begins with the old one.
//! - The record of an empty group that no batch holds is left out: the next start does not know that the
//!   group was there. Its offsets are.
//! - A group with more offsets than the tombstones of one batch can be deleted.
//! - Consumer groups: topics that a regular expression stands for are not held against the ACLs of the
//!   member that brought it. The number, length and size of expressions are bounded
//!   ([`crate::limits::GROUP_REGEXES_MAX`] and its neighbours).
//! - A classic group in its first gathering becomes a consumer group, too; and where a classic leader has
//!   given a partition to two members, the group becomes one, in which the first of them has it. Kafka
//!   answers UNKNOWN_SERVER_ERROR to both.

mod admin;
mod assign;
mod call;
mod chores;
mod classic;
mod commits;
mod config;
mod consumer;
mod coordinator;
mod kind;
mod offsets;
mod partitions;
mod records;
mod standing;
mod timers;
mod turn;

pub use assign::Assignor;
pub use call::*;
pub use config::{GroupConfig, Migration};
pub use coordinator::{Context, Coordinator, Fault, Record, Step};
pub use partitions::Partitions;
pub use standing::{Bookmark, Owner, Standing, StandingOffset, StandingPage, Told};

#[cfg(test)]
mod tests;
