//! The metadata room by the clock: an image from its records and back. `cargo bench --bench metadata`.

use divan::{Bencher, black_box};
use millstream::metadata::{Image, snapshot_records};
use millstream::types::Uuid;
use millstream::wire::{MetadataRecord, PartitionRecord, TopicRecord};

fn main() {
    divan::main();
}

/// Ten partitions to a topic.
fn records(partitions: i32) -> Vec<MetadataRecord<'static>> {
    let topic = |at: i32| {
        let mut id = [1; 16];
        id[..4].copy_from_slice(&at.to_be_bytes());
        let topic_id = Uuid(id);
        let topic = TopicRecord {
            name: format!("topic-{at}").into(),
            topic_id,
        };
        let partition = move |index| PartitionRecord {
            partition_id: index,
            topic_id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![Uuid([7; 16])],
            ..Default::default()
        };
        let partitions = (0..10).map(move |index| MetadataRecord::Partition(partition(index)));
        std::iter::once(MetadataRecord::Topic(topic)).chain(partitions)
    };
    (0..partitions / 10).flat_map(topic).collect()
}

fn image(records: &[MetadataRecord<'static>]) -> Image {
    let mut image = Image::new();
    records
        .iter()
        .for_each(|it| image.replay(it).expect("they follow"));
    image
}

#[divan::bench(args = [1_000, 10_000])]
fn replay(bencher: Bencher<'_, '_>, partitions: i32) {
    let records = records(partitions);
    bencher.bench(|| {
        let image = image(black_box(&records));
        assert_eq!(image.partitions().count(), partitions as usize);
        image
    });
}

#[divan::bench(args = [1_000, 10_000])]
fn snapshot(bencher: Bencher<'_, '_>, partitions: i32) {
    let image = image(&records(partitions));
    bencher.bench(|| snapshot_records(black_box(&image)).len());
}

#[divan::bench]
fn topic_by_name(bencher: Bencher<'_, '_>) {
    let image = image(&records(10_000));
    bencher.bench(|| image.topic(black_box("topic-512")).expect("it is there").id);
}
