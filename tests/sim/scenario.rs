//! What happens in a run: everything is drawn from its seed.
//!
//! First the weather rages: clients create topics, produce, consume, commit, ask; the broker is killed, loses
//! its power, is stopped and started again, dies within its own start. Then the weather calms down,
//! the broker is up, and everything that was promised must be found: producers get their
//! acknowledgements, consumers reach the end, an auditor reads every partition whole. At last
//! everyone leaves, nothing of them may stay behind, and the broker stops in order.

use crate::committer::Committer;
use crate::consumer::{Consumer, ConsumerOptions};
use crate::disk::Crash;
use crate::history::{Counts, History, Phase};
use crate::prober::{Prober, Vandal, Wish};
use crate::producer::{Producer, ProducerOptions};
use crate::random::Random;
use crate::trace::Trace;
use crate::weather::Weather;
use crate::world::{Boot, Node, World};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// Virtual time that may pass until everything promised is found.
const FINISH_US_MAX: u64 = 300_000_000;
/// How long an append may be under way of which no client awaits the end.
const UNHEARD_US_MAX: u64 = 1_000_000;
/// Virtual time that a stop in order may take.
const STOP_US_MAX: u64 = 60_000_000;
/// Calls of the disk after which a machine dies in the middle of something, at most.
const CALLS_MAX: u64 = 200;

/// What is drawn before a run starts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of it all.
    pub seed: u64,
    /// Shards of the broker.
    pub shards: u16,
    /// Its settings beyond the defaults.
    pub settings: Vec<(String, String)>,
    /// The topics.
    pub wishes: Vec<Wish>,
    weather: Weather,
    duration_us: u64,
    ends: Vec<End>,
    producers: u32,
    consumers: u32,
    vandals: u32,
    committers: u32,
    /// What the topic of the offsets is given.
    offsets_topic: Vec<(&'static str, String)>,
    records: u64,
    /// Bytes that each producer may make.
    bytes: u64,
    /// Records are large, so that segments fill.
    heavy: bool,
    /// Records are few and far between, so that a reader which nobody woke is seen.
    sparse: bool,
}

/// How a life of the broker ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Crash(Crash),
    /// At some call of the disk.
    MidCall(Crash),
    Stop,
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// The hash of everything that happened.
    pub hash: u64,
    /// How much that was.
    pub events: u64,
    /// What it amounted to.
    pub counts: Counts,
}

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64) -> Plan {
        let random = &mut Random::new(seed).fork("plan");
        let sparse = random.percent(25);
        let duration_us = if sparse {
            random.between(20_000_000, 60_000_000)
        } else {
            random.between(1_000_000, 8_000_000)
        };
        let mut ends = Vec::new();
        for _ in 0..*random.pick(&[0, 1, 1, 1, 2, 2, 3]) {
            ends.push(match random.below(10) {
                0..=3 => End::Crash(Crash::Kill),
                4 | 5 => End::Crash(Crash::PowerLoss),
                6 | 7 => End::MidCall(Crash::Kill),
                8 => End::MidCall(Crash::PowerLoss),
                _ => End::Stop,
            });
        }
        let pairs = |settings: &[(&str, u64)]| -> Vec<(String, String)> {
            let pair = |(name, value): &(&str, u64)| (name.to_string(), value.to_string());
            settings.iter().map(pair).collect()
        };
        let wishes = (0..random.between(1, 2))
            .map(|topic| Wish {
                name: format!("t{topic}"),
                partitions: random.between(1, 4) as i32,
                configs: {
                    let mut configs = pairs(&[
                        ("segment.bytes", random.magnitude(1 << 20, 4 << 20)),
                        ("index.interval.bytes", random.magnitude(1, 4096)),
                    ]);
                    if random.one_in(4) {
                        let codec = *random.pick(&["gzip", "lz4", "uncompressed", "zstd"]);
                        configs.push(("compression.type".into(), codec.into()));
                    }
                    // Of a source of its own, so that the other plans of a seed stay what they were.
                    let mut flushing = Random::new(seed).fork(&format!("flush {topic}"));
                    match flushing.below(6) {
                        0 | 1 => configs.push(("flush.messages".into(), "1".into())),
                        2 => {
                            let messages = flushing.magnitude(2, 200).to_string();
                            configs.push(("flush.messages".into(), messages));
                        }
                        3 => {
                            let ms = flushing.magnitude(1, 2_000).to_string();
                            configs.push(("flush.ms".into(), ms));
                        }
                        _ => {}
                    }
                    configs
                },
            })
            .collect();
        Plan {
            seed,
            shards: random.between(1, 4) as u16,
            settings: {
                let mut settings = pairs(&[(
                    "log.flush.offset.checkpoint.interval.ms",
                    random.magnitude(200, 60_000),
                )]);
                // Of a source of its own, as above.
                let cold = *Random::new(seed).fork("cold").pick(&["read", "splice"]);
                settings.push(("fetch.cold.mode".into(), cold.into()));
                let partitions = Random::new(seed).fork("groups").between(1, 4);
                settings.extend(pairs(&[("offsets.topic.num.partitions", partitions)]));
                let backoff = Random::new(seed).fork("backoff").magnitude(10, 15_000);
                settings.extend(pairs(&[("log.cleaner.backoff.ms", backoff)]));
                settings
            },
            wishes,
            weather: Weather::draw(random, duration_us),
            duration_us,
            ends,
            producers: random.between(1, 4) as u32,
            consumers: random.between(1, 3) as u32,
            vandals: random.below(2) as u32,
            committers: Random::new(seed).fork("committers").below(3) as u32,
            offsets_topic: small_segments(&mut Random::new(seed).fork("compaction")),
            records: random.magnitude(20, 2_000),
            bytes: random.magnitude(100_000, 6_000_000),
            heavy: !sparse && random.percent(20),
            sparse,
        }
    }
}

/// Settings with which the log of the offsets is compacted within a run; none in a third of the runs.
fn small_segments(random: &mut Random) -> Vec<(&'static str, String)> {
    if random.one_in(3) {
        return Vec::new();
    }
    let pair = |(name, value): (&'static str, u64)| (name, value.to_string());
    [
        ("internal.segment.bytes", random.magnitude(2_000, 20_000)),
        ("index.interval.bytes", random.magnitude(1, 4096)),
        ("delete.retention.ms", random.magnitude(1, 100_000)),
        ("max.compaction.lag.ms", random.magnitude(1_000, 100_000)),
    ]
    .map(pair)
    .into()
}

/// Plays a plan on brokers that `boot` makes. Panics when a promise is broken.
pub fn play<N: Node>(plan: &Plan, boot: Boot<N>, trace: &Rc<RefCell<Trace>>) -> Summary {
    let mut run = Run::new(plan, boot, trace.clone());
    run.rage();
    run.calm_down();
    run.finish();
    run.leave();
    let trace = trace.borrow();
    Summary {
        hash: trace.hash(),
        events: trace.count(),
        counts: run.history.borrow().counts,
    }
}

struct Run<'a, N: Node> {
    plan: &'a Plan,
    random: Random,
    world: World<N>,
    history: Rc<RefCell<History>>,
    clients: u32,
    /// Errors of the disk that a broker which is gone has seen.
    errors_before: u64,
}

impl<'a, N: Node> Run<'a, N> {
    fn new(plan: &'a Plan, boot: Boot<N>, trace: Rc<RefCell<Trace>>) -> Self {
        let random = Random::new(plan.seed).fork("run");
        let mut world = World::new(plan.seed, plan.weather.clone(), trace, boot);
        let history = Rc::new(RefCell::new(History::new()));
        let mut clients = 0;
        let start_us = world.now_us();
        let mut draw = random.fork("clients");
        let mut next = || {
            clients += 1;
            clients - 1
        };
        let prober = Prober::new(next(), plan.wishes.clone(), history.clone());
        world.add_actor(Box::new(prober), start_us);
        for _ in 0..plan.producers {
            let mut options = ProducerOptions::draw(&mut draw);
            if plan.heavy {
                options.record_bytes_max = draw.between(20_000, 150_000);
            }
            if plan.sparse {
                options.pace_us = draw.magnitude(100, 5_000);
                options.rest_us = Some(3_500_000);
            }
            let budget = (plan.records, plan.bytes);
            let producer = Producer::new(next(), options, budget, history.clone());
            world.add_actor(Box::new(producer), start_us);
        }
        for _ in 0..plan.consumers {
            let mut options = ConsumerOptions::draw(&mut draw);
            if plan.sparse {
                options = options.waiting();
            }
            let consumer = Consumer::new(next(), options, history.clone());
            world.add_actor(Box::new(consumer), start_us);
        }
        for _ in 0..plan.vandals {
            world.add_actor(Box::new(Vandal::new(next(), history.clone())), start_us);
        }
        let version = draw.between(4, 18) as i16;
        let options = ConsumerOptions::auditor(version);
        let auditor = Consumer::new(next(), options, history.clone());
        world.add_actor(Box::new(auditor), start_us);
        let mut draw = random.fork("committers");
        for _ in 0..plan.committers {
            let committer = Committer::new(
                next(),
                &mut draw,
                plan.offsets_topic.clone(),
                history.clone(),
            );
            world.add_actor(Box::new(committer), start_us);
        }
        Run {
            plan,
            random,
            world,
            history,
            clients,
            errors_before: 0,
        }
    }

    /// The time of faults.
    fn rage(&mut self) {
        let start_us = self.world.now_us();
        self.start();
        let mut moments: Vec<u64> = self
            .plan
            .ends
            .iter()
            .map(|_| start_us + self.random.between(20_000, self.plan.duration_us))
            .collect();
        moments.sort();
        for (end, at_us) in self.plan.ends.iter().zip(moments) {
            self.run_until(at_us);
            self.end(*end);
            let pause_us = self.random.magnitude(1_000, 500_000);
            self.run_until(self.world.now_us() + pause_us);
            self.start();
        }
        self.run_until(start_us + self.plan.duration_us);
    }

    /// No more faults, and a broker that has seen none.
    fn calm_down(&mut self) {
        self.world.set_weather(Weather::calm());
        if self.history.borrow().disk_failed || !self.world.is_up() {
            self.end(End::Crash(Crash::Kill));
            self.start();
        }
    }

    /// What was promised must be found.
    fn finish(&mut self) {
        for phase in [Phase::Finishing, Phase::Auditing] {
            self.enter(phase);
            let clients = self.clients;
            let until_us = self.world.now_us() + FINISH_US_MAX;
            let history = self.history.clone();
            let in_time = self
                .world
                .run_while(until_us, |_| history.borrow().done.len() < clients as usize);
            let history = self.history.borrow();
            let left: Vec<u32> = (0..clients)
                .filter(|client| !history.done.contains(client))
                .collect();
            assert!(in_time, "{phase:?}: clients {left:?} are not done");
            drop(history);
            if phase == Phase::Finishing {
                // What nobody waits to hear of (acks=0) may still be on its way to the disk.
                let until_us = self.world.now_us() + UNHEARD_US_MAX;
                self.world.run_while(until_us, |_| true);
            }
        }
    }

    /// Everyone leaves; the broker stops in order.
    fn leave(&mut self) {
        self.enter(Phase::Closing);
        let until_us = self.world.now_us() + STOP_US_MAX;
        let gone = self
            .world
            .run_while(until_us, |world| world.network.open_sockets() > 0);
        assert!(
            gone,
            "{} connections outlive their clients",
            self.world.network.open_sockets()
        );
        self.end(End::Stop);
        let cleaned = Path::new("/data/cleaner-offset-checkpoint");
        let text = self.world.disk.content(cleaned).unwrap_or_default();
        let entries = String::from_utf8_lossy(&text).lines().skip(2).count();
        self.history.borrow_mut().counts.compacted += entries as u64;
    }

    fn enter(&mut self, phase: Phase) {
        let mut history = self.history.borrow_mut();
        history.phase = phase;
        history.done.clear();
    }

    /// Starts the broker, however often it takes.
    fn start(&mut self) {
        loop {
            let before = self.world.disk.errors();
            let dies_after = if self.random.percent(10) {
                Some(self.random.magnitude(1, CALLS_MAX))
            } else {
                None
            };
            let result = self.world.boot(dies_after);
            let died = self.world.disk.is_dead();
            match result {
                Ok(()) if !died => {
                    self.world.disk.survive();
                    self.errors_before = before;
                    return;
                }
                Ok(()) => {}
                Err(error) => {
                    let excused = died || self.world.disk.errors() > before;
                    assert!(excused, "it does not start, for no reason: {error}");
                }
            }
            let how = if died && self.random.one_in(2) {
                self.history.borrow_mut().lives += 1;
                Crash::PowerLoss
            } else {
                Crash::Kill
            };
            self.world.crash(how);
            self.run_until(self.world.now_us() + 200_000);
        }
    }

    fn end(&mut self, end: End) {
        let how = match end {
            End::Crash(how) => how,
            End::MidCall(how) => {
                let calls = self.random.magnitude(1, CALLS_MAX);
                self.world.disk.die_after(calls);
                let until_us = self.world.now_us() + 1_000_000;
                self.run_while(until_us, |world| !world.disk.is_dead());
                how
            }
            End::Stop => {
                if self.stop() {
                    return;
                }
                Crash::Kill
            }
        };
        if how == Crash::PowerLoss {
            self.history.borrow_mut().lives += 1;
        }
        self.world.crash(how);
        self.forget_errors();
    }

    /// Whether it stopped in order; it need not if the disk has failed it.
    fn stop(&mut self) -> bool {
        if !self.world.is_up() {
            return false;
        }
        self.history.borrow_mut().stopped_us = u64::MAX;
        self.world.ask_to_stop();
        let until_us = self.world.now_us() + STOP_US_MAX;
        let stopped = self.run_while(until_us, |world| !world.is_stopped());
        self.history.borrow_mut().stopped_us = self.world.now_us();
        if stopped {
            let mut history = self.history.borrow_mut();
            if !history.disk_failed {
                history.stopped();
            }
            drop(history);
            self.world.end_process();
            self.forget_errors();
            return true;
        }
        assert!(
            self.history.borrow().disk_failed,
            "it does not stop in order"
        );
        false
    }

    fn forget_errors(&mut self) {
        self.errors_before = self.world.disk.errors();
        let mut history = self.history.borrow_mut();
        if std::mem::take(&mut history.disk_failed) {
            history.failed_us = self.world.now_us();
        }
    }

    /// Lets time pass. A broker whose disk has failed it stops by itself, and is started again.
    fn run_until(&mut self, until_us: u64) {
        while self.run_while(until_us, |world| !world.is_up() || !world.is_stopped()) {
            assert!(
                self.history.borrow().disk_failed,
                "it stops by itself, for no reason"
            );
            let now_us = self.world.now_us();
            self.history.borrow_mut().stopped_us = now_us;
            self.world.end_process();
            self.forget_errors();
            let pause_us = self.random.magnitude(1_000, 500_000);
            self.run_until(self.world.now_us() + pause_us);
            self.start();
        }
    }

    fn run_while(&mut self, until_us: u64, goes_on: impl Fn(&World<N>) -> bool) -> bool {
        let (history, before) = (self.history.clone(), self.errors_before);
        self.world.run_while(until_us, |world| {
            if world.disk.errors() > before {
                history.borrow_mut().disk_failed = true;
            }
            goes_on(world)
        })
    }
}
