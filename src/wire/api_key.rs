//! Every API of Kafka with its number, its name and the first flexible version of its request: enough
//! to read the header of any request, and to name it in a log line, whether or not it is served.

use super::Versions;
use std::fmt;

/// The number of an API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(pub i16);

/// One line of the table of APIs.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    /// The number.
    pub key: ApiKey,
    /// Kafka's name.
    pub name: &'static str,
    /// The flexible versions: request header v2 and response header v1 from there on.
    pub flexible: Versions,
}

macro_rules! apis {
    ($($key:literal $constant:ident $name:ident [$($flexible:tt)*];)*) => {
        /// Every API, in the order of the keys, without gaps: `APIS[key]` is the API of that key.
        pub const APIS: &[Api] = &[
            $(Api {
                key: ApiKey($key),
                name: stringify!($name),
                flexible: super::message::versions!($($flexible)*),
            },)*
        ];

        #[allow(missing_docs)] // they are Kafka's names
        impl ApiKey {
            $(pub const $constant: ApiKey = ApiKey($key);)*
        }
    };
}

apis! {
    0  PRODUCE                                   Produce                                   [9+];
    1  FETCH                                     Fetch                                     [12+];
    2  LIST_OFFSETS                              ListOffsets                               [6+];
    3  METADATA                                  Metadata                                  [9+];
    4  LEADER_AND_ISR                            LeaderAndIsr                              [4+];
    5  STOP_REPLICA                              StopReplica                               [2+];
    6  UPDATE_METADATA                           UpdateMetadata                            [6+];
    7  CONTROLLED_SHUTDOWN                       ControlledShutdown                        [3+];
    8  OFFSET_COMMIT                             OffsetCommit                              [8+];
    9  OFFSET_FETCH                              OffsetFetch                               [6+];
    10 FIND_COORDINATOR                          FindCoordinator                           [3+];
    11 JOIN_GROUP                                JoinGroup                                 [6+];
    12 HEARTBEAT                                 Heartbeat                                 [4+];
    13 LEAVE_GROUP                               LeaveGroup                                [4+];
    14 SYNC_GROUP                                SyncGroup                                 [4+];
    15 DESCRIBE_GROUPS                           DescribeGroups                            [5+];
    16 LIST_GROUPS                               ListGroups                                [3+];
    17 SASL_HANDSHAKE                            SaslHandshake                             [none];
    18 API_VERSIONS                              ApiVersions                               [3+];
    19 CREATE_TOPICS                             CreateTopics                              [5+];
    20 DELETE_TOPICS                             DeleteTopics                              [4+];
    21 DELETE_RECORDS                            DeleteRecords                             [2+];
    22 INIT_PRODUCER_ID                          InitProducerId                            [2+];
    23 OFFSET_FOR_LEADER_EPOCH                   OffsetForLeaderEpoch                      [4+];
    24 ADD_PARTITIONS_TO_TXN                     AddPartitionsToTxn                        [3+];
    25 ADD_OFFSETS_TO_TXN                        AddOffsetsToTxn                           [3+];
    26 END_TXN                                   EndTxn                                    [3+];
    27 WRITE_TXN_MARKERS                         WriteTxnMarkers                           [1+];
    28 TXN_OFFSET_COMMIT                         TxnOffsetCommit                           [3+];
    29 DESCRIBE_ACLS                             DescribeAcls                              [2+];
    30 CREATE_ACLS                               CreateAcls                                [2+];
    31 DELETE_ACLS                               DeleteAcls                                [2+];
    32 DESCRIBE_CONFIGS                          DescribeConfigs                           [4+];
    33 ALTER_CONFIGS                             AlterConfigs                              [2+];
    34 ALTER_REPLICA_LOG_DIRS                    AlterReplicaLogDirs                       [2+];
    35 DESCRIBE_LOG_DIRS                         DescribeLogDirs                           [2+];
    36 SASL_AUTHENTICATE                         SaslAuthenticate                          [2+];
    37 CREATE_PARTITIONS                         CreatePartitions                          [2+];
    38 CREATE_DELEGATION_TOKEN                   CreateDelegationToken                     [2+];
    39 RENEW_DELEGATION_TOKEN                    RenewDelegationToken                      [2+];
    40 EXPIRE_DELEGATION_TOKEN                   ExpireDelegationToken                     [2+];
    41 DESCRIBE_DELEGATION_TOKEN                 DescribeDelegationToken                   [2+];
    42 DELETE_GROUPS                             DeleteGroups                              [2+];
    43 ELECT_LEADERS                             ElectLeaders                              [2+];
    44 INCREMENTAL_ALTER_CONFIGS                 IncrementalAlterConfigs                   [1+];
    45 ALTER_PARTITION_REASSIGNMENTS             AlterPartitionReassignments               [0+];
    46 LIST_PARTITION_REASSIGNMENTS              ListPartitionReassignments                [0+];
    47 OFFSET_DELETE                             OffsetDelete                              [none];
    48 DESCRIBE_CLIENT_QUOTAS                    DescribeClientQuotas                      [1+];
    49 ALTER_CLIENT_QUOTAS                       AlterClientQuotas                         [1+];
    50 DESCRIBE_USER_SCRAM_CREDENTIALS           DescribeUserScramCredentials              [0+];
    51 ALTER_USER_SCRAM_CREDENTIALS              AlterUserScramCredentials                 [0+];
    52 VOTE                                      Vote                                      [0+];
    53 BEGIN_QUORUM_EPOCH                        BeginQuorumEpoch                          [1+];
    54 END_QUORUM_EPOCH                          EndQuorumEpoch                            [1+];
    55 DESCRIBE_QUORUM                           DescribeQuorum                            [0+];
    56 ALTER_PARTITION                           AlterPartition                            [0+];
    57 UPDATE_FEATURES                           UpdateFeatures                            [0+];
    58 ENVELOPE                                  Envelope                                  [0+];
    59 FETCH_SNAPSHOT                            FetchSnapshot                             [0+];
    60 DESCRIBE_CLUSTER                          DescribeCluster                           [0+];
    61 DESCRIBE_PRODUCERS                        DescribeProducers                         [0+];
    62 BROKER_REGISTRATION                       BrokerRegistration                        [0+];
    63 BROKER_HEARTBEAT                          BrokerHeartbeat                           [0+];
    64 UNREGISTER_BROKER                         UnregisterBroker                          [0+];
    65 DESCRIBE_TRANSACTIONS                     DescribeTransactions                      [0+];
    66 LIST_TRANSACTIONS                         ListTransactions                          [0+];
    67 ALLOCATE_PRODUCER_IDS                     AllocateProducerIds                       [0+];
    68 CONSUMER_GROUP_HEARTBEAT                  ConsumerGroupHeartbeat                    [0+];
    69 CONSUMER_GROUP_DESCRIBE                   ConsumerGroupDescribe                     [0+];
    70 CONTROLLER_REGISTRATION                   ControllerRegistration                    [0+];
    71 GET_TELEMETRY_SUBSCRIPTIONS               GetTelemetrySubscriptions                 [0+];
    72 PUSH_TELEMETRY                            PushTelemetry                             [0+];
    73 ASSIGN_REPLICAS_TO_DIRS                   AssignReplicasToDirs                      [0+];
    74 LIST_CONFIG_RESOURCES                     ListConfigResources                       [0+];
    75 DESCRIBE_TOPIC_PARTITIONS                 DescribeTopicPartitions                   [0+];
    76 SHARE_GROUP_HEARTBEAT                     ShareGroupHeartbeat                       [0+];
    77 SHARE_GROUP_DESCRIBE                      ShareGroupDescribe                        [0+];
    78 SHARE_FETCH                               ShareFetch                                [0+];
    79 SHARE_ACKNOWLEDGE                         ShareAcknowledge                          [0+];
    80 ADD_RAFT_VOTER                            AddRaftVoter                              [0+];
    81 REMOVE_RAFT_VOTER                         RemoveRaftVoter                           [0+];
    82 UPDATE_RAFT_VOTER                         UpdateRaftVoter                           [0+];
    83 INITIALIZE_SHARE_GROUP_STATE              InitializeShareGroupState                 [0+];
    84 READ_SHARE_GROUP_STATE                    ReadShareGroupState                       [0+];
    85 WRITE_SHARE_GROUP_STATE                   WriteShareGroupState                      [0+];
    86 DELETE_SHARE_GROUP_STATE                  DeleteShareGroupState                     [0+];
    87 READ_SHARE_GROUP_STATE_SUMMARY            ReadShareGroupStateSummary                [0+];
    88 STREAMS_GROUP_HEARTBEAT                   StreamsGroupHeartbeat                     [0+];
    89 STREAMS_GROUP_DESCRIBE                    StreamsGroupDescribe                      [0+];
    90 DESCRIBE_SHARE_GROUP_OFFSETS              DescribeShareGroupOffsets                 [0+];
    91 ALTER_SHARE_GROUP_OFFSETS                 AlterShareGroupOffsets                    [0+];
    92 DELETE_SHARE_GROUP_OFFSETS                DeleteShareGroupOffsets                   [0+];
    93 STREAMS_GROUP_TOPOLOGY_DESCRIPTION_UPDATE StreamsGroupTopologyDescriptionUpdate     [0+];
    94 UNREGISTER_CONTROLLER                     UnregisterController                      [0+];
}

impl ApiKey {
    /// The table's line for this key, if Kafka has such an API.
    pub fn api(self) -> Option<&'static Api> {
        APIS.get(usize::try_from(self.0).ok()?)
    }

    /// Kafka's name, `"unknown"` if it has no such API.
    pub fn name(self) -> &'static str {
        self.api().map_or("unknown", |api| api.name)
    }

    /// Whether this version of the request is flexible.
    pub fn is_flexible(self, version: i16) -> bool {
        self.api().is_some_and(|api| api.flexible.contain(version))
    }

    /// The version of the header that a request of this version has.
    pub fn request_header_version(self, version: i16) -> i16 {
        match self {
            // The only request that ever went without a client id.
            ApiKey::CONTROLLED_SHUTDOWN if version == 0 => 0,
            _ if self.is_flexible(version) => 2,
            _ => 1,
        }
    }

    /// The version of the header that a response of this version has.
    pub fn response_header_version(self, version: i16) -> i16 {
        // ApiVersions answers clients that do not know yet which version was understood (KIP-511).
        i16::from(self != ApiKey::API_VERSIONS && self.is_flexible(version))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_stands_at_its_own_key() {
        for (at, api) in APIS.iter().enumerate() {
            assert_eq!(api.key, ApiKey(at as i16));
        }
        assert_eq!(ApiKey(95).name(), "unknown");
        assert_eq!(ApiKey(-1).name(), "unknown");
    }

    #[test]
    fn api_versions_never_gets_the_newer_response_header() {
        assert_eq!(ApiKey::API_VERSIONS.request_header_version(3), 2);
        assert_eq!(ApiKey::API_VERSIONS.response_header_version(3), 0);
        assert_eq!(ApiKey::FETCH.response_header_version(12), 1);
        assert_eq!(ApiKey::FETCH.response_header_version(11), 0);
        assert_eq!(ApiKey::SASL_HANDSHAKE.request_header_version(1), 1);
    }
}
