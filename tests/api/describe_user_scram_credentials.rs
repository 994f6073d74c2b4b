//! DescribeUserScramCredentials: nobody has any yet, and who is asked for is told so.

use crate::broker;
use millstream::wire::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ErrorCode,
    ScramUserName,
};

fn ask(users: Option<&[&str]>) -> DescribeUserScramCredentialsResponse<'static> {
    let users = users.map(|users| {
        users.iter().map(|name| ScramUserName {
            name: (*name).to_string().into(),
        })
    });
    let request = DescribeUserScramCredentialsRequest {
        users: users.map(Iterator::collect),
    };
    broker::shared().client().call(0, &request)
}

#[test]
fn nobody_has_credentials() {
    for all in [None, Some(&[][..])] {
        let response = ask(all);
        assert_eq!(response, DescribeUserScramCredentialsResponse::default());
    }
}

#[test]
fn who_is_asked_for_and_not_there_is_named() {
    let response = ask(Some(&["bob", "alice", "bob"]));
    assert_eq!(response.error_code, ErrorCode::NONE);
    let results: Vec<_> = response
        .results
        .iter()
        .map(|it| {
            (
                &*it.user,
                it.error_code,
                it.error_message.as_deref().unwrap_or(""),
            )
        })
        .collect();
    let missing = "Attempt to describe a user credential that does not exist: alice";
    let twice =
        "Cannot describe SCRAM credentials for the same user twice in a single request: bob";
    let expected = [
        ("alice", ErrorCode::RESOURCE_NOT_FOUND, missing),
        ("bob", ErrorCode::DUPLICATE_RESOURCE, twice),
    ];
    assert_eq!(results, expected);
    assert!(
        response
            .results
            .iter()
            .all(|it| it.credential_infos.is_empty())
    );
}
