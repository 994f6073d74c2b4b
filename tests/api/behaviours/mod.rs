//! The thirty behaviours on which clients rely and which compatible brokers get wrong, each by its
//! number: a test of `behaviour_NN_` says in its name what is promised, and drives the real broker
//! over the wire. `tests/tidy.rs` checks that none is missing.
//!
//! Transactions are not served yet. Where a behaviour is about them, its test shows what keeps a client
//! from going wrong today, and says what comes with them. Logs with transactions that
//! Apache Kafka has left behind are served all the same ([`left_behind`] writes such files).

mod administration;
mod groups;
mod left_behind;
mod offsets;
mod producing;
mod reading;
mod transactions;
mod versions;
