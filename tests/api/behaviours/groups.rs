//! Behaviours 23 and 29, of consumer groups. These are not served yet: nothing of them is advertised,
//! a request of theirs closes the connection without an answer that could be taken for offsets or a
//! membership, and whoever looks for a coordinator is told to try again.

use crate::broker;
use crate::client::versions;
use millstream::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FindCoordinatorRequest,
    FindCoordinatorResponse,
};

/// That none of these is advertised, and that each version of each ends its connection.
fn not_served(keys: &[i16]) {
    let broker = broker::shared();
    let mut client = broker.client();
    for version in 0..=2 {
        let response: ApiVersionsResponse = client.call(version, &ApiVersionsRequest::default());
        let advertised = response.api_keys.iter().map(|it| it.api_key);
        assert!(advertised.filter(|key| keys.contains(key)).count() == 0);
    }
    for key in keys {
        for version in 0..=10 {
            let mut client = broker.client();
            client.send_raw(ApiKey(*key), version, &[0; 32]);
            client.expect_end();
        }
    }
    for version in versions(ApiKey::FIND_COORDINATOR) {
        let request = match version {
            4.. => FindCoordinatorRequest {
                coordinator_keys: vec!["group".into()],
                ..Default::default()
            },
            _ => FindCoordinatorRequest {
                key: "group".into(),
                ..Default::default()
            },
        };
        let response: FindCoordinatorResponse = client.call(version, &request);
        let error = match version {
            4.. => response.coordinators[0].error_code,
            _ => response.error_code,
        };
        assert_eq!(error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
}

/// With groups: an entry of -1 for each partition without an offset, the metadata string as it was
/// committed, and committed_leader_epoch.
#[test]
fn behaviour_23_offset_fetch_is_not_served_rather_than_answered_without_its_entries() {
    const OFFSET_COMMIT: i16 = 8;
    const OFFSET_FETCH: i16 = 9;
    const OFFSET_DELETE: i16 = 47;
    not_served(&[OFFSET_COMMIT, OFFSET_FETCH, OFFSET_DELETE]);
}

/// With groups: a static member that joins again swaps its member.id and fences the old one (82)
/// without a rebalance; the metadata of members is opaque but for version 0 of its beginning.
#[test]
fn behaviour_29_membership_is_not_served_rather_than_rebalanced_wrongly() {
    const JOIN_GROUP: i16 = 11;
    const HEARTBEAT: i16 = 12;
    const LEAVE_GROUP: i16 = 13;
    const SYNC_GROUP: i16 = 14;
    const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
    not_served(&[
        JOIN_GROUP,
        HEARTBEAT,
        LEAVE_GROUP,
        SYNC_GROUP,
        CONSUMER_GROUP_HEARTBEAT,
    ]);
}
