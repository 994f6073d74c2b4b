//! Consumer groups by the clock. `cargo bench --bench consumer_groups`.

use divan::{Bencher, black_box};
use millstream::group::{
    Call, ConsumerBeat, ConsumerHeartbeat, Context, Coordinator, GroupConfig, Partitions, Reply,
};
use millstream::metadata::Image;
use millstream::types::{Now, Offset, ReturnTo, ShardId, Timestamp, Uuid};
use millstream::wire::{MetadataRecord, PartitionRecord, TopicRecord};
use std::sync::Arc;

const MEMBERS: usize = 100;
const TOPICS: u128 = 100;
const PARTITIONS: i32 = 100;

fn main() {
    divan::main();
}

/// A group of 100 members that share 10,000 partitions.
struct Group {
    coordinator: Coordinator,
    image: Image,
    wanted: Vec<String>,
}

impl Group {
    fn new(assignor: &str) -> Group {
        let mut image = Image::new();
        for at in 0..TOPICS {
            let topic_id = Uuid((at + 1).to_be_bytes());
            let name = format!("topic-{at}").into();
            let topic = MetadataRecord::Topic(TopicRecord { name, topic_id });
            image.replay(&topic).expect("a topic");
            for partition_id in 0..PARTITIONS {
                let partition = MetadataRecord::Partition(PartitionRecord {
                    partition_id,
                    topic_id,
                    replicas: vec![1],
                    isr: vec![1],
                    leader: 1,
                    leader_epoch: 0,
                    partition_epoch: 0,
                    ..Default::default()
                });
                image.replay(&partition).expect("a partition");
            }
        }
        let wanted = image.topics().map(|topic| topic.name.to_string()).collect();
        let mut group = Group {
            coordinator: Coordinator::new(Arc::new(GroupConfig::default())),
            image,
            wanted,
        };
        for at in 0..MEMBERS {
            group.join(&format!("member-{at}"), assignor);
        }
        group
    }

    fn call(&mut self, beat: ConsumerHeartbeat) -> ConsumerBeat {
        let mut context = Context {
            now: Now {
                monotonic_us: 1,
                wall: Timestamp(1),
            },
            image: &self.image,
            image_offset: Offset(1),
            random: &mut || [1; 16],
        };
        let caller = ReturnTo {
            shard: ShardId(0),
            ticket: 1,
        };
        let call = Call::ConsumerHeartbeat(beat);
        let mut step = self.coordinator.handle(&mut context, caller, call);
        match step.replies.pop() {
            Some((_, Reply::ConsumerBeat(beat))) => beat,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, member: &str, assignor: &str) -> ConsumerBeat {
        let join = ConsumerHeartbeat {
            rebalance_timeout_ms: Some(60_000),
            topics: Some(self.wanted.clone()),
            assignor: Some(assignor.to_string()),
            owned: Some(Partitions::new()),
            ..beat(member, 0)
        };
        self.call(join)
    }
}

fn beat(member: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: "group".to_string(),
        member: member.to_string(),
        epoch,
        instance: None,
        rack: None,
        rebalance_timeout_ms: None,
        topics: None,
        regex: None,
        assignor: None,
        owned: None,
        client_id: "client".to_string(),
        client_host: "/127.0.0.1".to_string(),
        makes_its_id: true,
    }
}

/// One more member joins, whereupon everything is assigned anew, and leaves again.
#[divan::bench(args = ["uniform", "range"])]
fn join_and_leave(bencher: Bencher<'_, '_>, assignor: &str) {
    let mut group = Group::new(assignor);
    bencher.bench_local(|| {
        black_box(group.join("one-more", assignor));
        black_box(group.call(beat("one-more", -1)))
    });
}

/// A heartbeat of a member that has what it is to have.
#[divan::bench]
fn heartbeat(bencher: Bencher<'_, '_>) {
    let mut group = Group::new("uniform");
    let joined = group.join("one-more", "uniform");
    let epoch = joined.epoch;
    bencher.bench_local(|| black_box(group.call(beat("one-more", epoch))));
}
