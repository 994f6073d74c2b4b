//! DescribeCluster: who is there (KIP-700).

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::wire::{
    DecodeError, DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse, ErrorCode,
};

/// The endpoints that brokers offer; the other kind, 2, is the controllers' (KIP-919).
const BROKER_ENDPOINTS: i8 = 1;

/// All that a client may do to the cluster where there is no authorizer (KIP-430).
const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeClusterRequest = head.decode(&frame)?;
    if head.version >= 1 && request.endpoint_type != BROKER_ENDPOINTS {
        let response = DescribeClusterResponse {
            error_code: match request.endpoint_type {
                2 => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
                _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            },
            error_message: Some("this listener serves brokers' endpoints only".into()),
            ..Default::default()
        };
        return Ok(head.reply(&response));
    }
    let own = &context.identity.advertised[context.session.listener];
    let response = DescribeClusterResponse {
        endpoint_type: BROKER_ENDPOINTS,
        cluster_id: context.identity.cluster_id.as_ref().into(),
        controller_id: context.identity.node.0,
        brokers: vec![DescribeClusterBroker {
            broker_id: context.identity.node.0,
            host: own.host.as_str().into(),
            port: i32::from(own.port),
            rack: context.config.rack.as_deref().map(Into::into),
            is_fenced: false,
        }],
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => i32::MIN,
        },
        ..Default::default()
    };
    Ok(head.reply(&response))
}
