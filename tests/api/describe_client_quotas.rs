//! DescribeClientQuotas: what was set is found by name, by default and by kind.

use crate::alter_client_quotas::{alter, remove, set};
use crate::broker;
use crate::client::{Client, versions};
use millstream::wire::{
    ApiKey, DescribeClientQuotasRequest, DescribeClientQuotasResponse, ErrorCode, QuotaFilter,
};

const NEWEST: i16 = 1;
pub const NAME: i8 = 0;
pub const DEFAULT: i8 = 1;
pub const ANY: i8 = 2;

type Filter<'a> = (&'a str, i8, Option<&'a str>);

fn ask(
    client: &mut Client,
    version: i16,
    filter: &[Filter<'_>],
    strict: bool,
) -> DescribeClientQuotasResponse<'static> {
    let request = DescribeClientQuotasRequest {
        components: filter
            .iter()
            .map(|(kind, match_type, name)| QuotaFilter {
                entity_type: kind.to_string().into(),
                match_type: *match_type,
                match_name: name.map(|name| name.to_string().into()),
            })
            .collect(),
        strict,
    };
    client.call(version, &request)
}

/// The names of the entities and their quotas, of what must be answered without an error.
pub fn found(client: &mut Client, filter: &[Filter<'_>]) -> Vec<(String, Vec<(String, f64)>)> {
    let response = ask(client, NEWEST, filter, true);
    assert_eq!(response.error_code, ErrorCode::NONE);
    let entries = response.entries.unwrap().into_iter();
    entries
        .map(|entry| {
            let names = entry.entity.iter().map(|part| {
                let name = part.entity_name.as_deref().unwrap_or("<default>");
                format!("{}={name}", part.entity_type)
            });
            let values = entry.values.iter();
            (
                names.collect::<Vec<_>>().join(","),
                values.map(|it| (it.key.to_string(), it.value)).collect(),
            )
        })
        .collect()
}

#[test]
fn every_version_finds_what_was_set() {
    let broker = broker::shared();
    let mut client = broker.client();
    let entity = [("client-id", Some("described"))];
    alter(&mut client, 1, &entity, &[set("producer_byte_rate", 1e6)]);
    for version in versions(ApiKey::DESCRIBE_CLIENT_QUOTAS) {
        let filter = [("client-id", NAME, Some("described"))];
        let response = ask(&mut client, version, &filter, true);
        assert_eq!(response.error_code, ErrorCode::NONE);
        let entries = response.entries.unwrap();
        assert_eq!(entries.len(), 1, "version {version}");
        let part = &entries[0].entity[0];
        assert_eq!(part.entity_type, "client-id");
        assert_eq!(part.entity_name.as_deref(), Some("described"));
        assert_eq!(entries[0].values[0].key, "producer_byte_rate");
        assert_eq!(entries[0].values[0].value, 1e6);
    }
    alter(&mut client, 1, &entity, &[remove("producer_byte_rate")]);
    assert!(found(&mut client, &[("client-id", NAME, Some("described"))]).is_empty());
}

#[test]
fn names_defaults_and_kinds_are_told_apart() {
    let broker = broker::shared();
    let mut client = broker.client();
    // A default of users together with a client id binds nobody else in these tests.
    let both = [("client-id", Some("kinds")), ("user", None)];
    let one = [("client-id", Some("kinds"))];
    alter(&mut client, 1, &both, &[set("request_percentage", 50.5)]);
    alter(&mut client, 1, &one, &[set("consumer_byte_rate", 1e9)]);
    let named = ("client-id", NAME, Some("kinds"));
    let only = found(&mut client, &[named]);
    assert_eq!(only.len(), 1);
    assert_eq!(only[0].0, "client-id=kinds");
    let with_default = found(&mut client, &[named, ("user", DEFAULT, None)]);
    assert_eq!(
        with_default,
        [(
            "client-id=kinds,user=<default>".to_string(),
            vec![("request_percentage".to_string(), 50.5)]
        )]
    );
    assert_eq!(
        found(&mut client, &[named, ("user", ANY, None)]),
        with_default
    );
    assert!(found(&mut client, &[named, ("user", NAME, Some("u"))]).is_empty());
    let loose = ask(&mut client, NEWEST, &[named], false);
    assert_eq!(loose.entries.unwrap().len(), 2);
}

#[test]
fn a_filter_that_makes_no_sense_is_refused() {
    let mut client = broker::shared().client();
    let invalid = ErrorCode::INVALID_REQUEST;
    for (filter, error) in [
        (&[("user", NAME, None)][..], invalid),
        (&[("user", DEFAULT, Some("u"))], invalid),
        (&[("user", ANY, Some("u"))], invalid),
        (&[("user", 3, None)], invalid),
        (&[("", NAME, Some("u"))], invalid),
        (&[("user", ANY, None), ("user", ANY, None)], invalid),
        (&[("user", ANY, None), ("ip", ANY, None)], invalid),
        (&[("group", ANY, None)], ErrorCode::UNSUPPORTED_VERSION),
    ] {
        let response = ask(&mut client, NEWEST, filter, false);
        assert_eq!(response.error_code, error, "{filter:?}");
        assert!(response.entries.is_none() && response.error_message.is_some());
    }
}
