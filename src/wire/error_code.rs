//! Kafka's error codes: one table of number, name and meaning.

use std::fmt;

/// What a response says about the success of a request or a part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($($code:literal $name:ident $message:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = $message]
                pub const $name: ErrorCode = ErrorCode($code);
            )*

            /// Every code with a name, in ascending order.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode($code),)*];

            /// Kafka's name of the code.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($code => stringify!($name),)*
                    _ => "UNKNOWN_CODE",
                }
            }

            /// What it means, for a person.
            pub const fn message(self) -> &'static str {
                match self.0 {
                    $($code => $message,)*
                    _ => "A code that Kafka did not have when this was written.",
                }
            }
        }
    };
}

error_codes! {
     -1 UNKNOWN_SERVER_ERROR                      "The broker failed in a way that has no code of its own.";
      0 NONE                                      "Success.";
      1 OFFSET_OUT_OF_RANGE                       "The offset lies outside of the log.";
      2 CORRUPT_MESSAGE                           "The batch is damaged: bad checksum, size or layout.";
      3 UNKNOWN_TOPIC_OR_PARTITION                "This broker has no such topic or partition.";
      4 INVALID_FETCH_SIZE                        "The fetch size is not valid.";
      5 LEADER_NOT_AVAILABLE                      "The partition has no leader at the moment.";
      6 NOT_LEADER_OR_FOLLOWER                    "This broker is not the leader, or not a replica, of the partition.";
      7 REQUEST_TIMED_OUT                         "The request was not done in time.";
      8 BROKER_NOT_AVAILABLE                      "The broker is not available.";
      9 REPLICA_NOT_AVAILABLE                     "The replica is not available on this broker.";
     10 MESSAGE_TOO_LARGE                         "The batch is larger than the topic accepts.";
     11 STALE_CONTROLLER_EPOCH                    "The controller has moved to another node.";
     12 OFFSET_METADATA_TOO_LARGE                 "The metadata string of the committed offset is too long.";
     13 NETWORK_EXCEPTION                         "The connection ended before an answer came.";
     14 COORDINATOR_LOAD_IN_PROGRESS              "The coordinator is still loading its state.";
     15 COORDINATOR_NOT_AVAILABLE                 "There is no coordinator at the moment.";
     16 NOT_COORDINATOR                           "Another broker is the coordinator.";
     17 INVALID_TOPIC_EXCEPTION                   "The topic's name is not allowed, or may not be used this way.";
     18 RECORD_LIST_TOO_LARGE                     "The batches are larger than a segment.";
     19 NOT_ENOUGH_REPLICAS                       "Fewer replicas are in sync than min.insync.replicas; nothing was written.";
     20 NOT_ENOUGH_REPLICAS_AFTER_APPEND          "Written, but to fewer in-sync replicas than min.insync.replicas.";
     21 INVALID_REQUIRED_ACKS                     "acks is none of 0, 1 and -1.";
     22 ILLEGAL_GENERATION                        "The generation is not the group's.";
     23 INCONSISTENT_GROUP_PROTOCOL               "The member shares no protocol, or not the protocol type, with the group.";
     24 INVALID_GROUP_ID                          "The group id is not valid.";
     25 UNKNOWN_MEMBER_ID                         "The group has no such member.";
     26 INVALID_SESSION_TIMEOUT                   "The session timeout is outside of what the broker allows.";
     27 REBALANCE_IN_PROGRESS                     "The group is rebalancing: rejoin.";
     28 INVALID_COMMIT_OFFSET_SIZE                "The offset commit is too large.";
     29 TOPIC_AUTHORIZATION_FAILED                "Not authorized for the topic.";
     30 GROUP_AUTHORIZATION_FAILED                "Not authorized for the group.";
     31 CLUSTER_AUTHORIZATION_FAILED              "Not authorized for the cluster.";
     32 INVALID_TIMESTAMP                         "The record's timestamp is outside of what the topic allows.";
     33 UNSUPPORTED_SASL_MECHANISM                "The SASL mechanism is not enabled here.";
     34 ILLEGAL_SASL_STATE                        "The request does not fit the state of authentication.";
     35 UNSUPPORTED_VERSION                       "This version of the API is not supported.";
     36 TOPIC_ALREADY_EXISTS                      "A topic of this name exists.";
     37 INVALID_PARTITIONS                        "The number of partitions is not valid.";
     38 INVALID_REPLICATION_FACTOR                "The replication factor is below 1 or above the number of brokers.";
     39 INVALID_REPLICA_ASSIGNMENT                "The replica assignment is not valid.";
     40 INVALID_CONFIG                            "The configuration is not valid.";
     41 NOT_CONTROLLER                            "This node is not the active controller.";
     42 INVALID_REQUEST                           "The request contradicts itself or the protocol.";
     43 UNSUPPORTED_FOR_MESSAGE_FORMAT            "The log's record format cannot do what was asked.";
     44 POLICY_VIOLATION                          "A configured policy refuses the request.";
     45 OUT_OF_ORDER_SEQUENCE_NUMBER              "The producer's sequence number leaves a gap.";
     46 DUPLICATE_SEQUENCE_NUMBER                 "The producer's sequence number was seen before.";
     47 INVALID_PRODUCER_EPOCH                    "The producer's epoch is older than the one in the log.";
     48 INVALID_TXN_STATE                         "The transaction's state does not allow the operation.";
     49 INVALID_PRODUCER_ID_MAPPING               "The producer id is not the one assigned to the transactional id.";
     50 INVALID_TRANSACTION_TIMEOUT               "The transaction timeout is above transaction.max.timeout.ms.";
     51 CONCURRENT_TRANSACTIONS                   "Another operation on the same transaction is under way.";
     52 TRANSACTION_COORDINATOR_FENCED            "The sender of the marker no longer coordinates the transaction.";
     53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED     "Not authorized for the transactional id.";
     54 SECURITY_DISABLED                         "Security is not enabled on this broker.";
     55 OPERATION_NOT_ATTEMPTED                   "Not tried, because another part of the request failed.";
     56 KAFKA_STORAGE_ERROR                       "The disk failed.";
     57 LOG_DIR_NOT_FOUND                         "The broker has no such log directory.";
     58 SASL_AUTHENTICATION_FAILED                "Authentication failed.";
     59 UNKNOWN_PRODUCER_ID                       "The partition no longer knows the producer.";
     60 REASSIGNMENT_IN_PROGRESS                  "The partition is being reassigned.";
     61 DELEGATION_TOKEN_AUTH_DISABLED            "Delegation tokens are not enabled.";
     62 DELEGATION_TOKEN_NOT_FOUND                "There is no such delegation token.";
     63 DELEGATION_TOKEN_OWNER_MISMATCH           "The principal is neither owner nor renewer of the token.";
     64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED      "Tokens cannot be asked for over this kind of connection.";
     65 DELEGATION_TOKEN_AUTHORIZATION_FAILED     "Not authorized for the delegation token.";
     66 DELEGATION_TOKEN_EXPIRED                  "The delegation token has expired.";
     67 INVALID_PRINCIPAL_TYPE                    "The type of principal is not supported.";
     68 NON_EMPTY_GROUP                           "The group still has members.";
     69 GROUP_ID_NOT_FOUND                        "There is no such group.";
     70 FETCH_SESSION_ID_NOT_FOUND                "There is no such fetch session.";
     71 INVALID_FETCH_SESSION_EPOCH               "The epoch is not the next one of the fetch session.";
     72 LISTENER_NOT_FOUND                        "The leader does not have the listener over which the request came.";
     73 TOPIC_DELETION_DISABLED                   "Deleting topics is switched off.";
     74 FENCED_LEADER_EPOCH                       "The leader epoch is older than the broker's.";
     75 UNKNOWN_LEADER_EPOCH                      "The leader epoch is newer than the broker's.";
     76 UNSUPPORTED_COMPRESSION_TYPE              "The client's version of the API does not know the batch's compression.";
     77 STALE_BROKER_EPOCH                        "The broker epoch is not the registered one.";
     78 OFFSET_NOT_AVAILABLE                      "The new leader does not know its high watermark yet.";
     79 MEMBER_ID_REQUIRED                        "Join again with the member id given in this answer.";
     80 PREFERRED_LEADER_NOT_AVAILABLE            "The preferred leader is not available.";
     81 GROUP_MAX_SIZE_REACHED                    "The group is full.";
     82 FENCED_INSTANCE_ID                        "Another member has taken over this group.instance.id.";
     83 ELIGIBLE_LEADERS_NOT_AVAILABLE            "No replica is eligible to lead.";
     84 ELECTION_NOT_NEEDED                       "The partition needs no election.";
     85 NO_REASSIGNMENT_IN_PROGRESS               "The partition is not being reassigned.";
     86 GROUP_SUBSCRIBED_TO_TOPIC                 "The group is subscribed to the topic, so its offsets stay.";
     87 INVALID_RECORD                            "A record of the batch is not valid for the topic.";
     88 UNSTABLE_OFFSET_COMMIT                    "Offsets of an open transaction are pending.";
     89 THROTTLING_QUOTA_EXCEEDED                 "The quota for such requests is used up.";
     90 PRODUCER_FENCED                           "A newer producer uses the transactional id.";
     91 RESOURCE_NOT_FOUND                        "There is no such resource.";
     92 DUPLICATE_RESOURCE                        "The request names a resource twice.";
     93 UNACCEPTABLE_CREDENTIAL                   "The credential does not meet the requirements.";
     94 INCONSISTENT_VOTER_SET                    "Sender or receiver is not one of the voters.";
     95 INVALID_UPDATE_VERSION                    "The partition epoch or feature version of the update is not valid.";
     96 FEATURE_UPDATE_FAILED                     "The finalized features could not be updated.";
     97 PRINCIPAL_DESERIALIZATION_FAILURE         "The principal of a forwarded request could not be read.";
     98 SNAPSHOT_NOT_FOUND                        "There is no such snapshot.";
     99 POSITION_OUT_OF_RANGE                     "The position lies outside of the snapshot.";
    100 UNKNOWN_TOPIC_ID                          "This broker has no topic of this id.";
    101 DUPLICATE_BROKER_REGISTRATION             "Another live broker has this id.";
    102 BROKER_ID_NOT_REGISTERED                  "No broker of this id is registered.";
    103 INCONSISTENT_TOPIC_ID                     "The topic id is not the log's.";
    104 INCONSISTENT_CLUSTER_ID                   "The cluster id is not this cluster's.";
    105 TRANSACTIONAL_ID_NOT_FOUND                "There is no such transactional id.";
    106 FETCH_SESSION_TOPIC_ID_ERROR              "The fetch session mixes requests with and without topic ids.";
    107 INELIGIBLE_REPLICA                        "A replica of the new in-sync set may not be in it.";
    108 NEW_LEADER_ELECTED                        "The partition was changed, and another replica leads it now.";
    109 OFFSET_MOVED_TO_TIERED_STORAGE            "The offset lies in remote storage.";
    110 FENCED_MEMBER_EPOCH                       "The member's epoch is fenced: give up all partitions and rejoin.";
    111 UNRELEASED_INSTANCE_ID                    "Another member still holds the group.instance.id.";
    112 UNSUPPORTED_ASSIGNOR                      "The group does not support the assignor, or its version.";
    113 STALE_MEMBER_EPOCH                        "The member's epoch is old: heartbeat, then try again.";
    114 MISMATCHED_ENDPOINT_TYPE                  "Brokers were asked for at a controller, or the reverse.";
    115 UNSUPPORTED_ENDPOINT_TYPE                 "The type of endpoint is not supported.";
    116 UNKNOWN_CONTROLLER_ID                     "There is no controller of this id.";
    117 UNKNOWN_SUBSCRIPTION_ID                   "The telemetry subscription is not the current one.";
    118 TELEMETRY_TOO_LARGE                       "The telemetry is larger than the broker accepts.";
    119 INVALID_REGISTRATION                      "The controller refuses the broker's registration.";
    120 TRANSACTION_ABORTABLE                     "The transaction failed; abort it and go on with the same id.";
    121 INVALID_RECORD_STATE                      "The record is not in a state to be acknowledged.";
    122 SHARE_SESSION_NOT_FOUND                   "There is no such share session.";
    123 INVALID_SHARE_SESSION_EPOCH               "The epoch is not the next one of the share session.";
    124 FENCED_STATE_EPOCH                        "The share group's state epoch is old.";
    125 INVALID_VOTER_KEY                         "The voter's directory id is not the receiver's.";
    126 DUPLICATE_VOTER                           "The voter is in the set already.";
    127 VOTER_NOT_FOUND                           "The voter is not in the set.";
    128 INVALID_REGULAR_EXPRESSION                "The regular expression is not valid.";
    129 REBOOTSTRAP_REQUIRED                      "The client must find the cluster anew from its bootstrap servers.";
    130 STREAMS_INVALID_TOPOLOGY                  "The streams topology is not valid.";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH            "The epoch of the streams topology is not valid.";
    132 STREAMS_TOPOLOGY_FENCED                   "The epoch of the streams topology is old.";
    133 SHARE_SESSION_LIMIT_REACHED               "The broker holds as many share sessions as it may.";
}

impl ErrorCode {
    /// Whether this says that nothing went wrong.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether clients get it in the ordinary course of things and know what to do: nobody has done
    /// anything wrong.
    pub const fn is_ordinary(self) -> bool {
        matches!(
            self,
            ErrorCode::LEADER_NOT_AVAILABLE
                | ErrorCode::NOT_LEADER_OR_FOLLOWER
                | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                | ErrorCode::NOT_COORDINATOR
                | ErrorCode::REBALANCE_IN_PROGRESS
                | ErrorCode::MEMBER_ID_REQUIRED
                | ErrorCode::FETCH_SESSION_ID_NOT_FOUND
                | ErrorCode::INVALID_FETCH_SESSION_EPOCH
                | ErrorCode::ELECTION_NOT_NEEDED
        )
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.0
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
