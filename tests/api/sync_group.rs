//! SyncGroup: who gets which assignment, and when.

use crate::broker;
use crate::client::versions;
use crate::members::{Member, PROTOCOL, SYNC, join_beside};
use millstream::wire::{ApiKey, ErrorCode, SyncGroupRequest, SyncGroupResponse};

#[test]
fn every_version_gets_the_assignment_of_the_leader() {
    let broker = broker::of_groups();
    for version in versions(ApiKey::SYNC_GROUP) {
        let mut member = Member::of(broker, &format!("sync-v{version}"));
        member.join();
        let own = member.id.clone();
        let request = member.sync_request(&[(&own, b"everything"), ("nobody", b"nothing")]);
        let response: SyncGroupResponse = member.client.call(version, &request);
        assert_eq!(response.error_code, ErrorCode::NONE);
        assert_eq!(*response.assignment, *b"everything");
        let says = |name: &'static str| (version >= 5).then_some(name);
        assert_eq!(response.protocol_type.as_deref(), says("consumer"));
        assert_eq!(response.protocol_name.as_deref(), says(PROTOCOL));
        // It is told again, whatever is sent now.
        let request = member.sync_request(&[(&own, b"something else")]);
        let response: SyncGroupResponse = member.client.call(version, &request);
        assert_eq!(*response.assignment, *b"everything");
    }
}

#[test]
fn every_version_is_told_why_it_gets_none() {
    let broker = broker::of_groups();
    let mut member = Member::of(broker, "sync-refused");
    member.settle(b"all");
    for version in versions(ApiKey::SYNC_GROUP) {
        let request = member.sync_request(&[]);
        let mut refused = |change: &dyn Fn(&mut SyncGroupRequest<'static>)| {
            let mut request = request.clone();
            change(&mut request);
            let response: SyncGroupResponse = member.client.call(version, &request);
            assert!(response.assignment.is_empty());
            response.error_code
        };
        let error = refused(&|request| request.group_id = "".into());
        assert_eq!(error, ErrorCode::INVALID_GROUP_ID);
        let error = refused(&|request| request.group_id = "sync-refused-unknown".into());
        assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        let error = refused(&|request| request.member_id = "nobody".into());
        assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        for generation in [0, 2, -1] {
            let error = refused(&|request| request.generation_id = generation);
            assert_eq!(error, ErrorCode::ILLEGAL_GENERATION);
        }
        if version >= 3 {
            let error = refused(&|request| request.group_instance_id = Some("nobody".into()));
            assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if version >= 5 {
            let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            for name in [None, Some("other")] {
                let error = refused(&|request| request.protocol_name = name.map(Into::into));
                assert_eq!(error, inconsistent);
                let error = refused(&|request| request.protocol_type = name.map(Into::into));
                assert_eq!(error, inconsistent);
            }
        }
    }
}

#[test]
fn a_sync_that_waits_is_told_of_the_next_rebalance() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "sync-rebalance");
    first.settle(b"all");
    let mut second = Member::of(broker, "sync-rebalance");
    join_beside(&mut first, &mut second);
    second.send_sync(&[]);
    // The leader goes instead of assigning.
    assert_eq!(first.leave(), ErrorCode::NONE);
    let (response, _) = second.client.receive::<SyncGroupResponse>(SYNC);
    assert_eq!(response.error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    second.settle(b"all");
    assert_eq!(second.generation, 3);
}
