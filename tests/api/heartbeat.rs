//! Heartbeat: what members hear, and what becomes of those who send none.

use crate::broker;
use crate::client::versions;
use crate::members::{Member, find, join_beside, share};
use millstream::wire::{
    ApiKey, DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode, HeartbeatRequest,
    HeartbeatResponse,
};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn every_version_hears_how_its_group_is() {
    let broker = broker::of_groups();
    let mut member = Member::of(broker, "heartbeat-versions");
    member.settle(b"all");
    for version in versions(ApiKey::HEARTBEAT) {
        let request = member.heartbeat_request();
        let mut heard = |change: &dyn Fn(&mut HeartbeatRequest<'static>)| {
            let mut request = request.clone();
            change(&mut request);
            let response: HeartbeatResponse = member.client.call(version, &request);
            response.error_code
        };
        assert_eq!(heard(&|_| {}), ErrorCode::NONE);
        let error = heard(&|request| request.generation_id = 7);
        assert_eq!(error, ErrorCode::ILLEGAL_GENERATION);
        let error = heard(&|request| request.member_id = "nobody".into());
        assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        let error = heard(&|request| request.group_id = "heartbeat-unknown".into());
        assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        let error = heard(&|request| request.group_id = "".into());
        assert_eq!(error, ErrorCode::INVALID_GROUP_ID);
    }
}

#[test]
fn a_session_lasts_as_long_as_heartbeats_come() {
    const SESSION: Duration = Duration::from_millis(1_500);
    let broker = broker::of_groups();
    let mut member = Member::of(broker, "heartbeat-session");
    member.session_timeout_ms = SESSION.as_millis() as i32;
    member.settle(b"all");
    let start = Instant::now();
    while start.elapsed() < 2 * SESSION {
        assert_eq!(member.heartbeat(), ErrorCode::NONE);
        sleep(Duration::from_millis(20));
    }
    sleep(2 * SESSION);
    assert_eq!(member.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
    let request = DescribeGroupsRequest {
        groups: vec![member.group.clone().into()],
        ..Default::default()
    };
    let response: DescribeGroupsResponse = member.client.call(5, &request);
    assert_eq!(&*response.groups[0].group_state, "Empty");
}

#[test]
fn the_others_hear_of_a_member_whose_session_has_ended() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "heartbeat-others");
    first.settle(b"all");
    let mut second = Member::of(broker, "heartbeat-others");
    second.session_timeout_ms = 1_500;
    join_beside(&mut first, &mut second);
    share(&mut first, b"a", &mut second, b"b");
    let start = Instant::now();
    assert_eq!(
        first.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    assert!(
        start.elapsed() >= Duration::from_millis(1_000),
        "not before its time"
    );
    first.settle(b"all");
    assert_eq!(second.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        find(&mut second.client, "heartbeat-others"),
        ErrorCode::NONE
    );
}
