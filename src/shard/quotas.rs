//! Quotas are counted on shard 0, for all connections of the broker together: the shard of a
//! connection asks what a request costs before it answers, and holds the connection back for as long
//! as it is told. So the count is exact, as in Kafka, whatever shards the connections of a client lie
//! on. The price is one message per request of a client that has a quota; others pay nothing.

use super::{Answer, Outbox, ReturnTo, Shard};
use crate::metadata::QuotaOwner;
use crate::types::Now;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Resource {
    /// Bytes of produce requests.
    Produced,
    /// Bytes of fetch responses.
    Fetched,
    /// Percent of one thread's time.
    Time,
}

/// What a request has used of one resource.
#[derive(Clone, PartialEq, Debug)]
pub struct Debit {
    /// Of what.
    pub resource: Resource,
    /// Whose quota it is.
    pub owner: QuotaOwner,
    /// How much.
    pub amount: f64,
    /// The quota, per second.
    pub bound: f64,
    /// Whether it is not used after all if the client has to be held back: a fetch that is, brings
    /// nothing.
    pub only_if_free: bool,
}

impl Shard {
    /// Notes what a request has used and says for how long its client is held back.
    pub(super) fn charge(&mut self, now: Now, from: ReturnTo, debits: &[Debit], out: &mut Outbox) {
        let now_ms = now.monotonic_us / 1000;
        let held_ms = debits.iter().map(|debit| {
            let owner = (debit.resource, debit.owner.clone());
            let (amount, bound) = (debit.amount, debit.bound);
            let held_ms = self.ledger.charge(owner, amount, bound, now_ms);
            match debit.resource {
                // As Kafka, which never holds a client back for longer than one sample for its time.
                Resource::Time => held_ms.min(self.config.quota_window_ms),
                Resource::Produced | Resource::Fetched => held_ms,
            }
        });
        let held_ms = held_ms.max().unwrap_or(0);
        if held_ms > 0 {
            for debit in debits.iter().filter(|debit| debit.only_if_free) {
                let owner = (debit.resource, debit.owner.clone());
                self.ledger.take_back(&owner, debit.amount, now_ms);
            }
        }
        let held_ms = i32::try_from(held_ms).unwrap_or(i32::MAX);
        out.answer(from, Answer::Charged { held_ms });
    }
}
