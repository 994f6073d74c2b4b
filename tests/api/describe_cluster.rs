//! DescribeCluster: the one broker there is.

use crate::broker;
use crate::client::versions;
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, DescribeClusterRequest, DescribeClusterResponse, ErrorCode, MetadataRequest,
    MetadataResponse,
};

#[test]
fn every_version_describes_this_broker() {
    let broker = broker::shared();
    let mut client = broker.client();
    let metadata: MetadataResponse = client.call(12, &MetadataRequest::default());
    for version in versions(ApiKey::DESCRIBE_CLUSTER) {
        let response: DescribeClusterResponse =
            client.call(version, &DescribeClusterRequest::default());
        assert_eq!(response.error_code, ErrorCode::NONE);
        assert!(Uuid::parse(&response.cluster_id).is_some());
        assert_eq!(Some(&response.cluster_id), metadata.cluster_id.as_ref());
        let [own] = &response.brokers[..] else {
            panic!("one broker: {:?}", response.brokers)
        };
        assert_eq!(own.broker_id, metadata.brokers[0].node_id);
        assert_eq!(response.controller_id, own.broker_id);
        assert_eq!(
            (&*own.host, own.port),
            ("127.0.0.1", i32::from(broker.port()))
        );
        assert!(!own.is_fenced);
        assert_eq!(response.cluster_authorized_operations, i32::MIN);
    }
}

#[test]
fn operations_are_told_when_asked_for() {
    let mut client = broker::shared().client();
    let request = DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        ..Default::default()
    };
    let response: DescribeClusterResponse = client.call(2, &request);
    assert!(response.cluster_authorized_operations > 0);
}

#[test]
fn controllers_are_not_described_by_a_broker() {
    let mut client = broker::shared().client();
    for (endpoint_type, expected) in [
        (2, ErrorCode::MISMATCHED_ENDPOINT_TYPE),
        (3, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
        (0, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
    ] {
        let request = DescribeClusterRequest {
            endpoint_type,
            ..Default::default()
        };
        let response: DescribeClusterResponse = client.call(1, &request);
        assert_eq!(response.error_code, expected);
        assert!(response.brokers.is_empty());
        assert!(response.error_message.is_some());
    }
}
