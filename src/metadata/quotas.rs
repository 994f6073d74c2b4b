//! Client quotas (KIP-13, KIP-124, KIP-546): which there are, how they are changed, and which one binds
//! a client. Decided as Apache Kafka 4.2 does.

use super::image::{Image, QuotaEntity};
use super::topics::{Decision, Refusal};
use crate::wire::{ClientQuotaRecord, ClientQuotaRecordEntity, ErrorCode, MetadataRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The part of an entity that names a user.
pub const USER: &str = "user";
/// The part of an entity that names what a client calls itself.
pub const CLIENT_ID: &str = "client-id";
/// The part of an entity that names an address.
pub const IP: &str = "ip";

/// Bytes per second of produce requests.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// Bytes per second of fetch responses.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// Percent of one thread's time.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";

/// What a quota must be besides above 0: the largest value of its type if it has to be whole.
const OF_CLIENTS: &[(&str, Option<f64>)] = &[
    (PRODUCER_BYTE_RATE, Some(i64::MAX as f64)),
    (CONSUMER_BYTE_RATE, Some(i64::MAX as f64)),
    (REQUEST_PERCENTAGE, None),
    ("controller_mutation_rate", None),
];
const OF_ADDRESSES: &[(&str, Option<f64>)] = &[("connection_creation_rate", Some(i32::MAX as f64))];

/// An entity and what changes.
#[derive(Clone, PartialEq, Debug)]
pub struct QuotaChange {
    /// Kind and name of each part; no name stands for the default.
    pub entity: BTreeMap<String, Option<String>>,
    /// Each with its new value, or none to remove it.
    pub ops: Vec<(String, Option<f64>)>,
}

/// Sets and removes quotas, each entity by itself.
pub fn alter_client_quotas(
    image: &Image,
    changes: &[QuotaChange],
    validate_only: bool,
) -> Decision<Vec<Result<(), Refusal>>> {
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    let outcome = changes
        .iter()
        .map(|change| {
            let entity: QuotaEntity = change.entity.clone().into_iter().collect();
            if !seen.insert(entity.clone()) {
                return refuse(format!("Ignoring duplicate entity {}", show(&entity)));
            }
            records.extend(alter_one(image, &entity, &change.ops)?);
            Ok(())
        })
        .collect();
    if validate_only {
        records.clear();
    }
    Decision { records, outcome }
}

fn alter_one(
    image: &Image,
    entity: &QuotaEntity,
    ops: &[(String, Option<f64>)],
) -> Result<Vec<MetadataRecord<'static>>, Refusal> {
    let mut changes = BTreeMap::new();
    for (key, value) in ops {
        if changes.insert(key.as_str(), *value).is_some() {
            return refuse(format!(
                "Duplicate quota key {key} not updating quota for this entity {}",
                show(entity)
            ));
        }
    }
    let keys = check_entity(entity)?;
    let now = image.quotas().get(entity);
    let mut records = Vec::new();
    for (key, value) in changes {
        let current = now.and_then(|quotas| quotas.get(key)).copied();
        if let Some(value) = value {
            check_value(keys, key, value)?;
        }
        if current == value {
            continue;
        }
        let parts = entity.iter().map(|(kind, name)| ClientQuotaRecordEntity {
            entity_type: kind.clone().into(),
            entity_name: name.clone().map(Into::into),
        });
        records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: parts.collect(),
            key: key.to_string().into(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        }));
    }
    Ok(records)
}

/// The quotas that such an entity may have.
fn check_entity(entity: &QuotaEntity) -> Result<&'static [(&'static str, Option<f64>)], Refusal> {
    if entity.is_empty() {
        return refuse("Invalid empty client quota entity".into());
    }
    for (kind, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return refuse(format!("Unhandled client quota entity type: {kind}"));
        }
        if name.as_deref() == Some("") {
            return refuse(format!("Empty {kind} not supported"));
        }
    }
    let Some((_, address)) = entity.iter().find(|(kind, _)| kind == IP) else {
        return Ok(OF_CLIENTS);
    };
    if entity.len() > 1 {
        return refuse(
            "Invalid quota entity combination, IP entity should not be combined with User or \
             ClientId"
                .into(),
        );
    }
    match address {
        Some(address) if address.parse::<IpAddr>().is_err() => {
            refuse(format!("{address} is not a valid IP address."))
        }
        _ => Ok(OF_ADDRESSES),
    }
}

fn check_value(keys: &[(&str, Option<f64>)], key: &str, value: f64) -> Result<(), Refusal> {
    let Some((_, whole_max)) = keys.iter().find(|(known, _)| *known == key) else {
        return refuse(format!("Invalid configuration key {key}"));
    };
    // Not a number is not above 0 either.
    if value.is_nan() || value <= 0.0 {
        return refuse(format!("Quota {key} must be greater than 0"));
    }
    match whole_max {
        Some(max) if value > *max => refuse(format!("Proposed value for {key} is too large.")),
        Some(_) if (value % 1.0).abs() > 1e-6 => {
            refuse(format!("{key} cannot be a fractional value."))
        }
        _ => Ok(()),
    }
}

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
}

fn show(entity: &QuotaEntity) -> String {
    let parts = entity.iter().map(|(kind, name)| match name {
        Some(name) => format!("{kind}={name}"),
        None => format!("default {kind}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What an entity must have at one of its parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QuotaMatch {
    /// This name.
    Name(String),
    /// The default.
    Default,
    /// Any name, or the default.
    Any,
}

/// An entity with its quotas.
pub type QuotasOf<'a> = (&'a QuotaEntity, &'a BTreeMap<String, f64>);

/// The entities that match, with their quotas. `strict`: those that have no other parts.
///
/// # Errors
/// INVALID_REQUEST where no entity could be meant, UNSUPPORTED_VERSION for an unknown kind.
pub fn describe_client_quotas<'a>(
    image: &'a Image,
    filter: &[(String, QuotaMatch)],
    strict: bool,
) -> Result<Vec<QuotasOf<'a>>, Refusal> {
    let mut wanted = BTreeMap::new();
    for (kind, what) in filter {
        if kind.is_empty() {
            return refuse("Invalid empty entity type.".into());
        }
        if wanted.insert(kind.as_str(), what).is_some() {
            return refuse(format!(
                "Entity type {kind} cannot appear more than once in the filter."
            ));
        }
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            let message = format!("Unsupported entity type {kind}");
            return Err(Refusal::new(ErrorCode::UNSUPPORTED_VERSION, message));
        }
    }
    if wanted.contains_key(IP) && wanted.len() > 1 {
        return refuse(
            "Invalid entity filter component combination. IP filter component should not be used \
             with user or clientId filter component."
                .into(),
        );
    }
    let matches = |entity: &QuotaEntity| {
        let has = |kind: &str, what: &QuotaMatch| {
            let mut parts = entity.iter();
            parts
                .find(|(of, _)| of == kind)
                .is_some_and(|(_, name)| match (what, name) {
                    (QuotaMatch::Any, _) | (QuotaMatch::Default, None) => true,
                    (QuotaMatch::Name(wanted), Some(name)) => wanted == name,
                    _ => false,
                })
        };
        (!strict || entity.len() == wanted.len())
            && wanted.iter().all(|(kind, what)| has(kind, what))
    };
    let quotas = image.quotas().iter();
    Ok(quotas.filter(|(entity, _)| matches(entity)).collect())
}

/// Who shares a quota: the users and client ids that it is counted by, each empty if it is not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct QuotaOwner {
    /// The user.
    pub user: String,
    /// The client id.
    pub client: String,
}

/// The quota `key` that binds a client, in Kafka's order: that of its user and client id first, then
/// those with a default in one's place, the user's, the client id's, the default ones last.
pub fn client_quota(
    image: &Image,
    key: &str,
    user: &str,
    client: &str,
) -> Option<(QuotaOwner, f64)> {
    let quotas = image.quotas();
    if quotas.is_empty() {
        return None;
    }
    // The parts of an entity are sorted by kind.
    let entity = |client: Option<Option<&str>>, user: Option<Option<&str>>| -> QuotaEntity {
        let part = |kind: &str, name: Option<&str>| (kind.to_string(), name.map(str::to_string));
        let client = client.map(|name| part(CLIENT_ID, name));
        client
            .into_iter()
            .chain(user.map(|name| part(USER, name)))
            .collect()
    };
    let (this_user, this_client) = (Some(Some(user)), Some(Some(client)));
    const DEFAULT: Option<Option<&str>> = Some(None);
    let order = [
        (this_client, this_user),
        (DEFAULT, this_user),
        (None, this_user),
        (this_client, DEFAULT),
        (DEFAULT, DEFAULT),
        (None, DEFAULT),
        (this_client, None),
        (DEFAULT, None),
    ];
    order
        .into_iter()
        // A client without a name has no quota as a client.
        .filter(|(of_client, _)| of_client.is_none() || !client.is_empty())
        .find_map(|(of_client, of_user)| {
            let bound = *quotas.get(&entity(of_client, of_user))?.get(key)?;
            let owner = QuotaOwner {
                user: of_user.map_or(String::new(), |_| user.to_string()),
                client: of_client.map_or(String::new(), |_| client.to_string()),
            };
            Some((owner, bound))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> QuotaChange {
        let parts = entity.iter();
        QuotaChange {
            entity: parts
                .map(|(kind, name)| (kind.to_string(), name.map(str::to_string)))
                .collect(),
            ops: ops
                .iter()
                .map(|(key, value)| (key.to_string(), *value))
                .collect(),
        }
    }

    fn apply(image: &mut Image, changes: &[QuotaChange]) -> usize {
        let decision = alter_client_quotas(image, changes, false);
        for result in decision.outcome {
            assert_eq!(result, Ok(()));
        }
        for record in &decision.records {
            image.replay(record).unwrap();
        }
        decision.records.len()
    }

    const RATE: &str = PRODUCER_BYTE_RATE;

    #[test]
    fn a_quota_is_written_when_it_differs_and_removed_when_it_is_there() {
        let mut image = Image::new();
        let of = |value| change(&[(CLIENT_ID, Some("c"))], &[(RATE, value)]);
        assert_eq!(apply(&mut image, &[of(None)]), 0);
        assert_eq!(apply(&mut image, &[of(Some(7.0))]), 1);
        assert_eq!(apply(&mut image, &[of(Some(7.0))]), 0);
        assert_eq!(apply(&mut image, &[of(None)]), 1);
        assert!(image.quotas().is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_entity_by_entity() {
        let client = &[(CLIENT_ID, Some("c"))][..];
        for (bad, expected) in [
            (change(&[], &[]), "empty client quota entity"),
            (
                change(&[("group", None)], &[]),
                "Unhandled client quota entity type: group",
            ),
            (
                change(client, &[("speed", Some(1.0))]),
                "Invalid configuration key speed",
            ),
            (
                change(client, &[(RATE, Some(0.0))]),
                "must be greater than 0",
            ),
            (
                change(client, &[(RATE, Some(f64::NAN))]),
                "must be greater than 0",
            ),
            (
                change(client, &[(RATE, Some(1.5))]),
                "cannot be a fractional value",
            ),
            (change(client, &[(RATE, Some(1e300))]), "too large"),
            (
                change(client, &[(RATE, None), (RATE, None)]),
                "Duplicate quota key",
            ),
            (
                change(&[(IP, Some("c")), (USER, None)], &[]),
                "should not be combined",
            ),
            (change(&[(IP, Some("no address"))], &[]), "not a valid IP"),
            (
                change(&[(IP, None)], &[(RATE, Some(1.0))]),
                "Invalid configuration key",
            ),
        ] {
            let good = change(&[(USER, None)], &[(REQUEST_PERCENTAGE, Some(0.5))]);
            let decision = alter_client_quotas(&Image::new(), &[bad, good], false);
            let refusal = decision.outcome[0].clone().unwrap_err();
            assert!(refusal.message.contains(expected), "{}", refusal.message);
            assert_eq!(decision.outcome[1], Ok(()));
            assert_eq!(decision.records.len(), 1);
        }
        let twice = change(client, &[(RATE, Some(1.0))]);
        let decision = alter_client_quotas(&Image::new(), &[twice.clone(), twice], false);
        assert!(decision.outcome[0].is_ok() && decision.outcome[1].is_err());
        assert_eq!(decision.records.len(), 1);
    }

    #[test]
    fn the_most_specific_quota_binds() {
        let mut image = Image::new();
        let (user, client) = (Some("u"), Some("c"));
        // From the least specific on: each goes before those set earlier.
        type Case<'a> = (&'a [(&'a str, Option<&'a str>)], (&'a str, &'a str));
        let order: [Case<'_>; 8] = [
            (&[(CLIENT_ID, None)], ("", "c")),
            (&[(CLIENT_ID, client)], ("", "c")),
            (&[(USER, None)], ("u", "")),
            (&[(CLIENT_ID, None), (USER, None)], ("u", "c")),
            (&[(CLIENT_ID, client), (USER, None)], ("u", "c")),
            (&[(USER, user)], ("u", "")),
            (&[(CLIENT_ID, None), (USER, user)], ("u", "c")),
            (&[(CLIENT_ID, client), (USER, user)], ("u", "c")),
        ];
        assert_eq!(client_quota(&image, RATE, "u", "c"), None);
        for (at, (entity, (by_user, by_client))) in order.into_iter().enumerate() {
            let bound = at as f64 + 1.0;
            apply(&mut image, &[change(entity, &[(RATE, Some(bound))])]);
            let (owner, found) = client_quota(&image, RATE, "u", "c").unwrap();
            assert_eq!(found, bound);
            assert_eq!((&*owner.user, &*owner.client), (by_user, by_client));
        }
        assert_eq!(client_quota(&image, CONSUMER_BYTE_RATE, "u", "c"), None);
        let (owner, bound) = client_quota(&image, RATE, "u", "").unwrap();
        assert_eq!((bound, &*owner.client), (6.0, ""), "the user's own");
    }

    #[test]
    fn a_filter_finds_names_defaults_and_both() {
        let mut image = Image::new();
        let one = [(RATE, Some(1.0))];
        apply(
            &mut image,
            &[
                change(&[(CLIENT_ID, Some("c"))], &one),
                change(&[(CLIENT_ID, None)], &one),
                change(&[(CLIENT_ID, Some("c")), (USER, Some("u"))], &one),
                change(
                    &[(IP, Some("10.0.0.1"))],
                    &[("connection_creation_rate", Some(1.0))],
                ),
            ],
        );
        let find = |filter: &[(&str, QuotaMatch)], strict| {
            let filter: Vec<_> = filter
                .iter()
                .map(|(kind, what)| (kind.to_string(), what.clone()))
                .collect();
            describe_client_quotas(&image, &filter, strict).map(|found| found.len())
        };
        let name = || QuotaMatch::Name("c".into());
        assert_eq!(find(&[], false), Ok(4));
        assert_eq!(find(&[], true), Ok(0));
        assert_eq!(find(&[(CLIENT_ID, name())], false), Ok(2));
        assert_eq!(find(&[(CLIENT_ID, name())], true), Ok(1));
        assert_eq!(find(&[(CLIENT_ID, QuotaMatch::Default)], true), Ok(1));
        assert_eq!(find(&[(CLIENT_ID, QuotaMatch::Any)], true), Ok(2));
        assert_eq!(find(&[(USER, QuotaMatch::Any)], false), Ok(1));
        let code = |filter: &[(&str, QuotaMatch)]| find(filter, false).unwrap_err().code;
        assert_eq!(code(&[("group", name())]), ErrorCode::UNSUPPORTED_VERSION);
        assert_eq!(code(&[("", name())]), ErrorCode::INVALID_REQUEST);
        assert_eq!(
            code(&[(USER, name()), (USER, name())]),
            ErrorCode::INVALID_REQUEST
        );
        assert_eq!(
            code(&[(USER, name()), (IP, name())]),
            ErrorCode::INVALID_REQUEST
        );
    }
}
