//! What a run came to, in numbers, and what several runs say together.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a number is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Requests answered a second: produces, or fetches where a case is about them.
    RequestsPerS,
    /// Records a second.
    RecordsPerS,
    /// Bytes of record sets, 10^9/s.
    GigabytesPerS,
    /// Processor time of the server per request, us.
    CpuUsPerRequest,
    /// Processor time of the server per 10^9 bytes, s.
    CpuSPerGigabyte,
    /// Share of a core that the server used.
    ServerCores,
    /// Latency from when a request was meant to be sent, us.
    P50Us,
    /// The same.
    P90Us,
    /// The same.
    P99Us,
    /// The same.
    P999Us,
    /// The same.
    P9999Us,
    /// The same.
    MaxUs,
    /// From when it was sent, us.
    ServiceP50Us,
    /// The same.
    ServiceP99Us,
    /// The same.
    ServiceP999Us,
    /// From when a record was meant to be sent until a tail consumer had it, us.
    EndToEndP50Us,
    /// The same.
    EndToEndP99Us,
    /// The same.
    EndToEndP999Us,
    /// Context switches of the server per request.
    SwitchesPerRequest,
    /// Resident memory of the server at the end, 10^6 bytes.
    ResidentMb,
    /// Of that what is not files.
    AnonymousMb,
    /// Share of the time in which the client's busiest thread had work.
    ClientBusy,
    /// Time in which the host had other work while a processor of this machine had some, of all processors
    /// together, ms/s.
    StolenMsPerS,
    /// Bytes that readers drained beside the load, 10^9.
    DrainedGigabytes,
    /// Records that tail consumers did not get in time.
    NotTailed,
    /// From start to the first acknowledged record, after a clean stop, s.
    CleanStartS,
    /// The same after kill -9.
    KilledStartS,
    /// Requests without an answer.
    Unanswered,
}

/// The numbers of a run.
pub type Numbers = BTreeMap<Quantity, f64>;

/// Median and extremes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// Half of the values lie on either side.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

/// Of these values, if there are any.
pub fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let (least, most) = (*values.first()?, *values.last()?);
    let median = match count % 2 {
        1 => values[count / 2],
        _ => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    };
    Some(Spread {
        median,
        least,
        most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(spread(vec![]), None);
        let of = |values: &[f64]| spread(values.to_vec()).expect("values");
        assert_eq!(of(&[3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        let one = of(&[5.0]);
        assert_eq!((one.median, one.least, one.most), (5.0, 5.0, 5.0));
    }
}
