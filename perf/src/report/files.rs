//! Raw data. For each case: `<case>.json` with every number of every round, and for each system
//! `<case>.<system>.hlog`, a log of histograms (one per slice of time and measure, V2, compressed, ns) and
//! `<case>.<system>.<measure>.hgrm`, percentiles of all rounds together (us), as HdrHistogram's own
//! tools write and read them.

use crate::client::{Figures, Measure};
use crate::contest::{CaseResult, Measured, Runs};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Error, Result};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Percentile lines between a power of two of what is left and the next.
const TICKS_PER_HALVING: u32 = 5;

/// Writes all files of a case into `directory`.
pub fn write(directory: &Path, result: &CaseResult) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let name = &result.case.name;
    let text = serde_json::to_string_pretty(&json(result)).map_err(Error::other)?;
    std::fs::write(directory.join(format!("{name}.json")), text + "\n")?;
    for runs in &result.systems {
        let system = &runs.system;
        if runs.runs.iter().all(|run| run.outcome.is_none()) {
            continue;
        }
        let mut log = Vec::new();
        write_log(&mut log, runs)?;
        std::fs::write(directory.join(format!("{name}.{system}.hlog")), log)?;
        for measure in Measure::ALL {
            if let Some(histogram) = together(runs, measure) {
                let file = format!("{name}.{system}.{}.hgrm", measure.name());
                std::fs::write(directory.join(file), percentiles(&histogram))?;
            }
        }
    }
    Ok(())
}

/// A measure of all rounds in one histogram.
pub fn together(runs: &Runs, measure: Measure) -> Option<Histogram<u64>> {
    let outcomes = runs.runs.iter().filter_map(|run| run.outcome.as_ref());
    outcomes
        .filter_map(|outcome| outcome.figures.total(measure))
        .reduce(|mut all, one| {
            all.add(one).expect("the bounds are the same");
            all
        })
}

fn json(result: &CaseResult) -> Value {
    let systems = result.systems.iter().map(|runs| {
        let rounds: Vec<Value> = runs.runs.iter().map(round).collect();
        json!({"system": runs.system, "rounds": rounds})
    });
    json!({
        "case": result.case,
        "systems": systems.collect::<Vec<_>>(),
        "failures": result.failures,
    })
}

fn round(run: &Measured) -> Value {
    let mut value =
        json!({"round": run.round + 1, "numbers": run.numbers, "usage_by_second": run.usage});
    if let (Value::Object(value), Some(outcome)) = (&mut value, &run.outcome) {
        let began = outcome.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        value.insert("began_unix_s".into(), json!(began.as_secs_f64()));
        value.insert("seconds".into(), json!(outcome.seconds));
        value.insert("client_cpu_s".into(), json!(outcome.client_cpu_s));
        value.insert("slice_s".into(), json!(outcome.figures.slice_s()));
        value.insert("by_slice".into(), json!(outcome.figures.slices));
        value.insert("events".into(), json!(outcome.events));
    }
    value
}

fn write_log(into: &mut Vec<u8>, runs: &Runs) -> Result<()> {
    let outcomes: Vec<_> = runs
        .runs
        .iter()
        .filter_map(|run| run.outcome.as_ref())
        .collect();
    let Some(first) = outcomes.first() else {
        return Ok(());
    };
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("Values in nanoseconds, the greatest of an interval in microseconds.")
        .with_start_time(first.began)
        .with_base_time(first.began)
        .with_max_value_divisor(1e3)
        .begin_log_with(into, &mut serializer)?;
    for outcome in &outcomes {
        let start = outcome
            .began
            .duration_since(first.began)
            .unwrap_or_default();
        let slice = Duration::from_secs_f64(outcome.figures.slice_s());
        for (number, measure, histogram) in by_slice(&outcome.figures) {
            let at = start + slice * number as u32;
            let tag = Tag::new(measure.name());
            log.write_histogram(histogram, at, slice, tag)
                .map_err(|error| Error::other(error.to_string()))?;
        }
    }
    Ok(())
}

fn by_slice(figures: &Figures) -> Vec<(usize, Measure, &Histogram<u64>)> {
    let all = Measure::ALL.into_iter().flat_map(|measure| {
        let slices = figures.by_slice(measure);
        slices.map(move |(number, histogram)| (number, measure, histogram))
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(number, measure, _)| (*number, *measure as usize));
    all
}

/// The text that HdrHistogram's tools call a percentile distribution.
fn percentiles(histogram: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for it in histogram.iter_quantiles(TICKS_PER_HALVING) {
        let (value, quantile) = (
            it.value_iterated_to() as f64 / 1e3,
            it.quantile_iterated_to(),
        );
        let total = histogram.count_between(0, it.value_iterated_to());
        let left = match quantile < 1.0 {
            true => format!("{:.2}", 1.0 / (1.0 - quantile)),
            false => "inf".to_owned(),
        };
        let _ = writeln!(text, "{value:12.3} {quantile:14.12} {total:10} {left:>14}");
    }
    let us = |ns: f64| ns / 1e3;
    let _ = writeln!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
        us(histogram.mean()),
        us(histogram.stdev())
    );
    let _ = writeln!(
        text,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        us(histogram.max() as f64),
        histogram.len()
    );
    let _ = writeln!(
        text,
        "#[Buckets = {:12}, SubBuckets     = {:12}]",
        histogram.buckets(),
        2048
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND_NS;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use std::collections::BTreeMap;

    fn runs() -> Runs {
        let mut figures = Figures::new(SECOND_NS);
        figures.begin(SECOND_NS);
        for at in 0..1_000u64 {
            figures.time(
                Measure::Produce,
                SECOND_NS * (1 + at / 500),
                (at + 1) * 1_000,
                1,
            );
        }
        let outcome = crate::client::Outcome {
            figures,
            seconds: 2.0,
            client_cpu_s: 0.0,
            client_busy: 0.0,
            produced_records: 1_000,
            tail_records: 0,
            events: Vec::new(),
            began: UNIX_EPOCH + Duration::from_secs(1_000),
        };
        let run = Measured {
            round: 0,
            numbers: BTreeMap::new(),
            outcome: Some(outcome),
            usage: Vec::new(),
        };
        Runs {
            system: "limit".to_owned(),
            runs: vec![run],
        }
    }

    #[test]
    fn a_log_of_histograms_is_read_by_others() {
        let mut log = Vec::new();
        write_log(&mut log, &runs()).expect("written");
        let text = String::from_utf8(log.clone()).expect("text");
        assert!(text.contains("#[StartTime: 1000.000"), "{text}");
        let mut counts = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(it) = entry.expect("a line") {
                assert_eq!(
                    it.tag().map(|it| it.as_str().to_owned()).as_deref(),
                    Some("produce")
                );
                // Base64 of a compressed histogram, as the format has it.
                assert!(it.encoded_histogram().starts_with("HISTFAAA"));
                counts.push((it.start_timestamp().as_secs(), it.duration().as_secs()));
            }
        }
        assert_eq!(counts, [(0, 1), (1, 1)]);
    }

    #[test]
    fn percentiles_go_from_the_least_to_the_greatest_and_count_everything() {
        let histogram = together(&runs(), Measure::Produce).expect("counted");
        let text = percentiles(&histogram);
        let lines: Vec<&str> = text
            .lines()
            .filter(|it| !it.starts_with('#'))
            .skip(2)
            .collect();
        let last: Vec<&str> = lines.last().expect("lines").split_whitespace().collect();
        assert!(last[0].parse::<f64>().expect("a value") >= 1_000.0);
        assert_eq!(&last[1..], ["1.000000000000", "1000", "inf"]);
        assert!(text.contains("Total count    =         1000]"));
    }
}
