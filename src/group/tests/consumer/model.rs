//! Random members of a consumer group, driven by a seed, against what must always hold: they join,
//! leave, crash, are slow, lose answers, change their minds and their protocol's ids, while topics come,
//! grow and go, appends fail and the coordinator loads its log anew.
//!
//! What holds at every step: no partition is in what two members have by the coordinator's records
//! ([`World::check`]); nobody uses a partition that the coordinator does not hold for it; the targets
//! do not overlap, and are even within one where all want the same; whoever reads the log knows the
//! group ([`Bench::check_follower`]). At the end, left in peace, everybody has its target, and together
//! they have everything that anybody wants.

use super::*;

const CLIENTS: usize = 6;
const STEPS: usize = 800;
const TOPICS: [&str; 4] = ["ta", "tb", "ua", "ub"];
const REGEXES: [&str; 3] = ["t.*", ".b", "(ta|ub)"];

/// What a consumer wants.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Wish {
    topics: Vec<String>,
    regex: String,
}

/// A consumer.
#[derive(Clone, Debug)]
struct Consuming {
    id: String,
    instance: Option<&'static str>,
    is_up: bool,
    wish: Wish,
    /// Whether its next heartbeat says everything: when it joins, and after an answer was lost.
    says_all: bool,
    epoch: i32,
    /// The partitions that it uses.
    owned: Partitions,
    /// The partitions that it was told to use and does not yet.
    told: Option<Partitions>,
    /// Whether it has told the coordinator what it owns.
    has_said_owned: bool,
}

struct World {
    bench: Bench,
    clients: Vec<Consuming>,
    ids: usize,
    /// Whether no append fails and no answer is lost any more.
    is_calm: bool,
    counts: Counts,
}

/// What has happened, so that a model in which nothing does is noticed.
#[derive(Default, Debug)]
struct Counts {
    assignments: usize,
    revocations: usize,
    fenced: usize,
    failed_appends: usize,
    lost: usize,
    replaced: usize,
    topics: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut bench = Bench::new();
        bench.seed = seed;
        for topic in &TOPICS[..2] {
            let partitions = bench.draw() % 7 + 1;
            bench.add_topic(topic, partitions as i32);
        }
        let clients = (0..CLIENTS).map(|at| Consuming {
            id: String::new(),
            instance: [Some("a"), Some("b"), None, None, None, None][at],
            is_up: at != 5,
            wish: Wish {
                topics: vec!["ta".to_string(), "tb".to_string()],
                regex: String::new(),
            },
            says_all: true,
            epoch: 0,
            owned: Partitions::new(),
            told: None,
            has_said_owned: false,
        });
        World {
            clients: clients.collect(),
            bench,
            ids: 0,
            is_calm: false,
            counts: Counts::default(),
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.bench.draw() % 100 < percent
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bench.draw() % bound as u64) as usize
    }

    fn step(&mut self) {
        let at = self.below(CLIENTS);
        match self.below(100) {
            0..50 => self.beat(at),
            50..70 => self.act_on_what_it_was_told(at),
            70..80 => self.bench.pass_ms(1_500),
            80..82 => {
                let ms = self.below(50_000) as u64;
                self.bench.pass_ms(ms);
            }
            82..85 => self.leave(at),
            85..87 => self.crash(at),
            87..92 => self.start(at),
            92..95 => self.change_its_mind(at),
            95..98 => self.change_topics(),
            _ => {
                let replies = self.bench.coordinator.unload();
                assert_eq!(replies, []);
                self.bench.reload();
            }
        }
        self.check();
    }

    /// Sends a heartbeat. None: the answer is lost.
    fn send(&mut self, beat: ConsumerHeartbeat) -> Option<ConsumerBeat> {
        let step = self.bench.begin(Call::ConsumerHeartbeat(beat));
        let ticket = self.bench.tickets;
        if !self.is_calm && !step.records.is_empty() && self.chance(3) {
            let error = ErrorCode::NOT_COORDINATOR;
            let replies = step.replies.into_iter();
            let failed = replies.map(|(to, reply)| (to, reply.fail(error))).collect();
            self.bench.answer(failed);
            let replies = self.bench.coordinator.unload();
            self.bench.answer(replies);
            self.bench.reload();
            self.counts.failed_appends += 1;
        } else {
            self.bench.take(step);
        }
        let Reply::ConsumerBeat(reply) = self.bench.reply(ticket) else {
            panic!("another reply")
        };
        let is_lost =
            reply.error == ErrorCode::NOT_COORDINATOR || (!self.is_calm && self.chance(4));
        self.counts.lost += usize::from(is_lost);
        (!is_lost).then_some(reply)
    }

    fn beat(&mut self, at: usize) {
        if !self.clients[at].is_up {
            return;
        }
        if self.clients[at].id.is_empty() {
            self.ids += 1;
            self.clients[at].id = format!("{}-{}", ["z", "y", "x", "w", "v", "u"][at], self.ids);
        }
        let client = &mut self.clients[at];
        let all = client.says_all || client.epoch == 0;
        if all {
            // What it was told before, it is told again.
            client.told = None;
        }
        let says_owned = all || (client.told.is_none() && !client.has_said_owned);
        let beat = ConsumerHeartbeat {
            instance: client.instance.map(str::to_string),
            rebalance_timeout_ms: all.then_some(20_000),
            topics: all.then(|| client.wish.topics.clone()),
            regex: all.then(|| client.wish.regex.clone()),
            owned: says_owned.then(|| client.owned.clone()),
            ..beat(&client.id, client.epoch)
        };
        let reply = self.send(beat);
        let client = &mut self.clients[at];
        let Some(reply) = reply else {
            client.says_all = true;
            return;
        };
        client.says_all = false;
        client.has_said_owned |= says_owned;
        match reply.error {
            ErrorCode::NONE => {
                client.epoch = reply.epoch;
                if let Some(assignment) = reply.assignment {
                    client.told = Some(assignment);
                }
            }
            ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::GROUP_ID_NOT_FOUND => {
                client.rejoin();
                self.counts.fenced += 1;
            }
            ErrorCode::UNRELEASED_INSTANCE_ID => client.says_all = true,
            other => panic!("{other:?} for {client:?}"),
        }
    }

    fn act_on_what_it_was_told(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if let Some(told) = client.told.take() {
            self.counts.revocations += usize::from(!client.owned.are_within(&told));
            self.counts.assignments += usize::from(!told.are_within(&client.owned));
            client.owned = told;
            client.has_said_owned = false;
        }
    }

    fn leave(&mut self, at: usize) {
        let client = &self.clients[at];
        if !client.is_up || client.epoch == 0 {
            return;
        }
        let epoch = match (client.instance, client.wish.topics.len() % 2) {
            (Some(_), 0) => -2,
            _ => -1,
        };
        let beat = ConsumerHeartbeat {
            instance: client.instance.map(str::to_string),
            ..beat(&client.id, epoch)
        };
        self.send(beat);
        self.crash(at);
    }

    /// It is gone, without a word.
    fn crash(&mut self, at: usize) {
        let client = &mut self.clients[at];
        self.counts.replaced += usize::from(client.instance.is_some() && client.epoch > 0);
        client.rejoin();
        client.id.clear();
        client.is_up = false;
    }

    fn start(&mut self, at: usize) {
        self.clients[at].is_up = true;
    }

    fn change_its_mind(&mut self, at: usize) {
        let topics = TOPICS
            .iter()
            .filter(|_| self.bench.draw().is_multiple_of(2));
        let topics = topics.map(|topic| topic.to_string()).collect();
        let regex = match self.below(3) {
            0 => REGEXES[self.below(REGEXES.len())].to_string(),
            _ => String::new(),
        };
        // Often what another one wants.
        let wish = match self.chance(50) {
            true => self.clients[(at + 1) % CLIENTS].wish.clone(),
            false => Wish { topics, regex },
        };
        self.clients[at].wish = wish;
        self.clients[at].says_all = true;
    }

    fn change_topics(&mut self) {
        let topic = TOPICS[self.below(TOPICS.len())];
        self.counts.topics += 1;
        match self
            .bench
            .image
            .topic(topic)
            .map(|topic| topic.partitions.len())
        {
            None => {
                let partitions = self.below(6) as i32 + 1;
                self.bench.add_topic(topic, partitions);
            }
            Some(_) if self.chance(40) => self.bench.remove_topic(topic),
            Some(partitions) => self.bench.grow_topic(topic, partitions as i32 + 1),
        }
    }

    fn check(&self) {
        let Some(_) = self.bench.coordinator.get("g") else {
            return;
        };
        let group = self.bench.consumer("g");
        let mut held = Partitions::new();
        for (id, member) in group.members() {
            let owned = member.current.owned();
            assert!(!owned.overlap(&held), "{id} has what another one has");
            held = held.or(&owned);
        }
        let mut targets = Partitions::new();
        for (id, target) in group.target() {
            assert!(
                !target.overlap(&targets),
                "{id} is to have what another one is"
            );
            targets = targets.or(target);
        }
        for client in self.clients.iter().filter(|client| client.is_up) {
            let Some(member) = group.members().get(&*client.id) else {
                continue;
            };
            let owned = member.current.owned();
            assert!(client.owned.are_within(&owned), "{client:?} {member:?}");
        }
        let mut wishes = group.members().values().map(|member| {
            let profile = &member.profile;
            (&profile.topics, &profile.regex)
        });
        let first = wishes.next();
        let all_want_the_same = first.is_some_and(|first| wishes.all(|wish| wish == first));
        // What an expression stands for that is not looked up yet is in no target.
        let entries = group.entries();
        let is_known = |regex: &Arc<str>| {
            let mut entries = entries.iter();
            entries.any(|entry| matches!(entry, ConsumerEntry::Regex(name, _) if name == regex))
        };
        let mut regexes = group
            .members()
            .values()
            .filter_map(|member| member.profile.regex.as_ref());
        let is_computed = group.epoch() == group.target_epoch() && regexes.all(is_known);
        if all_want_the_same && is_computed && group.target().len() == group.members().len() {
            let loads = || group.target().values().map(Partitions::len);
            let (most, least) = (loads().max().unwrap_or(0), loads().min().unwrap_or(0));
            assert!(most - least <= 1, "{:?}", group.target());
        }
    }

    /// Everybody who runs does what a client is to do, for as long as any timer lasts.
    fn come_to_rest(&mut self) {
        self.is_calm = true;
        for _ in 0..120 {
            for at in 0..CLIENTS {
                self.beat(at);
                self.act_on_what_it_was_told(at);
                self.check();
            }
            self.bench.pass_ms(1_000);
        }
    }

    fn check_rest(&self) {
        let up: Vec<&Consuming> = self.clients.iter().filter(|client| client.is_up).collect();
        if up.is_empty() {
            return;
        }
        let group = self.bench.consumer("g");
        assert_eq!(self.bench.state("g"), "Stable");
        assert_eq!(group.members().len(), up.len());
        let mut all = Partitions::new();
        for client in &up {
            let target = group.target().get(&*client.id).cloned();
            assert_eq!(client.owned, target.unwrap_or_default(), "{client:?}");
            assert_eq!(client.epoch, group.epoch());
            all = all.or(&client.owned);
        }
        let image = &self.bench.image;
        let wanted = image.topics().filter(|topic| {
            up.iter().any(|client| {
                let whole = regex::Regex::new(&format!("^(?:{})$", client.wish.regex));
                let by_regex = whole.expect("an expression").is_match(&topic.name);
                let topics = &client.wish.topics;
                topics.iter().any(|name| **name == *topic.name)
                    || (by_regex && !client.wish.regex.is_empty())
            })
        });
        let wanted = Partitions::of(wanted.map(|topic| {
            let partitions = topic.partitions.keys().copied();
            (topic.id, partitions.collect())
        }));
        assert_eq!(all, wanted);
    }
}

impl Consuming {
    /// It uses nothing any more and joins anew.
    fn rejoin(&mut self) {
        self.epoch = 0;
        self.owned = Partitions::new();
        self.told = None;
        self.has_said_owned = false;
        self.says_all = true;
    }
}

/// A seed's run.
fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    world.check_rest();
    world.bench.reload();
    world.check_rest();
    assert!(world.bench.waiting.is_empty());
    world.counts
}

#[test]
fn whatever_members_do_what_must_hold_holds() {
    let mut total = Counts::default();
    for seed in 1..=60 {
        let counts = told_if_it_fails(seed, run);
        total.assignments += counts.assignments;
        total.revocations += counts.revocations;
        total.fenced += counts.fenced;
        total.failed_appends += counts.failed_appends;
        total.lost += counts.lost;
        total.replaced += counts.replaced;
        total.topics += counts.topics;
    }
    let Counts {
        assignments,
        revocations,
        fenced,
        failed_appends,
        lost,
        replaced,
        topics,
    } = total;
    let each = [
        assignments,
        revocations,
        fenced,
        failed_appends,
        lost,
        replaced,
        topics,
    ];
    assert!(each.iter().all(|count| *count > 20), "{each:?}");
}
