//! The group coordinator by the clock, with as many groups and members as a large cluster has in all.
//! `cargo bench --bench group`.

use divan::{Bencher, black_box};
use millstream::group::{
    Call, Commit, CommitPartition, CommitTopic, Context, Coordinator, GroupConfig, Heartbeat, Join,
    Protocol, Reply, Sync,
};
use millstream::limits::GROUP_STANDINGS_PER_PAGE;
use millstream::metadata::Image;
use millstream::types::{
    LeaderEpoch, Now, Offset, PartitionIndex, ReturnTo, ShardId, Timestamp, TopicId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

fn main() {
    divan::main();
}

/// Groups, and members of each: up to 100,000 members.
#[allow(dead_code)]
const SIZES: [(usize, usize); 3] = [(1, 20), (2_000, 50), (10, 10_000)];

struct Bench {
    coordinator: Coordinator,
    image: Image,
    now_us: u64,
    tickets: u64,
    /// Group and id.
    members: Vec<(String, String)>,
}

impl Bench {
    /// Stable groups.
    fn new(groups: usize, members: usize) -> Bench {
        let mut bench = Bench {
            image: Image::new(),
            now_us: 0,
            tickets: 0,
            members: Vec::new(),
            coordinator: Coordinator::new(Arc::new(GroupConfig {
                batch_bytes_max: 1 << 30,
                ..GroupConfig::default()
            })),
        };
        bench.context(|coordinator, context| coordinator.loaded(context));
        for group in 0..groups {
            for _ in 0..members {
                bench.call(Call::Join(Join {
                    group: format!("group-{group}"),
                    member: String::new(),
                    instance: None,
                    client_id: "client".to_string(),
                    client_host: "/10.0.0.1".to_string(),
                    session_timeout_ms: 1_800_000,
                    rebalance_timeout_ms: 300_000,
                    protocol_type: "consumer".to_string(),
                    protocols: vec![Protocol {
                        name: "range".to_string(),
                        metadata: vec![0; 100].into(),
                    }],
                    reason: None,
                    requires_member_id: false,
                    supports_skipping_assignment: false,
                }));
            }
        }
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..10 {
            bench.now_us += 3_000_000;
            for (_, reply) in bench.time() {
                if let Reply::Joined(reply) = reply {
                    let everybody = reply.members.iter().map(|member| member.member.to_string());
                    let leader = reply.leader.to_string();
                    joined.extend(everybody.map(|member| (member, leader.clone())));
                }
            }
        }
        assert_eq!(joined.len(), groups * members);
        bench.members = bench.groups_of(joined);
        bench
    }

    /// Everybody syncs, which shows whose group it is: members of one group have one leader.
    fn groups_of(&mut self, joined: BTreeMap<String, String>) -> Vec<(String, String)> {
        let mut group_of: BTreeMap<String, String> = BTreeMap::new();
        for listed in self.coordinator.list(&Default::default()) {
            let described = self.call(Call::Describe(millstream::group::Describe {
                group: listed.group.to_string(),
                knows_group_id_not_found: true,
            }));
            for (_, reply) in described {
                if let Reply::Described(described) = reply {
                    for member in described.members {
                        group_of.insert(member.member.to_string(), listed.group.to_string());
                    }
                }
            }
        }
        let leaders: std::collections::BTreeSet<&String> = joined.values().collect();
        for leader in leaders {
            self.call(Call::Sync(Sync {
                group: group_of[leader].clone(),
                member: leader.clone(),
                instance: None,
                generation: 1,
                protocol_type: None,
                protocol_name: None,
                assignments: Vec::new(),
            }));
        }
        let members = group_of.into_iter();
        members.map(|(member, group)| (group, member)).collect()
    }

    fn context<R>(&mut self, act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> R) -> R {
        self.tickets += 1;
        let tickets = self.tickets;
        let mut context = Context {
            now: Now {
                monotonic_us: self.now_us,
                wall: Timestamp(self.now_us as i64 / 1000),
            },
            image: &self.image,
            image_offset: Offset(0),
            random: &mut || u128::from(tickets).to_be_bytes(),
        };
        act(&mut self.coordinator, &mut context)
    }

    fn call(&mut self, call: Call) -> Vec<(ReturnTo, Reply)> {
        let caller = ReturnTo {
            shard: ShardId(0),
            ticket: self.tickets,
        };
        self.context(|coordinator, context| coordinator.handle(context, caller, call).replies)
    }

    /// One member commits an offset of one partition.
    fn commit(&mut self, at: usize) -> Vec<(ReturnTo, Reply)> {
        let (group, member) = self.members[at].clone();
        self.call(Call::Commit(Commit {
            group,
            member,
            instance: None,
            generation: 1,
            retention_ms: None,
            knows_member_epochs: true,
            topics: vec![CommitTopic {
                name: "a-topic".to_string(),
                id: TopicId::ZERO,
                partitions: vec![CommitPartition {
                    index: PartitionIndex(at as i32 % 100),
                    offset: Offset(at as i64),
                    leader_epoch: LeaderEpoch(0),
                    metadata: None,
                }],
            }],
        }))
    }

    fn time(&mut self) -> Vec<(ReturnTo, Reply)> {
        self.context(|coordinator, context| coordinator.handle_timeout(context).replies)
    }
}

/// A heartbeat of one member among all.
#[divan::bench(args = SIZES, sample_count = 10)]
fn heartbeat(bencher: Bencher<'_, '_>, (groups, members): (usize, usize)) {
    let mut bench = Bench::new(groups, members);
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 7919) % bench.members.len();
        bench.now_us += 1;
        let (group, member) = bench.members[at].clone();
        black_box(bench.call(Call::Heartbeat(Heartbeat {
            group,
            member,
            instance: None,
            generation: 1,
        })))
    });
}

/// A commit of one partition by one member among all.
#[divan::bench(args = SIZES, sample_count = 10)]
fn commit(bencher: Bencher<'_, '_>, (groups, members): (usize, usize)) {
    let mut bench = Bench::new(groups, members);
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 7919) % bench.members.len();
        bench.now_us += 1;
        black_box(bench.commit(at));
    });
}

/// A page of how far groups have come, which is the most that a shard tells of in one turn: of 2,000 groups
/// with five committed offsets each.
#[divan::bench(sample_count = 20)]
fn page_of_standings(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::new(2_000, 5);
    (0..bench.members.len()).for_each(|at| drop(bench.commit(at)));
    let mut told = None;
    bencher.bench_local(|| {
        let mut room = GROUP_STANDINGS_PER_PAGE;
        let page = bench
            .coordinator
            .standings(&bench.image, told.as_ref(), &mut room);
        assert!(page.0.iter().any(|it| !it.offsets.is_empty()));
        told = page.1.clone();
        black_box(page.0)
    });
}
