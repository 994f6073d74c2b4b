//! DescribeCluster (60): the brokers, or the controllers, of the cluster (KIP-700, KIP-919).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks about the cluster.
    DescribeClusterRequest key 60 versions [0-2] flexible [0+] {
        /// Whether to say what the client may do with the cluster.
        include_cluster_authorized_operations:  bool  [0+];
        /// 1 brokers, 2 controllers.
        endpoint_type:                          i8    [1+]  = 1;
        /// Whether to list brokers that are fenced.
        include_fenced_brokers:                 bool  [2+];
    }
}

message! {
    /// The cluster.
    DescribeClusterResponse<'a> key 60 versions [0-2] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:               i32                             [0+];
        /// Error of the whole request.
        error_code:                     ErrorCode                       [0+];
        /// What was wrong.
        error_message:                  Option<Str<'a>>                 [0+];
        /// 1 brokers, 2 controllers.
        endpoint_type:                  i8                              [1+]  = 1;
        /// The cluster's id.
        cluster_id:                     Str<'a>                         [0+];
        /// A live broker to send admin requests to; from a controller, the leader.
        controller_id:                  i32                             [0+]  = -1;
        /// The brokers or controllers.
        brokers:                        Vec<DescribeClusterBroker<'a>>  [0+];
        /// Bits of what the client may do with the cluster, `i32::MIN` if not asked.
        cluster_authorized_operations:  i32                             [0+]  = i32::MIN;
    }

    /// A broker or controller.
    struct DescribeClusterBroker<'a> {
        /// Its id.
        broker_id:  i32              [0+];
        /// Where it listens.
        host:       Str<'a>          [0+];
        /// Where it listens.
        port:       i32              [0+];
        /// Its rack.
        rack:       Option<Str<'a>>  [0+];
        /// Whether it is fenced.
        is_fenced:  bool             [2+];
    }
}
