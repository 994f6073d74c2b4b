//! Loading the groups of a partition from its log: stretch by stretch, read and inflated off the shard,
//! taken in between other work. Until all of it is read, calls are told COORDINATOR_LOAD_IN_PROGRESS; so
//! nothing is appended meanwhile, and the log's end stands still.
//! Nor are segments swapped by compaction: see `compaction`.

use super::fetch::{LookUp, To};
use super::mail::ReadResult;
use super::{Outbox, Shard, Waiting};
use crate::batch::{self, Header};
use crate::group::{Fault, Record};
use crate::limits::GROUP_LOAD_BYTES;
use crate::log::Isolation;
use crate::store::{Task, TaskOutcome, Want};
use crate::types::{Now, Offset, PartitionId, ProducerId, Timestamp};
use crate::wire::{ControlRecord, ErrorCode, control_type};
use std::collections::BTreeMap;

/// How far a partition's groups are loaded.
#[derive(Default)]
pub(super) struct Load {
    next: Offset,
    /// Offsets that were committed within transactions whose end has not been met.
    open: BTreeMap<ProducerId, Vec<Record>>,
    records: u64,
    /// Records that were passed over.
    strange: u64,
}

/// Takes in a record's key and value, at its time.
type Replay<'a> = dyn FnMut(&[u8], Option<&[u8]>, Timestamp) -> Result<(), Fault> + 'a;

impl Shard {
    /// Begins to load a partition's groups; they go on with the round's end.
    pub(super) fn load_groups(&mut self, slot: u32) {
        let partition = self.slot(slot);
        let next = partition.store.log().log_start();
        let id = partition.id;
        self.groups_mut(slot).loading = Some(Load {
            next,
            ..Load::default()
        });
        self.group_loads.push(id);
    }

    /// Goes on with what is being loaded.
    pub(super) fn go_on_loading_groups(&mut self, now: Now, out: &mut Outbox) {
        while let Some(id) = self.group_loads.pop() {
            let Ok((slot, partition)) = self.serving(id) else {
                continue;
            };
            let log = partition.store.log();
            let (log_start, log_end) = (log.log_start(), log.log_end());
            let Some(load) = &mut self.groups_mut(slot).loading else {
                continue;
            };
            load.next = load.next.max(log_start);
            if load.next >= log_end {
                self.groups_loaded(now, slot, out);
                continue;
            }
            let want = Want {
                offset: load.next,
                bytes_max: GROUP_LOAD_BYTES,
                isolation: Isolation::Replica,
            };
            self.look_up(slot, LookUp::new(To::Groups(id), want), out);
        }
    }

    /// Here is where the next stretch lies.
    pub(super) fn group_stretch_found(
        &mut self,
        id: PartitionId,
        result: ReadResult,
        out: &mut Outbox,
    ) {
        match result.range {
            Some(range) => {
                self.submit_task(Waiting::GroupBatches(id), Task::ReadBatches(range), out);
            }
            None if result.error == ErrorCode::NONE => {
                // Nothing but batches that have lost their records: that is the end.
                if let Ok((slot, partition)) = self.serving(id) {
                    let log_end = partition.store.log().log_end();
                    if let Some(load) = &mut self.groups_mut(slot).loading {
                        load.next = log_end;
                    }
                    self.group_loads.push(id);
                }
            }
            None => self.groups_unreadable(id, &format!("{:?}", result.error)),
        }
    }

    /// Here is a stretch.
    pub(super) fn group_batches_read(&mut self, id: PartitionId, outcome: TaskOutcome) {
        let TaskOutcome::Batches(batches) = outcome else {
            unreachable!("batches were to be read")
        };
        let batches = match batches {
            Ok(batches) => batches,
            Err(error) => return self.groups_unreadable(id, &error.to_string()),
        };
        let Ok((slot, partition)) = self.serving(id) else {
            return;
        };
        let directory = partition.store.directory().to_owned();
        let groups = self.groups_mut(slot);
        let Some(load) = &mut groups.loading else {
            return;
        };
        let before = load.next;
        for (header, records) in &batches {
            load.next = header.next_offset();
            let taken = load.take(header, records, &mut |key, value, timestamp| {
                groups.coordinator.replay(key, value, timestamp)
            });
            if let Err(why) = taken {
                let offset = header.base_offset.0;
                tracing::error!(directory = %directory.display(), offset, "groups: a batch is passed over: {why}");
            }
        }
        if load.next == before {
            return self.groups_unreadable(id, "there is no batch where one should be");
        }
        self.group_loads.push(id);
    }

    /// Its groups are not to be had: calls go on being told that they are loaded, and the log says why.
    fn groups_unreadable(&mut self, id: PartitionId, why: &str) {
        if let Ok((_, partition)) = self.serving(id) {
            let directory = partition.store.directory().display();
            tracing::error!(%directory, "the groups cannot be loaded: {why}");
            partition.groups = None;
        }
    }

    fn groups_loaded(&mut self, now: Now, slot: u32, out: &mut Outbox) {
        let load = self
            .groups_mut(slot)
            .loading
            .take()
            .expect("it was loading");
        let directory = self.slot(slot).store.directory().display();
        if load.strange > 0 {
            tracing::warn!(
                %directory,
                records = load.strange,
                "records of groups that are not served here, or damaged, were passed over"
            );
        }
        tracing::debug!(%directory, records = load.records, "groups are loaded");
        self.with_coordinator(now, slot, out, |coordinator, context| {
            coordinator.loaded(context)
        });
    }
}

impl Load {
    /// Takes in the records of one batch, in order; those of a transaction when it is committed.
    fn take(
        &mut self,
        header: &Header,
        bytes: &[u8],
        replay: &mut Replay<'_>,
    ) -> Result<(), batch::Fault> {
        if header.is_control() {
            let marker = batch::records(bytes).next().transpose()?;
            let kind = marker.and_then(|it| ControlRecord::decode_key(it.key?).ok());
            let open = self.open.remove(&header.producer_id).unwrap_or_default();
            if kind == Some(control_type::COMMIT) {
                for Record { key, value } in open {
                    self.count(replay(&key, value.as_deref(), header.max_timestamp));
                }
            }
            return Ok(());
        }
        for record in batch::records(bytes) {
            let record = record?;
            let Some(key) = record.key else {
                self.strange += 1;
                continue;
            };
            if header.is_transactional() {
                let open = self.open.entry(header.producer_id).or_default();
                open.push(Record {
                    key: key.to_vec(),
                    value: record.value.map(<[u8]>::to_vec),
                });
                continue;
            }
            // What comes later stands, whenever a transaction ends.
            for open in self.open.values_mut() {
                open.retain(|earlier| earlier.key != key);
            }
            let delta = record.timestamp_delta;
            let timestamp = Timestamp(header.base_timestamp.0.wrapping_add(delta));
            self.count(replay(key, record.value, timestamp));
        }
        Ok(())
    }

    fn count(&mut self, taken: Result<(), Fault>) {
        self.records += 1;
        if let Err(fault) = taken {
            self.strange += 1;
            tracing::debug!("groups: {fault}");
        }
    }
}
