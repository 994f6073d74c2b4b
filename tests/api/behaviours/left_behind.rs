//! Log files as another broker leaves them behind: with transactions, and thinned by compaction. They
//! are written by hand, batch by batch, between two starts of the broker.

use crate::broker::{Broker, Directory, Topic};
use crate::records::{changed, put};
use millstream::batch::{
    Builder, HEADER_BYTES, LAST_OFFSET_DELTA, LENGTH, LENGTH_END, RECORD_COUNT,
};
use millstream::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use std::fs;

/// A broker of one topic, `t`, of one partition, whose segments are these, by their base offsets. Those
/// below `cleaned` have been compacted.
pub fn start(
    directory: &Directory,
    segments: &[(i64, Vec<Vec<u8>>)],
    cleaned: Option<i64>,
) -> (Broker, Topic) {
    let broker = Broker::start(directory, &["num.shards=1"]);
    let topic = broker.topic("t", 1);
    let partition = broker.partition(&topic, 0);
    broker.stop();
    let kept = ["partition.metadata", "leader-epoch-checkpoint"];
    for entry in fs::read_dir(&partition).expect("the partition's directory") {
        let entry = entry.expect("an entry");
        if !kept.contains(&&*entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).expect("a file");
        }
    }
    for (base, batches) in segments {
        let path = partition.join(format!("{base:020}.log"));
        fs::write(path, batches.concat()).expect("the directory is writable");
    }
    if let Some(cleaned) = cleaned {
        let path = directory.data().join("cleaner-offset-checkpoint");
        let text = format!("0\n1\n{} 0 {cleaned}\n", topic.name);
        fs::write(path, text).expect("the directory is writable");
    }
    // As after a crash: what is derived from the batches is derived anew.
    fs::remove_file(directory.data().join(".kafka_cleanshutdown")).expect("it was a clean stop");
    (Broker::start(directory, &["num.shards=1"]), topic)
}

/// Who writes a batch: id, epoch, sequence of its first record.
pub type Writer = (i64, i16, i32);

/// The time of all records of the batch at `base`: a second for each offset.
pub fn time_of(base: i64) -> i64 {
    1_700_000_000_000 + base * 1000
}

/// A batch of these values at `base`.
pub fn plain(base: i64, values: &[&str]) -> Vec<u8> {
    finish(base, builder(base), values)
}

/// A batch of a transaction.
pub fn transactional(base: i64, (id, epoch, sequence): Writer, values: &[&str]) -> Vec<u8> {
    let builder = builder(base)
        .producer(ProducerId(id), ProducerEpoch(epoch), sequence)
        .transactional();
    finish(base, builder, values)
}

fn builder(base: i64) -> Builder {
    Builder::new(Offset(base), LeaderEpoch(0))
}

fn finish(base: i64, mut builder: Builder, values: &[&str]) -> Vec<u8> {
    for value in values {
        let bytes = Some(value.as_bytes());
        builder.push(Timestamp(time_of(base)), bytes, bytes, &[]);
    }
    builder.finish()
}

/// The end of a transaction: Kafka's control record, version 0, written by a coordinator of epoch 0.
pub fn marker(base: i64, id: i64, epoch: i16, commit: bool) -> Vec<u8> {
    let mut builder = builder(base)
        .producer(ProducerId(id), ProducerEpoch(epoch), -1)
        .transactional()
        .control();
    builder.push_control(Timestamp(time_of(base)), i16::from(commit), &[0; 6]);
    builder.finish()
}

/// A batch that compaction has thinned to its first record, as Kafka's cleaner leaves it: base offset
/// and last offset stay.
pub fn thinned(base: i64, last: i64, value: &str) -> Vec<u8> {
    changed(plain(base, &[value]), |batch| {
        let delta = (last - base) as i32;
        put(batch, LAST_OFFSET_DELTA, &delta.to_be_bytes());
    })
}

/// What the cleaner leaves of a producer's last batch when all of its records are gone: the header.
pub fn emptied(base: i64, last: i64, (id, epoch, sequence): Writer) -> Vec<u8> {
    let builder = builder(base).producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    changed(finish(base, builder, &["gone"]), |batch| {
        batch.truncate(HEADER_BYTES);
        let length = (HEADER_BYTES - LENGTH_END) as i32;
        put(batch, LENGTH, &length.to_be_bytes());
        put(
            batch,
            LAST_OFFSET_DELTA,
            &((last - base) as i32).to_be_bytes(),
        );
        put(batch, RECORD_COUNT, &0i32.to_be_bytes());
    })
}
