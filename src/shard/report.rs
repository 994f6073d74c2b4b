//! What a shard tells of its partitions, for whoever watches the broker.

use super::Shard;
use crate::metrics::{ClusterReport, LogReport, Report, Row};

impl Shard {
    /// Has checks of record sets timed with that clock, which tells nanoseconds.
    pub fn measure_with(&mut self, clock: fn() -> u64) {
        self.metrics.measure_with(clock);
    }

    /// How long things took here.
    pub fn stages(&self) -> Vec<Row> {
        self.metrics.rows()
    }

    /// Adds its partitions, their topics' traffic and the cluster to a report.
    pub fn report(&self, report: &mut Report) {
        report.gone += self.metrics.gone();
        let slots = self.partitions.slots();
        for partition in slots.filter_map(|slot| self.slots[slot as usize].as_ref()) {
            let log = partition.store.log();
            let (topic, id) = (&partition.topic, partition.id);
            *report.topics.entry(topic.clone()).or_default() += partition.traffic;
            let known = self.image.partition(id.topic, id.index);
            report.logs.push(LogReport {
                topic: topic.clone(),
                topic_id: id.topic,
                partition: id.index.0,
                bytes: log.size(),
                log_start: log.log_start(),
                high_watermark: log.high_watermark(),
                log_end: log.log_end(),
                segments: log.segments().count(),
                is_offline: partition.store.is_offline(),
                replicas: known.map_or(1, |(_, it)| it.replicas.len()),
                insync_replicas: known.map_or(1, |(_, it)| it.isr.len()),
                insync_replicas_min: partition.config.insync_replicas_min as usize,
            });
        }
        report.cluster = self.controller.as_ref().map(|_| {
            let quorum = self.quorum();
            let sizes = self.image.topics().map(|topic| topic.partitions.len());
            let sizes: Vec<usize> = sizes.collect();
            ClusterReport {
                topics: sizes.len(),
                partitions: sizes.iter().sum(),
                epoch: quorum.epoch,
                log_end: quorum.log_end,
                log_dirs_offline: self.failed_dirs.len(),
            }
        });
    }
}
