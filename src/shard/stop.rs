//! The clean stop. Shard 0 leads it: connections drain everywhere, then every log closes, then the
//! checkpoints and the marker are written, then the threads end. Nothing is closed while a shard
//! still has a connection that may ask.

use super::checkpoints::{CLEANED, RECOVERY_POINTS};
use super::mail::{ClosedLog, Mail, StopStep};
use super::{Controller, Life, Outbox, Shard, Waiting};
use crate::log::{self, OffsetCheckpoint};
use crate::metadata::CleanShutdown;
use crate::store::{Task, TaskOutcome};
use crate::types::{Now, Offset, ShardId};

/// High watermarks by partition.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// Log starts that lie behind the first segment's base.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// What a log directory is locked by.
pub const LOCK: &str = ".lock";

/// How far the stop has come on this shard.
#[derive(Default)]
pub(super) enum Stopping {
    /// Not at all.
    #[default]
    No,
    /// Logs are being closed.
    Closing,
    /// All is said; the thread may end.
    Ended,
}

/// What shard 0 has heard from the others.
#[derive(Default)]
pub(super) struct StopReports {
    drained: u16,
    closing: bool,
    closed: u16,
    logs: Vec<ClosedLog>,
}

impl Shard {
    /// This shard has no connection left.
    pub fn drained(&mut self, out: &mut Outbox) {
        out.mail
            .push_back((ShardId(0), Mail::Stop(StopStep::Drained)));
    }

    /// Whether the thread may end.
    pub fn has_ended(&self) -> bool {
        matches!(self.stopping, Stopping::Ended)
    }

    pub(super) fn stop_step(&mut self, now: Now, step: StopStep, out: &mut Outbox) {
        match step {
            StopStep::Drained => {
                self.stop_reports.drained += 1;
                self.close_when_idle(out);
            }
            StopStep::Close => {
                self.stopping = Stopping::Closing;
                let slots: Vec<u32> = self.partitions.slots().collect();
                for slot in slots {
                    self.give_compaction_up(slot, out);
                    self.close_when_quiet(slot, out);
                }
                self.report_closed(out);
            }
            StopStep::Closed(logs) => {
                self.stop_reports.closed += 1;
                self.stop_reports.logs.extend(logs);
                if self.stop_reports.closed == self.shards {
                    self.leave_cluster(now, out);
                }
            }
            StopStep::Drain => unreachable!("connections are the worker's"),
            StopStep::End => self.stopping = Stopping::Ended,
        }
    }

    /// Whether this shard closes its logs, or has.
    pub(super) fn is_stopping(&self) -> bool {
        !matches!(self.stopping, Stopping::No)
    }

    /// Whether logs are being closed: nothing is changed any more.
    pub(super) fn is_closing(&self) -> bool {
        self.stop_reports.closing
    }

    /// Has the logs closed once no connection is left and no change is on its way to the shards (its
    /// client may be gone).
    pub(super) fn close_when_idle(&mut self, out: &mut Outbox) {
        let drained = self.stop_reports.drained == self.shards;
        let idle = self.controller.as_ref().is_some_and(Controller::is_idle);
        if drained && idle && !self.is_closing() {
            self.stop_reports.closing = true;
            self.checkpoints.stop();
            self.tell_all(|| Mail::Stop(StopStep::Close), out);
        }
    }

    /// Goes on with what waited for this partition to have nothing in flight.
    pub(super) fn slot_is_quiet(&mut self, slot: u32, out: &mut Outbox) {
        let stopping = matches!(self.stopping, Stopping::Closing);
        let partition = self.slot(slot);
        if !partition.is_quiet() {
            return;
        }
        match partition.life {
            Life::Serving if stopping => {
                self.close_when_quiet(slot, out);
                self.report_closed(out);
            }
            Life::Serving | Life::Closed => {}
            Life::Closing => {
                partition.life = Life::Closed;
                self.report_closed(out);
            }
            Life::Dying { .. } => {
                self.bury_when_quiet(slot, out);
                self.report_closed(out);
            }
        }
    }

    fn close_when_quiet(&mut self, slot: u32, out: &mut Outbox) {
        let partition = self.slot(slot);
        if !partition.is_quiet() {
            return;
        }
        partition.life = match partition.store.close(&mut out.operations) {
            true => Life::Closing,
            false => Life::Closed,
        };
    }

    /// Tells shard 0 once all partitions are closed and no task is left.
    pub(super) fn report_closed(&mut self, out: &mut Outbox) {
        let all_closed = self
            .slots
            .iter()
            .flatten()
            .all(|partition| matches!(partition.life, Life::Closed));
        if !matches!(self.stopping, Stopping::Closing) || !all_closed || !self.waiting.is_empty() {
            return;
        }
        let logs = self.slots.drain(..).flatten().map(|partition| {
            let log = partition.store.log();
            ClosedLog {
                log_dir: partition.log_dir,
                topic: partition.topic.clone(),
                partition: partition.id,
                log_start: log.log_start(),
                first_segment: log.segments().next().expect("a log has a segment").base,
                high_watermark: log.high_watermark(),
                cleaned: log.cleaned(),
                recovery_point: log.flushed(),
                clean: log.flushed() == log.log_end() && !partition.store.is_offline(),
            }
        });
        let logs = logs.collect();
        self.partitions.clear();
        self.stopping = Stopping::No;
        out.mail
            .push_back((ShardId(0), Mail::Stop(StopStep::Closed(logs))));
    }

    /// The metadata log has heard the last of this broker: what is left are the files that tell the
    /// next start that all is well. The marker comes last, because Kafka believes it blindly, and
    /// only into log directories where every log was closed without an error.
    pub(super) fn metadata_closed(&mut self, out: &mut Outbox) {
        let logs = std::mem::take(&mut self.stop_reports.logs);
        let broker_epoch = self
            .controller
            .as_ref()
            .map_or(-1, Controller::broker_epoch);
        let mut files = Vec::new();
        let mut markers = Vec::new();
        let mut unlink = Vec::new();
        for (log_dir, (path, _)) in self.placement.log_dirs.iter().enumerate() {
            unlink.push(path.join(LOCK));
            // Of what lies on a failed disk nothing is known for sure: the next start looks itself.
            if self.failed_dirs.contains(&log_dir) {
                continue;
            }
            let here = || logs.iter().filter(|log| log.log_dir == log_dir);
            let mut checkpoint = |name: &str, offset: &dyn Fn(&ClosedLog) -> Option<Offset>| {
                let offsets: OffsetCheckpoint = here()
                    .filter_map(|log| {
                        let key = (log.topic.to_string(), log.partition.index.0);
                        Some((key, offset(log)?))
                    })
                    .collect();
                files.push((path.join(name), log::offsets_text(&offsets).into_bytes()));
            };
            checkpoint(RECOVERY_POINTS, &|log| Some(log.recovery_point));
            checkpoint(HIGH_WATERMARKS, &|log| Some(log.high_watermark));
            checkpoint(LOG_STARTS, &|log| {
                (log.log_start > log.first_segment).then_some(log.log_start)
            });
            checkpoint(CLEANED, &|log| {
                Some(log.cleaned).filter(|it| *it > Offset(0))
            });
            if here().all(|log| log.clean) {
                let text = CleanShutdown { broker_epoch }.format();
                markers.push((path.join(CleanShutdown::NAME), text.into_bytes()));
            }
        }
        files.extend(markers);
        self.submit_task(Waiting::Farewell, Task::Replace { files, unlink }, out);
    }

    pub(super) fn farewell_said(&mut self, outcome: TaskOutcome, out: &mut Outbox) {
        if let TaskOutcome::Finished(Err(error)) = outcome {
            tracing::error!("the stop is not a clean one: {error}");
        }
        self.tell_all(|| Mail::Stop(StopStep::End), out);
    }

    pub(super) fn tell_all(&self, mail: impl Fn() -> Mail, out: &mut Outbox) {
        for shard in 0..self.shards {
            out.mail.push_back((ShardId(shard), mail()));
        }
    }
}
