//! Random members of both protocols in one group, driven by a seed: as they come and go the group
//! migrates, many times and both ways.
//!
//! What holds at every step: no partition is used by two clients that the coordinator takes for
//! members; in a consumer group nobody uses what the coordinator does not hold for it; whoever reads the
//! log knows the group ([`Bench::check_follower`]). At the end, left in peace, all agree and have
//! everything.

use super::migrating::{assigned, classic_join, read};
use super::*;

const CLIENTS: usize = 5;
const STEPS: usize = 700;
const PARTITIONS: usize = 6;

#[derive(Clone, PartialEq, Debug)]
enum Phase {
    Down,
    /// It is to join, by either protocol.
    Out,
    Joining(Ticket),
    Joined(Joined),
    Syncing(Ticket),
    Member,
}

/// A consumer. One that speaks the classic protocol gives up everything before it joins again.
#[derive(Clone, Debug)]
struct Mixed {
    id: String,
    is_classic: bool,
    phase: Phase,
    /// Its epoch or generation.
    epoch: i32,
    owned: Partitions,
}

struct World {
    bench: Bench,
    clients: Vec<Mixed>,
    ids: usize,
    upgrades: usize,
    downgrades: usize,
    was_consumer: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut bench = Bench::with(GroupConfig {
            initial_rebalance_delay_ms: 100,
            ..GroupConfig::default()
        });
        bench.seed = seed;
        bench.add_topic("t", PARTITIONS as i32);
        let clients = (0..CLIENTS).map(|at| Mixed {
            id: String::new(),
            is_classic: at < 3,
            phase: Phase::Out,
            epoch: 0,
            owned: Partitions::new(),
        });
        World {
            clients: clients.collect(),
            bench,
            ids: 0,
            upgrades: 0,
            downgrades: 0,
            was_consumer: false,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bench.draw() % bound as u64) as usize
    }

    fn step(&mut self) {
        let at = self.below(CLIENTS);
        match self.below(100) {
            0..70 => self.act(at),
            70..85 => {
                let ms = self.below(1_000) as u64;
                self.bench.pass_ms(ms);
            }
            85..86 => self.bench.pass_ms(20_000),
            86..90 => self.leave(at),
            90..93 => self.stop(at),
            93..99 if self.clients[at].phase == Phase::Down => {
                self.clients[at].is_classic = self.below(2) == 0;
                self.clients[at].phase = Phase::Out;
            }
            99 => self.load_again(),
            _ => {}
        }
        self.hear();
        self.check();
    }

    fn load_again(&mut self) {
        let replies = self.bench.coordinator.unload();
        self.bench.answer(replies);
        self.bench.reload();
    }

    /// A client does what it would do next.
    fn act(&mut self, at: usize) {
        let client = self.clients[at].clone();
        match (client.phase, client.is_classic) {
            (Phase::Down | Phase::Joining(_) | Phase::Syncing(_), _) => {}
            (Phase::Out, true) => {
                let ticket = self.bench.send(classic_join(&client.id, &[]).into());
                self.clients[at].phase = Phase::Joining(ticket);
            }
            (Phase::Joined(joined), _) => self.sync(at, &joined),
            (Phase::Member, true) => {
                let error = self.bench.heartbeat(&client.id, client.epoch);
                if !error.is_none() {
                    self.turn_back(at, error);
                }
            }
            (Phase::Out | Phase::Member, false) => self.beat(at),
        }
    }

    fn beat(&mut self, at: usize) {
        if self.clients[at].id.is_empty() {
            self.ids += 1;
            self.clients[at].id = format!("new-{}", self.ids);
        }
        let client = &self.clients[at];
        let call = match client.phase {
            Phase::Out => joins(&client.id, &["t"]),
            _ => owns(&client.id, client.epoch, &client.owned),
        };
        let reply = self.bench.beat(call);
        if !reply.error.is_none() {
            return self.turn_back(at, reply.error);
        }
        let client = &mut self.clients[at];
        client.phase = Phase::Member;
        client.epoch = reply.epoch;
        client.owned = reply.assignment.unwrap_or(client.owned.clone());
    }

    fn sync(&mut self, at: usize, joined: &Joined) {
        let Call::Sync(mut call) = sync(&joined.member, joined.generation, &[]) else {
            panic!("another call")
        };
        let members = &joined.members;
        call.assignments = members
            .iter()
            .enumerate()
            .map(|(at, member)| {
                let part: Vec<i32> = (0..PARTITIONS)
                    .filter(|index| index % members.len() == at)
                    .map(|index| index as i32)
                    .collect();
                (member.member.to_string(), assigned(&[("t", &part)]).into())
            })
            .collect();
        let ticket = self.bench.send(Call::Sync(call));
        self.clients[at].phase = Phase::Syncing(ticket);
    }

    /// An error: the client gives up everything and joins again, as somebody else if it is not known.
    fn turn_back(&mut self, at: usize, error: ErrorCode) {
        let client = &mut self.clients[at];
        client.phase = Phase::Out;
        client.owned = Partitions::new();
        match error {
            ErrorCode::UNKNOWN_MEMBER_ID => client.id.clear(),
            ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::GROUP_ID_NOT_FOUND
            | ErrorCode::NOT_COORDINATOR => {}
            other => panic!("{other:?} for {client:?}"),
        }
    }

    /// Clients hear what was answered.
    fn hear(&mut self) {
        for at in 0..CLIENTS {
            let (Phase::Joining(ticket) | Phase::Syncing(ticket)) = self.clients[at].phase else {
                continue;
            };
            match self.bench.replies.remove(&ticket) {
                Some(Reply::Joined(joined)) if joined.error.is_none() => {
                    let client = &mut self.clients[at];
                    client.id = joined.member.to_string();
                    client.epoch = joined.generation;
                    client.phase = Phase::Joined(joined);
                }
                Some(Reply::Synced(synced)) if synced.error.is_none() => {
                    let partitions = match synced.assignment.is_empty() {
                        true => Vec::new(),
                        false => read(&synced.assignment),
                    };
                    self.clients[at].owned = self.bench.of("t", &partitions);
                    self.clients[at].phase = Phase::Member;
                }
                Some(Reply::Joined(joined)) => self.turn_back(at, joined.error),
                Some(Reply::Synced(synced)) => self.turn_back(at, synced.error),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
        self.bench.replies.clear();
    }

    fn leave(&mut self, at: usize) {
        let client = self.clients[at].clone();
        if client.phase != Phase::Down && !client.id.is_empty() {
            match client.is_classic {
                true => {
                    self.bench.send(leave(&[(&client.id, None)]));
                }
                false => {
                    self.bench.beat(beat(&client.id, -1));
                }
            }
        }
        self.stop(at);
    }

    fn stop(&mut self, at: usize) {
        let client = &mut self.clients[at];
        client.phase = Phase::Down;
        client.owned = Partitions::new();
        client.id.clear();
    }

    fn check(&mut self) {
        let Some(group) = self.bench.coordinator.get("g") else {
            return;
        };
        let mut used = Partitions::new();
        for client in &self.clients {
            let is_member = match &group.kind {
                Kind::Classic(classic) => classic.roster().find(&client.id).is_some(),
                Kind::Consumer(consumer) => {
                    if let Some(member) = consumer.members().get(&*client.id) {
                        let owned = member.current.owned();
                        assert!(client.owned.are_within(&owned), "{client:?} {member:?}");
                    }
                    consumer.members().contains_key(&*client.id)
                }
            };
            if is_member {
                assert!(!client.owned.overlap(&used), "{client:?} and {used:?}");
                used = used.or(&client.owned);
            }
        }
        let is_consumer = matches!(group.kind, Kind::Consumer(_));
        let has_members = !group.kind.is_empty();
        if has_members && is_consumer != self.was_consumer {
            match is_consumer {
                true => self.upgrades += 1,
                false => self.downgrades += 1,
            }
            self.was_consumer = is_consumer;
        }
    }

    /// Everybody who runs does what a client is to do, for as long as any timer lasts.
    fn come_to_rest(&mut self) {
        for _ in 0..200 {
            for at in 0..CLIENTS {
                self.act(at);
                self.hear();
                self.check();
            }
            self.bench.pass_ms(1_000);
            self.hear();
        }
    }
}

/// A seed's run: how often the group became a consumer group, and a classic one.
fn run(seed: u64) -> (usize, usize) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    let up = world
        .clients
        .iter()
        .filter(|client| client.phase != Phase::Down);
    let up: Vec<&Mixed> = up.collect();
    if !up.is_empty() {
        assert!(
            up.iter().all(|client| client.phase == Phase::Member),
            "{up:#?}"
        );
        assert_eq!(world.bench.state("g"), "Stable");
        let owned = up.iter().map(|client| &client.owned);
        let all = owned.fold(Partitions::new(), |all, owned| all.or(owned));
        assert_eq!(all.len(), PARTITIONS);
        let is_consumer = up.iter().any(|client| !client.is_classic);
        let group = world.bench.coordinator.get("g").expect("the group");
        // Where a classic member left last, the group stays what it is.
        assert!(!is_consumer || matches!(group.kind, Kind::Consumer(_)));
    }
    world.load_again();
    (world.upgrades, world.downgrades)
}

#[test]
fn groups_migrate_and_no_partition_ever_has_two_users() {
    let (mut upgrades, mut downgrades) = (0, 0);
    for seed in 1..=60 {
        let (up, down) = told_if_it_fails(seed, run);
        upgrades += up;
        downgrades += down;
    }
    assert!(upgrades > 40 && downgrades > 40, "{upgrades} {downgrades}");
}
