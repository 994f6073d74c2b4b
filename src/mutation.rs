//! Planted bugs that the simulation must catch (DESIGN.md 10). Compiled to `false` unless the crate
//! is built with the feature `mutations`, which only tests do.

/// A bug that can be switched on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// A short write counts as whole.
    ShortWriteNotResumed,
    /// A produce is acknowledged when its append is submitted.
    AcknowledgedBeforeWritten,
    /// The high watermark moves when a batch is queued.
    HighWatermarkEarly,
    /// The second batch of one append gets the first one's base offset.
    WrongOffsetPatched,
    /// A long poll that waits is not told of new records from another shard.
    LostWakeUp,
    /// Two pipelined replies leave in the wrong order.
    RepliesSwapped,
    /// A produce is acknowledged before the flush that its topic's `flush.messages` demands.
    FlushNotAwaited,
    /// A group's offsets count as committed when their append is submitted.
    CommittedBeforeWritten,
    /// Recovery keeps an index that points beyond the cut log.
    StaleIndex,
    /// Compaction drops the newest record of each key and keeps those before it.
    NewestCompactedAway,
}

#[cfg(feature = "mutations")]
mod switch {
    use super::Mutation;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Switches one bug on, or all off, for this thread.
    pub fn plant(mutation: Option<Mutation>) {
        PLANTED.with(|planted| planted.set(mutation));
    }

    /// Whether this bug is switched on.
    pub fn planted(mutation: Mutation) -> bool {
        PLANTED.with(|planted| planted.get() == Some(mutation))
    }
}

#[cfg(feature = "mutations")]
pub use switch::{plant, planted};

/// Whether this bug is switched on: never, in this build.
#[cfg(not(feature = "mutations"))]
#[inline(always)]
pub const fn planted(_mutation: Mutation) -> bool {
    false
}
