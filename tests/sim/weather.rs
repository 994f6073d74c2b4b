//! What a seed has in store: delays and faults, drawn once at its start. A seed has only some of the
//! kinds of fault, so that each kind is also met alone.

use crate::random::Random;

/// A range of microseconds, drawn from by magnitude.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// Shortest.
    pub low_us: u64,
    /// Longest.
    pub high_us: u64,
    /// Once in so many times (0: never) it takes `stall_us` longer.
    pub stall_one_in: u64,
    /// How much longer.
    pub stall_us: u64,
}

impl Delay {
    const fn quiet(low_us: u64, high_us: u64) -> Delay {
        Delay {
            low_us,
            high_us,
            stall_one_in: 0,
            stall_us: 0,
        }
    }

    /// One delay.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let stall = if random.one_in(self.stall_one_in) {
            random.between(self.stall_us / 4, self.stall_us)
        } else {
            0
        };
        random.magnitude(self.low_us, self.high_us) + stall
    }
}

/// How an interval of a fault lies on the clock; empty when both are equal.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// First microsecond.
    pub from_us: u64,
    /// First microsecond after it.
    pub until_us: u64,
}

impl Window {
    const NEVER: Window = Window {
        from_us: 0,
        until_us: 0,
    };

    /// Whether it is open.
    pub fn holds(&self, now_us: u64) -> bool {
        (self.from_us..self.until_us).contains(&now_us)
    }
}

/// The disk's part.
#[derive(Clone, Debug)]
pub struct DiskWeather {
    /// A write to its effect, and from there to its completion.
    pub append: Delay,
    /// A read.
    pub read: Delay,
    /// A task.
    pub task: Delay,
    /// A write takes only a part, once in so many.
    pub short_write_one_in: u64,
    /// A read gives only a part, once in so many.
    pub short_read_one_in: u64,
    /// A file is not in the page cache when it is to be sent, once in so many.
    pub cold_one_in: u64,
    /// From this moment on the next write fails with EIO; once.
    pub write_error_at_us: Option<u64>,
    /// From this moment on the next sync fails with EIO; once.
    pub sync_error_at_us: Option<u64>,
    /// No room for a byte more.
    pub full: Window,
}

/// The network's part.
#[derive(Clone, Debug)]
pub struct NetworkWeather {
    /// One way.
    pub latency: Delay,
    /// Bytes on the way in one direction, unread ones included.
    pub window_bytes: u64,
    /// A receive gives only a part, once in so many.
    pub short_receive_one_in: u64,
    /// A send takes only a part, once in so many.
    pub short_send_one_in: u64,
    /// A segment on its way resets its connection instead, once in so many.
    pub reset_one_in: u64,
    /// A connection's client reads slowly, once in so many.
    pub slow_reader_one_in: u64,
    /// A readiness is a false alarm, once in so many.
    pub spurious_one_in: u64,
    /// An accept fails with EMFILE, once in so many.
    pub accept_error_one_in: u64,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Weather {
    /// The disk's part.
    pub disk: DiskWeather,
    /// The network's part.
    pub network: NetworkWeather,
    /// Mail between two shards.
    pub mail: Delay,
    /// A shard is off its core, once in so many events.
    pub pause_one_in: u64,
    /// For so long.
    pub pause: Delay,
}

impl Weather {
    /// Delays, and no faults.
    pub fn calm() -> Weather {
        Weather {
            disk: DiskWeather {
                append: Delay::quiet(10, 200),
                read: Delay::quiet(5, 200),
                task: Delay::quiet(20, 2_000),
                short_write_one_in: 0,
                short_read_one_in: 0,
                cold_one_in: 0,
                write_error_at_us: None,
                sync_error_at_us: None,
                full: Window::NEVER,
            },
            network: NetworkWeather {
                latency: Delay::quiet(30, 500),
                window_bytes: 256 * 1024,
                short_receive_one_in: 0,
                short_send_one_in: 0,
                reset_one_in: 0,
                slow_reader_one_in: 0,
                spurious_one_in: 0,
                accept_error_one_in: 0,
            },
            mail: Delay::quiet(1, 50),
            pause_one_in: 0,
            pause: Delay::quiet(100, 10_000),
        }
    }

    /// The weather of a seed. `duration_us` is how long it lasts.
    pub fn draw(random: &mut Random, duration_us: u64) -> Weather {
        fn maybe(random: &mut Random, percent: u64, low: u64, high: u64) -> u64 {
            let n = random.magnitude(low, high);
            if random.percent(percent) { n } else { 0 }
        }
        fn moment(random: &mut Random, percent: u64, duration_us: u64) -> Option<u64> {
            let at = random.below(duration_us);
            random.percent(percent).then_some(at)
        }
        let mut weather = Weather::calm();
        let disk = &mut weather.disk;
        disk.append.high_us = random.magnitude(50, 20_000);
        disk.append.stall_one_in = maybe(random, 50, 20, 500);
        disk.append.stall_us = 300_000;
        disk.task.high_us = random.magnitude(100, 50_000);
        disk.read.high_us = random.magnitude(20, 10_000);
        disk.short_write_one_in = maybe(random, 50, 2, 50);
        disk.short_read_one_in = maybe(random, 50, 2, 50);
        disk.cold_one_in = maybe(random, 60, 2, 30);
        disk.write_error_at_us = moment(random, 10, duration_us);
        disk.sync_error_at_us = moment(random, 10, duration_us);
        if let Some(from_us) = moment(random, 15, duration_us) {
            disk.full = Window {
                from_us,
                until_us: from_us + random.between(100_000, 3_000_000),
            };
        }
        let network = &mut weather.network;
        network.latency.high_us = random.magnitude(100, 20_000);
        network.latency.stall_one_in = maybe(random, 30, 20, 500);
        network.latency.stall_us = 200_000;
        network.window_bytes = random.magnitude(1_500, 512 * 1024);
        network.short_receive_one_in = maybe(random, 60, 1, 20);
        network.short_send_one_in = maybe(random, 60, 2, 20);
        network.reset_one_in = maybe(random, 40, 100, 3_000);
        network.slow_reader_one_in = maybe(random, 30, 2, 6);
        network.spurious_one_in = maybe(random, 30, 5, 50);
        network.accept_error_one_in = maybe(random, 20, 2, 10);
        weather.mail.high_us = random.magnitude(5, 5_000);
        weather.pause_one_in = maybe(random, 40, 100, 2_000);
        weather.pause.high_us = random.magnitude(1_000, 100_000);
        weather
    }
}
