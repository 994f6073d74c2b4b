//! LeaveGroup: members go, and administrators remove some.

use crate::broker;
use crate::client::versions;
use crate::members::Member;
use millstream::wire::{
    ApiKey, ErrorCode, LeaveGroupMember, LeaveGroupRequest, LeaveGroupResponse,
};

fn leaving(id: &str, instance: Option<&'static str>) -> LeaveGroupMember<'static> {
    LeaveGroupMember {
        member_id: id.to_owned().into(),
        group_instance_id: instance.map(Into::into),
        ..Default::default()
    }
}

fn request(version: i16, group: &str, id: &str) -> LeaveGroupRequest<'static> {
    let request = LeaveGroupRequest {
        group_id: group.to_owned().into(),
        ..Default::default()
    };
    match version {
        3.. => LeaveGroupRequest {
            members: vec![leaving(id, None)],
            ..request
        },
        _ => LeaveGroupRequest {
            member_id: id.to_owned().into(),
            ..request
        },
    }
}

#[test]
fn every_version_takes_a_member_out() {
    let broker = broker::of_groups();
    for version in versions(ApiKey::LEAVE_GROUP) {
        let group = format!("leave-v{version}");
        let mut member = Member::of(broker, &group);
        member.settle(b"all");
        // What went wrong for a member stands at the top where there is no other place.
        let mut leave = |group: &str, id: &str| {
            let request = request(version, group, id);
            let response: LeaveGroupResponse = member.client.call(version, &request);
            if version < 3 {
                return response.error_code;
            }
            assert_eq!(response.error_code, ErrorCode::NONE);
            let [result] = &response.members[..] else {
                panic!("one member: {response:?}")
            };
            assert_eq!(*result.member_id, *id);
            result.error_code
        };
        assert_eq!(leave(&group, "nobody"), ErrorCode::UNKNOWN_MEMBER_ID);
        let unknown = leave("leave-unknown", &member.id.clone());
        assert_eq!(unknown, ErrorCode::UNKNOWN_MEMBER_ID);
        let id = member.id.clone();
        let mut leave = |id: &str| -> LeaveGroupResponse {
            member.client.call(version, &request(version, &group, id))
        };
        let left = leave(&id);
        assert_eq!(left.error_code, ErrorCode::NONE);
        assert!(
            left.members
                .iter()
                .all(|it| it.error_code == ErrorCode::NONE)
        );
        let again = leave(&id);
        let of_members = again.members.iter().map(|it| it.error_code);
        let errors: Vec<_> = of_members.chain([again.error_code]).collect();
        assert!(errors.contains(&ErrorCode::UNKNOWN_MEMBER_ID));

        let nameless = request(version, "", &id);
        let response: LeaveGroupResponse = member.client.call(version, &nameless);
        assert_eq!(response.error_code, ErrorCode::INVALID_GROUP_ID);
        assert!(response.members.is_empty());
    }
}

#[test]
fn several_leave_at_once_each_with_a_result_of_its_own() {
    let broker = broker::of_groups();
    let mut member = Member::of_instance(broker, "leave-several", "one");
    member.settle(b"all");
    let mut other = Member::of(broker, "leave-several");
    other.get_id();
    for version in 3..=5 {
        let request = LeaveGroupRequest {
            group_id: "leave-several".into(),
            members: vec![
                leaving("nobody", None),
                leaving("", Some("two")),
                leaving("somebody else", Some("one")),
            ],
            ..Default::default()
        };
        let response: LeaveGroupResponse = other.client.call(version, &request);
        let results: Vec<_> = response
            .members
            .iter()
            .map(|it| {
                (
                    &*it.member_id,
                    it.group_instance_id.as_deref(),
                    it.error_code,
                )
            })
            .collect();
        assert_eq!(
            results,
            [
                ("nobody", None, ErrorCode::UNKNOWN_MEMBER_ID),
                ("", Some("two"), ErrorCode::UNKNOWN_MEMBER_ID),
                ("somebody else", Some("one"), ErrorCode::FENCED_INSTANCE_ID),
            ]
        );
        assert_eq!(member.heartbeat(), ErrorCode::NONE);
    }
    // An administrator knows the instance alone; and an id that was only given out can be given back.
    let request = LeaveGroupRequest {
        group_id: "leave-several".into(),
        members: vec![leaving("", Some("one")), leaving(&other.id, None)],
        ..Default::default()
    };
    let response: LeaveGroupResponse = other.client.call(5, &request);
    assert!(
        response
            .members
            .iter()
            .all(|it| it.error_code == ErrorCode::NONE)
    );
    assert_eq!(member.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
}
