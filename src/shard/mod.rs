//! A shard: owns partitions, waiters and timers.
