//! Random members, driven by a seed, against what must always hold: joins, syncs and heartbeats in any
//! order, crashes, restarts of static members, repeated calls, leaves, commits, deleted groups, failed
//! appends, and time.
//!
//! What holds at every step: each call gets one answer ([`Bench::answer`]); timers do not lie in the past
//! ([`Bench::due`]); whoever follows the log knows every group that is stable or empty, and every offset
//! ([`Bench::check_follower`]); generations only grow; an assignment is that of the generation in which
//! it is given; who has a heartbeat answered without error belongs to the newest generation; a fetch
//! finds what was last committed. At the end, left in peace, all members agree.

use super::calls::{commit_errors, committing, fetching};
use super::*;
use crate::group::timers::GroupNumber;

const GROUPS: [&str; 2] = ["g", "h"];
const CLIENTS: usize = 7;
const STEPS: usize = 1500;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    /// It does not run.
    Down,
    /// It is to join.
    Out,
    Joining(Ticket),
    Joined(Joined),
    Syncing(Ticket),
    Member,
    Beating(Ticket),
    Committing(Ticket, i64),
}

/// A consumer.
#[derive(Debug)]
struct Client {
    group: &'static str,
    instance: Option<&'static str>,
    requires_member_id: bool,
    supports_skipping_assignment: bool,
    id: String,
    generation: i32,
    topics: usize,
    phase: Phase,
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    /// The newest generation that anybody was told of, since the log was loaded.
    newest: BTreeMap<&'static str, i32>,
    /// The generations that coordinators had, by the number of their group.
    generations: BTreeMap<(u64, GroupNumber), i32>,
    /// What each leader has given out in a generation, since the log was loaded.
    given: BTreeMap<(&'static str, i32), String>,
    committed: BTreeMap<(&'static str, i32), i64>,
    loads: u64,
    counts: Counts,
}

/// What has happened, so that a model in which nothing does is noticed.
#[derive(Default, Debug)]
struct Counts {
    assignments: usize,
    beats: usize,
    commits: usize,
    fenced: usize,
    rebalances: usize,
    failed_appends: usize,
    deleted: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut bench = Bench::with(GroupConfig {
            initial_rebalance_delay_ms: [0, 100, 3_000][seed as usize % 3],
            size_max: if seed.is_multiple_of(7) { 3 } else { i32::MAX },
            ..GroupConfig::default()
        });
        bench.seed = seed;
        let clients = (0..CLIENTS).map(|at| Client {
            group: GROUPS[at % 2],
            // Two of a group use the same.
            instance: [Some("a"), None, Some("a"), Some("b"), None, None, None][at],
            requires_member_id: at != 4,
            supports_skipping_assignment: at % 3 == 0,
            id: String::new(),
            generation: -1,
            topics: 1,
            phase: Phase::Out,
        });
        World {
            clients: clients.collect(),
            bench,
            newest: BTreeMap::new(),
            generations: BTreeMap::new(),
            given: BTreeMap::new(),
            committed: BTreeMap::new(),
            loads: 0,
            counts: Counts::default(),
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.bench.draw() % 100 < percent
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.bench.draw() % bound
    }

    /// Sends a call. Seldom the log does not take what it leads to.
    fn send(&mut self, call: Call) -> Ticket {
        let step = self.bench.begin(call);
        let ticket = self.bench.tickets;
        if !step.records.is_empty() && self.chance(3) {
            let error = ErrorCode::NOT_COORDINATOR;
            let replies = step.replies.into_iter();
            let failed = replies.map(|(to, reply)| (to, reply.fail(error))).collect();
            self.bench.answer(failed);
            self.load_again();
            self.counts.failed_appends += 1;
        } else {
            self.bench.take(step);
        }
        ticket
    }

    fn load_again(&mut self) {
        let replies = self.bench.coordinator.unload();
        self.bench.answer(replies);
        self.bench.reload();
        self.loads += 1;
        self.newest.clear();
        for group in GROUPS {
            if self.bench.coordinator.get(group).is_some() {
                let generation = self.bench.classic(group).generation();
                self.newest.insert(group, generation);
                // Generations that the log does not know were never.
                self.given
                    .retain(|(name, given), _| *name != group || *given <= generation);
            }
        }
    }

    fn step(&mut self) {
        match self.below(100) {
            0..70 => {
                let at = self.below(CLIENTS as u64) as usize;
                self.act(at);
            }
            70..90 => {
                let ms = self.below(1_500);
                self.bench.pass_ms(ms);
            }
            90..92 => {
                let ms = self.below(40_000);
                self.bench.pass_ms(ms);
            }
            92..94 => self.restart(),
            94..95 => self.load_again(),
            95..97 => self.check_offsets(),
            97..98 => self.delete(),
            _ => self.repeat(),
        }
        self.hear();
        self.check_generations();
    }

    /// A client does what it would do next, or something else that it might.
    fn act(&mut self, at: usize) {
        match self.clients[at].phase.clone() {
            Phase::Down if self.chance(20) => self.clients[at].phase = Phase::Out,
            Phase::Out => self.join(at),
            Phase::Joined(joined) => self.sync(at, &joined),
            Phase::Member if self.chance(2) => self.clients[at].phase = Phase::Down,
            Phase::Member if self.chance(3) => self.leave(at),
            Phase::Member if self.chance(5) => {
                if self.chance(50) {
                    self.clients[at].topics += 1;
                }
                self.join(at);
            }
            Phase::Member if self.chance(30) => self.commit(at),
            Phase::Member => self.beat(at),
            Phase::Joining(_) | Phase::Syncing(_) if self.chance(2) => self.leave(at),
            Phase::Joining(_) | Phase::Syncing(_) if self.chance(1) => {
                self.clients[at].phase = Phase::Down;
            }
            _ => {}
        }
    }

    fn join(&mut self, at: usize) {
        let client = &self.clients[at];
        let topics: Vec<String> = (0..client.topics % 4).map(|at| format!("t{at}")).collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let said = subscription(&topics);
        let protocols = match client.topics % 3 {
            0 => vec![protocol("range", &said)],
            _ => vec![protocol("sticky", &said), protocol("range", &said)],
        };
        let join = Join {
            group: client.group.to_string(),
            instance: client.instance.map(str::to_string),
            requires_member_id: client.requires_member_id,
            supports_skipping_assignment: client.supports_skipping_assignment,
            session_timeout_ms: 6_000 + 1_000 * at as i32,
            rebalance_timeout_ms: 1_000 + 3_000 * at as i32,
            protocols,
            ..join(&client.id)
        };
        let ticket = self.send(join.into());
        self.clients[at].phase = Phase::Joining(ticket);
    }

    fn sync(&mut self, at: usize, joined: &Joined) {
        let client = &self.clients[at];
        let (group, generation) = (client.group, joined.generation);
        let token = format!("{}:{}:", generation, self.bench.tickets);
        let leads = joined.leader == joined.member && !joined.skip_assignment;
        let assignments = joined.members.iter().filter(|_| leads).map(|member| {
            let what = format!("{token}{}", member.member);
            (member.member.to_string(), Bytes::from(what))
        });
        let call = Call::Sync(Sync {
            group: group.to_string(),
            member: client.id.clone(),
            instance: client.instance.map(str::to_string),
            generation,
            protocol_type: Some("consumer".to_string()),
            protocol_name: joined.protocol_name.as_deref().map(str::to_string),
            assignments: assignments.collect(),
        });
        let assigns = leads && self.bench.state(group) == "CompletingRebalance";
        let loads = self.loads;
        let ticket = self.send(call);
        if assigns && self.loads == loads && self.bench.state(group) == "Stable" {
            let before = self.given.insert((group, generation), token);
            assert_eq!(before, None, "{group} was assigned twice in {generation}");
            self.counts.assignments += 1;
        }
        self.clients[at].phase = Phase::Syncing(ticket);
    }

    fn beat(&mut self, at: usize) {
        let client = &self.clients[at];
        let call = Call::Heartbeat(Heartbeat {
            group: client.group.to_string(),
            member: client.id.clone(),
            instance: client.instance.map(str::to_string),
            generation: client.generation,
        });
        let ticket = self.send(call);
        self.clients[at].phase = Phase::Beating(ticket);
    }

    fn commit(&mut self, at: usize) {
        let offset = self.bench.tickets as i64;
        let client = &self.clients[at];
        let commit = Commit {
            group: client.group.to_string(),
            instance: client.instance.map(str::to_string),
            ..committing(&client.id, client.generation, &[("t0", at as i32, offset)])
        };
        let ticket = self.send(Call::Commit(commit));
        self.clients[at].phase = Phase::Committing(ticket, offset);
    }

    fn leave(&mut self, at: usize) {
        let client = &self.clients[at];
        let leaving = Leaving {
            member: client.id.clone(),
            instance: client.instance.map(str::to_string),
            reason: None,
        };
        let call = Call::Leave(Leave {
            group: client.group.to_string(),
            members: vec![leaving],
        });
        self.send(call);
        self.clients[at].phase = Phase::Down;
        self.clients[at].id.clear();
    }

    /// A client, static ones above all, starts again without its id, whatever it was doing.
    fn restart(&mut self) {
        let at = self.below(CLIENTS as u64) as usize;
        self.clients[at].id.clear();
        self.clients[at].phase = Phase::Out;
    }

    /// A client gives up a call that waits, and makes it again.
    fn repeat(&mut self) {
        let at = self.below(CLIENTS as u64) as usize;
        let Phase::Joining(ticket) = self.clients[at].phase else {
            return;
        };
        if self.bench.is_waiting(ticket) {
            self.join(at);
        }
    }

    fn delete(&mut self) {
        let group = GROUPS[self.below(2) as usize];
        let ticket = self.send(Call::Delete(Delete {
            group: group.to_string(),
        }));
        if self.bench.reply(ticket) == Reply::Deleted(ErrorCode::NONE) {
            assert_eq!(self.bench.state(group), "Dead");
            self.committed.retain(|(name, _), _| *name != group);
            self.given.retain(|(name, _), _| *name != group);
            self.newest.remove(group);
            self.counts.deleted += 1;
        }
    }

    fn check_offsets(&mut self) {
        for group in GROUPS {
            let fetch = FetchOffsets {
                group: group.to_string(),
                ..fetching(None)
            };
            let topics = self.bench.fetch(fetch).into_iter();
            let found: Vec<(i32, i64)> = topics
                .flat_map(|topic| topic.partitions)
                .map(|found| (found.index.0, found.offset.0))
                .collect();
            let committed = self
                .committed
                .iter()
                .filter(|((name, _), _)| *name == group);
            let expected: Vec<(i32, i64)> = committed
                .map(|((_, partition), offset)| (*partition, *offset))
                .collect();
            assert_eq!(found, expected, "{group}");
        }
    }

    /// Clients hear what was answered. Of a call that was given up, nobody does.
    fn hear(&mut self) {
        for at in 0..CLIENTS {
            let ticket = match self.clients[at].phase {
                Phase::Joining(ticket)
                | Phase::Syncing(ticket)
                | Phase::Beating(ticket)
                | Phase::Committing(ticket, _) => ticket,
                Phase::Down | Phase::Out | Phase::Joined(_) | Phase::Member => continue,
            };
            if let Some(reply) = self.bench.replies.remove(&ticket) {
                self.hear_reply(at, reply);
            }
        }
        self.bench.replies.clear();
    }

    fn hear_reply(&mut self, at: usize, reply: Reply) {
        let group = self.clients[at].group;
        let error = match reply {
            Reply::Joined(joined) => {
                if joined.error == ErrorCode::MEMBER_ID_REQUIRED {
                    self.clients[at].id = joined.member.to_string();
                    self.clients[at].phase = Phase::Out;
                    return;
                }
                if joined.error.is_none() {
                    let newest = self.newest.get(group).copied().unwrap_or(0);
                    assert!(
                        joined.generation >= newest,
                        "{group}: {joined:?} after {newest}"
                    );
                    if joined.generation > newest {
                        self.counts.rebalances += 1;
                    }
                    self.newest.insert(group, joined.generation);
                    let client = &mut self.clients[at];
                    client.id = joined.member.to_string();
                    client.generation = joined.generation;
                    client.phase = Phase::Joined(joined);
                    return;
                }
                joined.error
            }
            Reply::Synced(synced) => {
                let client = &self.clients[at];
                if synced.error.is_none() {
                    let given = &self.given[&(group, client.generation)];
                    let assignment = String::from_utf8_lossy(&synced.assignment);
                    assert!(
                        assignment.starts_with(given),
                        "{assignment} is not of {given}"
                    );
                    self.clients[at].phase = Phase::Member;
                    return;
                }
                synced.error
            }
            Reply::Heartbeat(error) => {
                let client = &self.clients[at];
                if error.is_none() {
                    assert_eq!(client.generation, self.newest[group], "{group}: {client:?}");
                    let roster = self.bench.classic(group).roster();
                    assert!(roster.find(&client.id).is_some(), "{group}: {client:?}");
                    self.clients[at].phase = Phase::Member;
                    self.counts.beats += 1;
                    return;
                }
                error
            }
            Reply::Committed(committed) => {
                let error = commit_errors(Reply::Committed(committed))[0];
                if error.is_none() {
                    if let Phase::Committing(_, offset) = self.clients[at].phase {
                        self.committed.insert((group, at as i32), offset);
                    }
                    self.clients[at].phase = Phase::Member;
                    self.counts.commits += 1;
                    return;
                }
                error
            }
            other => panic!("{other:?}"),
        };
        let client = &mut self.clients[at];
        client.phase = Phase::Out;
        match error {
            ErrorCode::FENCED_INSTANCE_ID => {
                self.counts.fenced += 1;
                client.phase = Phase::Down;
                client.id.clear();
            }
            ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::GROUP_MAX_SIZE_REACHED
            | ErrorCode::GROUP_ID_NOT_FOUND => client.id.clear(),
            ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::INCONSISTENT_GROUP_PROTOCOL
            | ErrorCode::NOT_COORDINATOR => {}
            other => panic!("{other:?} for {client:?}"),
        }
    }

    fn check_generations(&mut self) {
        for (number, group) in &self.bench.coordinator.groups {
            let Kind::Classic(classic) = &group.kind else {
                continue;
            };
            let generation = classic.generation();
            let before = self.generations.insert((self.loads, *number), generation);
            assert!(before.is_none_or(|before| before <= generation));
        }
    }

    /// Everybody who runs does what a client is to do, undisturbed, for as long as any timer lasts.
    fn come_to_rest(&mut self) {
        for beat in 0..600 {
            for at in 0..CLIENTS {
                match self.clients[at].phase.clone() {
                    Phase::Out => self.join(at),
                    Phase::Joined(joined) => self.sync(at, &joined),
                    Phase::Member if beat % 4 == 0 => self.beat(at),
                    _ => {}
                }
                self.hear();
            }
            self.bench.pass_ms(500);
            self.hear();
        }
    }
}

/// A seed's run.
fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.check_offsets();
    world.come_to_rest();
    for group in GROUPS {
        let clients = world.clients.iter().filter(|client| client.group == group);
        let up: Vec<&Client> = clients
            .filter(|client| client.phase != Phase::Down)
            .collect();
        if up.is_empty() || world.bench.config.size_max < up.len() as i32 {
            continue;
        }
        let newest = world.newest[group];
        let agree = |client: &&Client| client.phase == Phase::Member && client.generation == newest;
        assert!(up.iter().all(agree), "{group}: {newest} {up:#?}");
        assert_eq!(world.bench.state(group), "Stable");
        assert_eq!(world.bench.classic(group).roster().len(), up.len());
    }
    world.load_again();
    world.check_offsets();
    let replies = world.bench.coordinator.unload();
    world.bench.answer(replies);
    assert!(world.bench.waiting.is_empty(), "{:?}", world.bench.waiting);
    world.counts
}

#[test]
fn whatever_members_do_what_must_hold_holds() {
    let mut total = Counts::default();
    for seed in 1..=60 {
        let counts = told_if_it_fails(seed, run);
        total.assignments += counts.assignments;
        total.beats += counts.beats;
        total.commits += counts.commits;
        total.fenced += counts.fenced;
        total.rebalances += counts.rebalances;
        total.failed_appends += counts.failed_appends;
        total.deleted += counts.deleted;
    }
    let Counts {
        assignments,
        beats,
        commits,
        fenced,
        rebalances,
        failed_appends,
        deleted,
    } = total;
    let each = [
        assignments,
        beats,
        commits,
        fenced,
        rebalances,
        failed_appends,
        deleted,
    ];
    assert!(each.iter().all(|count| *count > 20), "{each:?}");
}
