//! Whether an append goes through the ring or by a direct pwritev: decided here, without a system
//! call.
//!
//! XFS and btrfs perform the ring's buffered writes inline and hand them to a worker only when they
//! would block, which is the ideal: there everything goes through the ring. Elsewhere (ext4, tmpfs,
//! overlayfs) every such write goes to a worker, which costs 5 us a piece and has it copied by another
//! core than the one in whose cache the bytes lie; by pwritev it costs its copy alone, but waits on the
//! shard when the disk is behind. So `auto` writes inline while the disk keeps up, all but the largest.
//! It judges that by its own inline writes' latency and by the machine's dirty pages, which a thread off
//! the shards samples. A single stall says nothing: a neighbour had the core, or a journal was committed
//! and will not be again so soon.

/// `log.append.mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AppendMode {
    /// The ring or inline, whichever suits the file system and the moment.
    #[default]
    Auto,
    /// Always one WRITEV on the ring.
    Uring,
    /// Always one pwritev on the shard.
    Inline,
}

/// What a file system does with a buffered write on a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingWrites {
    /// Performs it at once, unless it would block (FMODE_BUF_WASYNC).
    Inline,
    /// Hands it to a worker thread.
    Punted,
}

impl RingWrites {
    /// By statfs(2)'s `f_type`.
    pub fn of_file_system(magic: i64) -> RingWrites {
        match magic {
            XFS_MAGIC | BTRFS_MAGIC => RingWrites::Inline,
            _ => RingWrites::Punted,
        }
    }
}

const XFS_MAGIC: i64 = 0x5846_5342;
const BTRFS_MAGIC: i64 = 0x9123_683e;

/// The way of one append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// WRITEV on the ring.
    Ring,
    /// pwritev on the shard.
    Inline,
}

/// Larger appends never go inline in `auto`: up to a set of Kafka's largest (`max.message.bytes`), the shard
/// has received and checked as much for as long as it copies it. (Up to 64 KiB only, the worker and the shard
/// took 1.17 times the processor time for sets of 16 KiB by 16 connections; up to 512 KiB, 1.28 times for sets
/// of 900 KiB by 4 while the disk keeps up, and they came 0.80 times as often.)
const INLINE_BYTES_MAX: usize = 1024 * 1024 + 4096;
/// An append that moved so much has not waited. A slow machine copies five times as much; but while large
/// appends wait no longer than this, the ring is no better for anybody: its workers wait as long and take 1.08
/// times the processor time (sets of 900 KiB by 4 connections, to a disk that is behind, 12 rounds), and requests
/// of 1 KiB beside those had a p99.9 of 190 ms by the ring and of 211 inline (6 rounds).
const MOVED_BYTES_PER_US: u64 = 200;
/// An inline append that took so much longer waited for the disk or a lock.
const OUTLIER_US: u64 = 1_000;
/// Two of those within so long are trouble.
const STALLS_WITHIN_US: u64 = 1_000_000;
/// Inline appends whose smoothed latency beyond that is above this no longer beat the ring's.
const SMOOTHED_US_MAX: u64 = 100;
/// How long the ring is used after the first sign of trouble; doubles while trouble returns at once.
const BACK_OFF_US_MIN: u64 = 100_000;
/// Its bound.
const BACK_OFF_US_MAX: u64 = 3_200_000;

/// One shard's judgement of its appends.
#[derive(Debug)]
pub struct Judge {
    mode: AppendMode,
    /// Exponentially weighted mean of inline latencies, 1/16 new, in 1/16 us.
    smoothed_us_16: u64,
    /// When one took too long last.
    stalled_us: Option<u64>,
    ring_until_us: u64,
    back_off_us: u64,
}

impl Judge {
    /// No experience yet.
    pub fn new(mode: AppendMode) -> Judge {
        Judge {
            mode,
            smoothed_us_16: 0,
            stalled_us: None,
            ring_until_us: 0,
            back_off_us: BACK_OFF_US_MIN,
        }
    }

    /// Whether [`Judge::choose`] looks at anything but the mode.
    pub fn needs_facts(&self) -> bool {
        self.mode == AppendMode::Auto
    }

    /// The way for `bytes`, at `now_us`, on a file system of that kind, with or without pressure of
    /// dirty pages.
    pub fn choose(&self, bytes: usize, writes: RingWrites, pressure: bool, now_us: u64) -> Way {
        match self.mode {
            AppendMode::Uring => Way::Ring,
            AppendMode::Inline => Way::Inline,
            AppendMode::Auto => {
                let small = bytes <= INLINE_BYTES_MAX;
                let calm = !pressure && now_us >= self.ring_until_us;
                if writes == RingWrites::Punted && small && calm {
                    Way::Inline
                } else {
                    Way::Ring
                }
            }
        }
    }

    /// An inline append of `bytes` took `took_us`, ending at `now_us`.
    pub fn inline_took(&mut self, bytes: usize, took_us: u64, now_us: u64) {
        let took_us = took_us.saturating_sub(bytes as u64 / MOVED_BYTES_PER_US);
        let mut stalls = false;
        if took_us > OUTLIER_US {
            let last = self.stalled_us.replace(now_us);
            stalls = last.is_some_and(|last| now_us < last + STALLS_WITHIN_US);
        } else {
            self.smoothed_us_16 = self.smoothed_us_16 - self.smoothed_us_16 / 16 + took_us;
        }
        if stalls || self.smoothed_us_16 / 16 > SMOOTHED_US_MAX {
            // Trouble soon after the last back-off: it was too short.
            let again = now_us < self.ring_until_us + self.back_off_us;
            self.back_off_us = if again {
                (self.back_off_us * 2).min(BACK_OFF_US_MAX)
            } else {
                BACK_OFF_US_MIN
            };
            self.ring_until_us = now_us + self.back_off_us;
            self.smoothed_us_16 = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 4096;

    fn way(judge: &Judge, now_us: u64) -> Way {
        judge.choose(SMALL, RingWrites::Punted, false, now_us)
    }

    #[test]
    fn the_set_modes_look_at_nothing() {
        for writes in [RingWrites::Inline, RingWrites::Punted] {
            for pressure in [false, true] {
                for bytes in [1, 1 << 20] {
                    let choose = |mode| Judge::new(mode).choose(bytes, writes, pressure, 0);
                    assert_eq!(choose(AppendMode::Uring), Way::Ring);
                    assert_eq!(choose(AppendMode::Inline), Way::Inline);
                }
            }
        }
    }

    #[test]
    fn auto_writes_inline_only_what_is_small_and_calm_where_the_ring_punts() {
        let judge = Judge::new(AppendMode::Auto);
        let punted = RingWrites::of_file_system(0xef53);
        let xfs = RingWrites::of_file_system(XFS_MAGIC);
        assert_eq!(judge.choose(SMALL, punted, false, 0), Way::Inline);
        assert_eq!(
            judge.choose(INLINE_BYTES_MAX, punted, false, 0),
            Way::Inline
        );
        assert_eq!(
            judge.choose(INLINE_BYTES_MAX + 1, punted, false, 0),
            Way::Ring
        );
        assert_eq!(judge.choose(SMALL, punted, true, 0), Way::Ring);
        assert_eq!(judge.choose(SMALL, xfs, false, 0), Way::Ring);
    }

    #[test]
    fn a_single_stall_is_nothing_and_a_second_one_sends_appends_to_the_ring_for_a_while() {
        let mut judge = Judge::new(AppendMode::Auto);
        for us in [1_000_000, 1_000_000 + STALLS_WITHIN_US] {
            judge.inline_took(SMALL, 5_000, us);
            assert_eq!(way(&judge, us + 1), Way::Inline);
        }
        judge.inline_took(SMALL, 5_000, 2_500_000);
        assert_eq!(way(&judge, 2_500_001), Way::Ring);
        assert_eq!(way(&judge, 2_500_000 + BACK_OFF_US_MIN), Way::Inline);
    }

    #[test]
    fn stalls_that_return_lengthen_the_while_and_calm_shortens_it() {
        let mut judge = Judge::new(AppendMode::Auto);
        let mut now_us = 10_000_000;
        for _ in 0..10 {
            judge.inline_took(SMALL, 5_000, now_us);
            judge.inline_took(SMALL, 5_000, now_us + 1);
            now_us = judge.ring_until_us + 1;
        }
        assert_eq!(judge.back_off_us, BACK_OFF_US_MAX);
        judge.inline_took(SMALL, 5_000, now_us + 60_000_000);
        judge.inline_took(SMALL, 5_000, now_us + 60_000_001);
        assert_eq!(judge.back_off_us, BACK_OFF_US_MIN);
    }

    #[test]
    fn a_disk_that_is_slow_throughout_is_noticed_without_a_stall() {
        let mut judge = Judge::new(AppendMode::Auto);
        (0..1_000).for_each(|at| judge.inline_took(SMALL, 5, at));
        assert_eq!(way(&judge, 1_000), Way::Inline);
        // What large ones take is their copy, and a wait that the ring would not spare them.
        (0..1_000).for_each(|at| judge.inline_took(900_000, 4_500, 1_000 + at));
        assert_eq!(way(&judge, 2_000), Way::Inline);
        (0..1_000).for_each(|at| judge.inline_took(SMALL, 300, 2_000 + at));
        assert_eq!(way(&judge, 3_000), Way::Ring);
    }
}
