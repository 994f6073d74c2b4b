//! All messages in one list, with their types erased.

use bytes::Bytes;
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};
use millstream::wire::*;

pub type Again = fn(&[&[u8]], i16) -> Result<(Vec<u8>, usize), DecodeError>;
pub type Same = fn(&[&[u8]], &[&[u8]], i16) -> Result<bool, DecodeError>;
pub type Oracle = fn(&[u8], i16) -> Result<Vec<u8>, String>;

/// Every type of record of `__consumer_offsets`, with the tables of its key and value.
pub const GROUP_RECORDS: &[(i16, &str, &str)] = &[
    (0, "OffsetCommitKey", "LegacyOffsetCommitValue"),
    (1, "OffsetCommitKey", "OffsetCommitValue"),
    (2, "GroupMetadataKey", "GroupMetadataValue"),
    (3, "ConsumerGroupKey", "ConsumerGroupMetadataValue"),
    (4, "ConsumerGroupKey", "ConsumerGroupPartitionMetadataValue"),
    (
        5,
        "ConsumerGroupMemberKey",
        "ConsumerGroupMemberMetadataValue",
    ),
    (
        6,
        "ConsumerGroupKey",
        "ConsumerGroupTargetAssignmentMetadataValue",
    ),
    (
        7,
        "ConsumerGroupMemberKey",
        "ConsumerGroupTargetAssignmentMemberValue",
    ),
    (
        8,
        "ConsumerGroupMemberKey",
        "ConsumerGroupCurrentMemberAssignmentValue",
    ),
    (
        16,
        "ConsumerGroupRegularExpressionKey",
        "ConsumerGroupRegularExpressionValue",
    ),
];

/// A message as the tests see it.
pub struct Subject {
    pub name: &'static str,
    pub kind: &'static Kind,
    pub versions: Versions,
    pub flexible: Versions,
    /// Decodes and encodes again; gives the bytes and how many were left over.
    pub again: Again,
    /// Decodes from both, and tells whether the values are equal.
    pub same: Same,
    /// What kafka-protocol makes of the bytes, where it has the message.
    pub oracle: Option<Oracle>,
}

impl Subject {
    pub fn form(&self, version: i16) -> Form {
        Form {
            version,
            flexible: self.flexible.contain(version),
        }
    }

    pub fn each_version(&self) -> impl Iterator<Item = i16> {
        self.versions.first..=self.versions.last
    }
}

macro_rules! oracle {
    () => {
        None
    };
    ($theirs:ident) => {
        Some(|bytes, version| {
            let mut bytes = Bytes::copy_from_slice(bytes);
            let message = theirs::$theirs::decode(&mut bytes, version)
                .map_err(|error| format!("it cannot read it: {error}"))?;
            if !bytes.is_empty() {
                return Err(format!("it leaves {} bytes", bytes.len()));
            }
            let mut again = Vec::new();
            message
                .encode(&mut again, version)
                .map_err(|error| format!("it cannot write it: {error}"))?;
            Ok(again)
        })
    };
}

macro_rules! subjects {
    ($($name:ident $(: $theirs:ident)? $(=> $inline:ident)?),* $(,)?) => {
        /// Every message that is declared.
        pub const SUBJECTS: &[Subject] = &[$(
            Subject {
                name: $name::NAME,
                kind: &<$name as Field>::KIND,
                versions: $name::VERSIONS,
                flexible: $name::FLEXIBLE,
                again: |chunks, version| {
                    let mut reader = Reader::new(chunks.iter().copied());
                    #[allow(unused_mut)] // only messages with records are changed
                    let mut message = $name::decode(&mut reader, version)?;
                    $(
                        let frame = chunks.concat();
                        $inline(&mut message, &frame);
                    )?
                    let mut writer = Writer::new();
                    message.encode(&mut writer, version).unwrap();
                    Ok((writer.finish().0.to_vec(), reader.remaining()))
                },
                same: |left, right, version| {
                    let left = $name::decode(&mut Reader::new(left.iter().copied()), version)?;
                    let right = $name::decode(&mut Reader::new(right.iter().copied()), version)?;
                    Ok(left == right)
                },
                oracle: oracle!($($theirs)?),
            },
        )*];
    };
}

subjects! {
    ApiVersionsRequest: ApiVersionsRequest,
    ApiVersionsResponse: ApiVersionsResponse,
    MetadataRequest: MetadataRequest,
    MetadataResponse: MetadataResponse,
    ProduceRequest: ProduceRequest => inline_produce,
    ProduceResponse: ProduceResponse,
    FetchRequest: FetchRequest,
    FetchResponse: FetchResponse => inline_fetch,
    ListOffsetsRequest: ListOffsetsRequest,
    ListOffsetsResponse: ListOffsetsResponse,
    CreateTopicsRequest: CreateTopicsRequest,
    CreateTopicsResponse: CreateTopicsResponse,
    DeleteTopicsRequest: DeleteTopicsRequest,
    DeleteTopicsResponse: DeleteTopicsResponse,
    InitProducerIdRequest: InitProducerIdRequest,
    InitProducerIdResponse: InitProducerIdResponse,
    DescribeConfigsRequest: DescribeConfigsRequest,
    DescribeConfigsResponse: DescribeConfigsResponse,
    DescribeClusterRequest: DescribeClusterRequest,
    DescribeClusterResponse: DescribeClusterResponse,
    FindCoordinatorRequest: FindCoordinatorRequest,
    FindCoordinatorResponse: FindCoordinatorResponse,
    CreatePartitionsRequest: CreatePartitionsRequest,
    CreatePartitionsResponse: CreatePartitionsResponse,
    DescribeTopicPartitionsRequest: DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse: DescribeTopicPartitionsResponse,
    AlterConfigsRequest: AlterConfigsRequest,
    AlterConfigsResponse: AlterConfigsResponse,
    IncrementalAlterConfigsRequest: IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse: IncrementalAlterConfigsResponse,
    ListConfigResourcesRequest: ListConfigResourcesRequest,
    ListConfigResourcesResponse: ListConfigResourcesResponse,
    DeleteRecordsRequest: DeleteRecordsRequest,
    DeleteRecordsResponse: DeleteRecordsResponse,
    DescribeLogDirsRequest: DescribeLogDirsRequest,
    DescribeLogDirsResponse: DescribeLogDirsResponse,
    OffsetForLeaderEpochRequest: OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse: OffsetForLeaderEpochResponse,
    DescribeProducersRequest: DescribeProducersRequest,
    DescribeProducersResponse: DescribeProducersResponse,
    ElectLeadersRequest: ElectLeadersRequest,
    ElectLeadersResponse: ElectLeadersResponse,
    AlterPartitionReassignmentsRequest: AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse: AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest: ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse: ListPartitionReassignmentsResponse,
    AlterReplicaLogDirsRequest: AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse: AlterReplicaLogDirsResponse,
    DescribeQuorumRequest: DescribeQuorumRequest,
    DescribeQuorumResponse: DescribeQuorumResponse,
    UpdateFeaturesRequest: UpdateFeaturesRequest,
    UpdateFeaturesResponse: UpdateFeaturesResponse,
    UnregisterBrokerRequest: UnregisterBrokerRequest,
    UnregisterBrokerResponse: UnregisterBrokerResponse,
    DescribeClientQuotasRequest: DescribeClientQuotasRequest,
    DescribeClientQuotasResponse: DescribeClientQuotasResponse,
    DescribeUserScramCredentialsRequest: DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse: DescribeUserScramCredentialsResponse,
    AlterClientQuotasRequest: AlterClientQuotasRequest,
    AlterClientQuotasResponse: AlterClientQuotasResponse,
    OffsetCommitRequest: OffsetCommitRequest,
    OffsetCommitResponse: OffsetCommitResponse,
    OffsetFetchRequest: OffsetFetchRequest,
    OffsetFetchResponse: OffsetFetchResponse,
    JoinGroupRequest: JoinGroupRequest,
    JoinGroupResponse: JoinGroupResponse,
    HeartbeatRequest: HeartbeatRequest,
    HeartbeatResponse: HeartbeatResponse,
    LeaveGroupRequest: LeaveGroupRequest,
    LeaveGroupResponse: LeaveGroupResponse,
    SyncGroupRequest: SyncGroupRequest,
    SyncGroupResponse: SyncGroupResponse,
    DescribeGroupsRequest: DescribeGroupsRequest,
    DescribeGroupsResponse: DescribeGroupsResponse,
    ListGroupsRequest: ListGroupsRequest,
    ListGroupsResponse: ListGroupsResponse,
    DeleteGroupsRequest: DeleteGroupsRequest,
    DeleteGroupsResponse: DeleteGroupsResponse,
    OffsetDeleteRequest: OffsetDeleteRequest,
    OffsetDeleteResponse: OffsetDeleteResponse,
    ConsumerGroupHeartbeatRequest: ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse: ConsumerGroupHeartbeatResponse,
    ConsumerGroupDescribeRequest: ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse: ConsumerGroupDescribeResponse,
    ConsumerProtocolSubscription: ConsumerProtocolSubscription,
    ConsumerProtocolAssignment: ConsumerProtocolAssignment,
    LeaderChangeMessage: LeaderChangeMessage,
    SnapshotHeaderRecord: SnapshotHeaderRecord,
    SnapshotFooterRecord: SnapshotFooterRecord,
    KRaftVersionRecord: KRaftVersionRecord,
    VotersRecord: VotersRecord,
    RegisterBrokerRecord,
    UnregisterBrokerRecord,
    TopicRecord,
    PartitionRecord,
    ConfigRecord,
    PartitionChangeRecord,
    FenceBrokerRecord,
    UnfenceBrokerRecord,
    RemoveTopicRecord,
    DelegationTokenRecord,
    UserScramCredentialRecord,
    FeatureLevelRecord,
    ClientQuotaRecord,
    ProducerIdsRecord,
    BrokerRegistrationChangeRecord,
    AccessControlEntryRecord,
    RemoveAccessControlEntryRecord,
    NoOpRecord,
    ZkMigrationStateRecord,
    RemoveUserScramCredentialRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    AbortTransactionRecord,
    RemoveDelegationTokenRecord,
    RegisterControllerRecord,
    ClearElrRecord,
    OffsetCommitKey,
    LegacyOffsetCommitValue,
    OffsetCommitValue,
    GroupMetadataKey,
    GroupMetadataValue,
    ConsumerGroupKey,
    ConsumerGroupMemberKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataValue,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupTargetAssignmentMetadataValue,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
}

/// Puts the bytes of record sets in the place of their ranges, so that they can be written again.
fn inline_produce(request: &mut ProduceRequest<'_>, frame: &[u8]) {
    for topic in &mut request.topic_data {
        for partition in &mut topic.partition_data {
            inline(&mut partition.records, frame);
        }
    }
}

fn inline_fetch(response: &mut FetchResponse<'_>, frame: &[u8]) {
    for topic in &mut response.responses {
        for partition in &mut topic.partitions {
            inline(&mut partition.records, frame);
        }
    }
}

fn inline(records: &mut Records<'_>, frame: &[u8]) {
    match *records {
        Records::Range { start, length } => {
            *records = Records::Bytes(frame[start..start + length].to_vec().into())
        }
        Records::Null => {}
        ref other => panic!("decoding gave {other:?}"),
    }
}
