//! FindCoordinator: there is no coordinator in this release, and every version says so.

use crate::broker;
use crate::client::versions;
use millstream::wire::{ApiKey, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse};

#[test]
fn every_version_refuses_each_key_and_says_why() {
    let mut client = broker::shared().client();
    for version in versions(ApiKey::FIND_COORDINATOR) {
        // 0 groups; from version 1 on 1 transactional ids; from version 6 on 2 share partitions.
        let kinds = match version {
            0 => 0..=0,
            1..6 => 0..=1,
            _ => 0..=2,
        };
        for key_type in kinds {
            let request = match version {
                4.. => FindCoordinatorRequest {
                    key_type,
                    coordinator_keys: vec!["a".into(), "b".into()],
                    ..Default::default()
                },
                _ => FindCoordinatorRequest {
                    key: "a".into(),
                    key_type,
                    ..Default::default()
                },
            };
            let response: FindCoordinatorResponse = client.call(version, &request);
            let refused = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            if version < 4 {
                assert_eq!(response.error_code, refused);
                assert_eq!(response.node_id, -1);
                assert_eq!(response.error_message.is_some(), version >= 1);
                continue;
            }
            let keys: Vec<_> = response.coordinators.iter().map(|it| &*it.key).collect();
            assert_eq!(keys, ["a", "b"]);
            for coordinator in &response.coordinators {
                assert_eq!(coordinator.error_code, refused);
                assert_eq!(coordinator.node_id, -1);
                assert!(coordinator.error_message.is_some());
            }
        }
    }
}
