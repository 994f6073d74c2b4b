//! What came within the last minute or so. Counters live as long as the broker, but a median since its
//! start says nothing about now: what Kafka calls a quantile is one of the last minutes, too.
//!
//! Each look is compared with the youngest one that is at least `WINDOW_US` old, or else with the oldest
//! there is; the first look of all with the start. Looks closer together than `APART_US` are not kept,
//! so that a reader who asks every second costs no memory.

use crate::metrics::{Class, Report, Snapshot};
use std::collections::{BTreeMap, VecDeque};

/// What quantiles are of, at least.
const WINDOW_US: u64 = 60_000_000;
/// The distance of looks that are remembered.
const APART_US: u64 = 10_000_000;

/// A stage of a class of requests, or an API by its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Of {
    Stage(&'static str, &'static str),
    Api(i16),
}

/// All shards at one moment.
#[derive(Clone, Default)]
struct Look {
    at_us: u64,
    times: BTreeMap<Of, Snapshot>,
    worked_us: u64,
    shards: u64,
}

/// The looks that are remembered.
#[derive(Default)]
pub(super) struct Window {
    looks: VecDeque<Look>,
}

/// What came within the window.
pub(super) struct Recent {
    times: BTreeMap<Of, Snapshot>,
    /// The share of their time that the shards worked; nothing on the first look.
    pub(super) busy: Option<f64>,
}

impl Window {
    /// Takes a look, and says what has come within the window before it.
    pub(super) fn look<'a>(&mut self, reports: impl Iterator<Item = &'a Report>) -> Recent {
        let look = Look::at(reports);
        let is_old = |before: &&Look| before.at_us + WINDOW_US <= look.at_us;
        let before = self.looks.iter().rev().find(is_old);
        let recent = look.since(before.or(self.looks.front()));
        let is_apart = |last: &Look| last.at_us + APART_US <= look.at_us;
        if self.looks.back().is_none_or(is_apart) {
            self.looks.push_back(look);
        }
        while self.looks.len() > (WINDOW_US / APART_US) as usize + 1 {
            self.looks.pop_front();
        }
        recent
    }
}

impl Look {
    fn at<'a>(reports: impl Iterator<Item = &'a Report>) -> Look {
        let mut look = Look::default();
        for report in reports {
            look.at_us = look.at_us.max(report.at_us);
            look.worked_us += report.counters.worked_us;
            look.shards += 1;
            for row in &report.rows {
                let of = Of::Stage(row.stage, row.class);
                look.times.entry(of).or_default().add(&row.values);
            }
            for api in &report.apis {
                let of = Of::Api(api.key);
                look.times.entry(of).or_default().add(&api.total_us);
            }
        }
        look
    }

    fn since(&self, before: Option<&Look>) -> Recent {
        let times = self.times.iter().map(|(of, now)| {
            let before = before.and_then(|before| before.times.get(of));
            let recent = before.map_or_else(|| now.clone(), |before| now.since(before));
            (*of, recent)
        });
        let busy = before.and_then(|before| {
            let passed_us = self.at_us.saturating_sub(before.at_us) * self.shards;
            let worked_us = self.worked_us.saturating_sub(before.worked_us);
            (passed_us > 0).then(|| (worked_us as f64 / passed_us as f64).min(1.0))
        });
        Recent {
            times: times.collect(),
            busy,
        }
    }
}

impl Recent {
    /// Times of a stage.
    pub(super) fn stage(&self, stage: &'static str, class: Option<Class>) -> Snapshot {
        let class = class.map_or("", Class::name);
        self.of(Of::Stage(stage, class))
    }

    /// Times from the arrival of a request to the last byte of its answer.
    pub(super) fn api(&self, key: i16) -> Snapshot {
        self.of(Of::Api(key))
    }

    fn of(&self, of: Of) -> Snapshot {
        self.times.get(&of).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::report;
    use crate::metrics::Histogram;

    /// A report at that second, in which the values have come so far.
    fn at(second: u64, values: &[u64]) -> Report {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        let mut report = report(0);
        report.at_us = second * 1_000_000;
        report.counters.worked_us = second * 250_000;
        report.rows.retain(|row| row.stage == "append");
        report.rows[0].values = histogram.snapshot();
        report
    }

    #[test]
    fn quantiles_are_of_the_last_minute_once_there_is_one() {
        let mut window = Window::default();
        // The median, and of how many.
        let mut look = |second, values: &[u64]| {
            let recent = window.look([at(second, values)].iter());
            let times = recent.stage("append", None);
            (times.value_at(0.5), times.count())
        };
        assert_eq!(look(100, &[5]), (5, 1), "since the start");
        assert_eq!(look(130, &[5, 7]), (7, 1), "since the oldest look");
        assert_eq!(look(170, &[5, 7, 9, 9]), (9, 3), "since 100");
        assert_eq!(look(190, &[5, 7, 9, 9, 11, 11, 11]), (11, 5), "since 130");
        assert_eq!(look(300, &[5, 7, 9, 9, 11, 11, 11]).1, 0, "since 190");
    }

    #[test]
    fn a_reader_who_looks_all_the_time_costs_no_memory() {
        let mut window = Window::default();
        for second in 0..1_000 {
            window.look([at(second, &[])].iter());
        }
        assert!(window.looks.len() <= 7, "{}", window.looks.len());
        let first = window.looks[0].at_us;
        assert!(first + WINDOW_US <= 999_000_000, "{first}");
    }

    #[test]
    fn shards_add_up_and_are_busy_together() {
        let mut window = Window::default();
        let first = [at(100, &[1]), at(100, &[1])];
        assert_eq!(window.look(first.iter()).busy, None);
        let mut second = [at(110, &[1, 3]), at(110, &[1, 3])];
        second[1].counters.worked_us = 100 * 250_000;
        let recent = window.look(second.iter());
        assert_eq!(recent.busy, Some(0.125));
        assert_eq!(recent.stage("append", None).count(), 2);
    }
}
