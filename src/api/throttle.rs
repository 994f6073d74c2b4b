//! What a request costs a client that has a quota. The answer leaves at once and says for how long
//! the client is held back; until then nothing more is read of its connection (KIP-219).
//!
//! Bytes are counted as Kafka does: a produce request whole, when it is answered; a fetch response
//! whole, and not at all if the client is over its quota, because it then gets an empty one.
//!
//! `request_percentage` is percent of one thread's time. Kafka takes the time of each request. Here the
//! event loop measures how long the shard works in all, and requests share that by what they are
//! expected to take ([`expected_ns`]): what a client is charged for adds up to what was measured,
//! kernel included, and handlers know no clock. A produce and a fetch are counted together with their
//! bytes, every other request before it begins. ApiVersions alone cannot be told: its throttle time
//! does not stand first.
//!
//! Quotas of `controller_mutation_rate` and `connection_creation_rate` are kept and described but bind
//! nobody yet.

use super::{Context, Head};
use crate::limits;
use crate::metadata::{self, CONSUMER_BYTE_RATE, PRODUCER_BYTE_RATE, REQUEST_PERCENTAGE};
use crate::shard::{Ask, Debit, Resource};
use crate::wire::ApiKey;

/// Everybody, as long as there is no authentication.
const USER: &str = "ANONYMOUS";

/// Asks what a produce request of that many bytes costs; `false` if no quota binds the client. Without
/// an answer to be waited for (acks=0) Kafka counts no time.
pub(super) fn produced(context: &mut Context<'_>, bytes: u64, answered: bool) -> bool {
    if context.image.quotas().is_empty() {
        return false;
    }
    let mut debits = Vec::new();
    debits.extend(debit(
        context,
        PRODUCER_BYTE_RATE,
        Resource::Produced,
        bytes as f64,
        false,
    ));
    if answered {
        debits.extend(time(context, bytes));
    }
    ask(context, debits)
}

/// The same for a fetch response.
pub(super) fn fetched(context: &mut Context<'_>, bytes: u64) -> bool {
    if context.image.quotas().is_empty() {
        return false;
    }
    let amount = bytes as f64;
    let mut debits = Vec::new();
    debits.extend(debit(
        context,
        CONSUMER_BYTE_RATE,
        Resource::Fetched,
        amount,
        true,
    ));
    debits.extend(time(context, bytes));
    ask(context, debits)
}

/// Whether a request may begin at once: no quota binds its client's time, or it is counted elsewhere.
/// Otherwise asks what it costs.
pub(super) fn admits(context: &mut Context<'_>, head: &Head, bytes: u64) -> bool {
    if matches!(head.key, ApiKey::PRODUCE | ApiKey::FETCH) {
        return true;
    }
    let debits = time(context, bytes).into_iter().collect();
    !ask(context, debits)
}

/// How long a request that moves so many bytes takes a shard, on average over machines: what counts is
/// how requests compare.
pub fn expected_ns(bytes: u64) -> f64 {
    limits::REQUEST_COST_NS + bytes as f64 * limits::REQUEST_BYTE_COST_NS
}

/// Whether a quota may hold the client's fetches back.
pub(super) fn binds_fetches(context: &Context<'_>) -> bool {
    let keys = [CONSUMER_BYTE_RATE, REQUEST_PERCENTAGE];
    keys.iter().any(|key| quota(context, key).is_some())
}

/// The most bytes that a client can be sent at once without being held back for sure.
pub(super) fn fetch_bytes_max(context: &Context<'_>) -> Option<u64> {
    let (_, bound) = quota(context, CONSUMER_BYTE_RATE)?;
    let windows_ms = u64::from(context.config.quota_samples - 1) * context.config.quota_window_ms;
    Some((bound * windows_ms as f64 / 1000.0) as u64)
}

fn quota(context: &Context<'_>, key: &str) -> Option<(metadata::QuotaOwner, f64)> {
    let client = context.session.client_id_or_empty();
    metadata::client_quota(context.image, key, USER, client)
}

fn time(context: &Context<'_>, bytes: u64) -> Option<Debit> {
    let percent = expected_ns(bytes) * context.slowness * 100.0 / 1e9;
    debit(context, REQUEST_PERCENTAGE, Resource::Time, percent, false)
}

fn debit(
    context: &Context<'_>,
    key: &str,
    resource: Resource,
    amount: f64,
    only_if_free: bool,
) -> Option<Debit> {
    let (owner, bound) = quota(context, key)?;
    Some(Debit {
        resource,
        owner,
        amount,
        bound,
        only_if_free,
    })
}

fn ask(context: &mut Context<'_>, debits: Vec<Debit>) -> bool {
    let any = !debits.is_empty();
    if any {
        context
            .asks
            .asks
            .push((Context::CONTROLLER, Ask::Charge(debits)));
    }
    any
}
