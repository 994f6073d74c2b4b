//! One handler per Kafka API, and the [`APIS`] table that lists them.
//!
//! A handler is handed a request and a [`Context`]; it replies, or asks the shards that own what the
//! request is about and leaves a [`Pending`] that their answers complete. Handlers decide policy
//! (defaults, limits, which error); bytes are `wire`'s, state is the shards'.

mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod fetch;
mod fetch_session;
mod find_coordinator;
mod group_calls;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod internal_topics;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod metadata_cache;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod pending;
mod produce;
mod session;
mod spares;
mod sync_group;
mod throttle;
mod unregister_broker;
mod update_features;

pub use fetch::Fetch;
pub use metadata_cache::MetadataCache;
pub use pending::{Event, Pending};
pub use produce::Produce;
pub use session::{Endpoint, Identity, Session};
pub use spares::Spares;
pub use throttle::expected_ns;

use crate::config::BrokerConfig;
use crate::io::Pieces;
use crate::limits;
use crate::metadata::{Image, Topic};
use crate::metrics::Requests;
use crate::net::{Pool, Reply};
use crate::shard::{Ask, owner_of};
use crate::types::{Few, Now, Offset, PartitionId, PartitionIndex, ShardId};
use crate::wire::{
    ApiKey, Body, DecodeError, EncodeError, ErrorCode, Frame, Message, Reader, RequestHeader,
    encode_response, encode_response_into,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An API that this broker serves.
pub struct Api {
    /// Kafka's number for it.
    pub key: ApiKey,
    /// The file of its messages in `wire/`, of its handler in `api/`, of its tests in `tests/api/`.
    pub file: &'static str,
    /// The versions that ApiVersions names (`first`, `last`).
    pub advertised: (i16, i16),
    /// The first version that is really parsed. Produce advertises 0 because librdkafka turns
    /// compression off otherwise (KAFKA-18659); a request below this closes the connection.
    pub parsed_from: i16,
    begin: fn(&mut Context<'_>, &Head, Pieces) -> Result<Progress, DecodeError>,
}

/// Every API, by key.
///
/// GetTelemetrySubscriptions and PushTelemetry are not among them: Kafka advertises them only where a
/// plugin receives the metrics of clients (KIP-714), which by default is nowhere, and here never.
/// Subscriptions can be configured all the same, as there.
pub const APIS: &[Api] = &[
    Api {
        key: ApiKey::PRODUCE,
        file: "produce",
        advertised: (0, 13),
        parsed_from: 3,
        begin: produce::begin,
    },
    Api {
        key: ApiKey::FETCH,
        file: "fetch",
        advertised: (4, 18),
        parsed_from: 4,
        begin: fetch::begin,
    },
    Api {
        key: ApiKey::LIST_OFFSETS,
        file: "list_offsets",
        advertised: (0, 11),
        parsed_from: 0,
        begin: list_offsets::begin,
    },
    Api {
        key: ApiKey::METADATA,
        file: "metadata",
        advertised: (0, 13),
        parsed_from: 0,
        begin: metadata::begin,
    },
    Api {
        key: ApiKey::OFFSET_COMMIT,
        file: "offset_commit",
        advertised: (1, 10),
        parsed_from: 1,
        begin: offset_commit::begin,
    },
    Api {
        key: ApiKey::OFFSET_FETCH,
        file: "offset_fetch",
        advertised: (1, 10),
        parsed_from: 1,
        begin: offset_fetch::begin,
    },
    Api {
        key: ApiKey::FIND_COORDINATOR,
        file: "find_coordinator",
        advertised: (0, 6),
        parsed_from: 0,
        begin: find_coordinator::begin,
    },
    Api {
        key: ApiKey::JOIN_GROUP,
        file: "join_group",
        advertised: (0, 9),
        parsed_from: 0,
        begin: join_group::begin,
    },
    Api {
        key: ApiKey::HEARTBEAT,
        file: "heartbeat",
        advertised: (0, 4),
        parsed_from: 0,
        begin: heartbeat::begin,
    },
    Api {
        key: ApiKey::LEAVE_GROUP,
        file: "leave_group",
        advertised: (0, 5),
        parsed_from: 0,
        begin: leave_group::begin,
    },
    Api {
        key: ApiKey::SYNC_GROUP,
        file: "sync_group",
        advertised: (0, 5),
        parsed_from: 0,
        begin: sync_group::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_GROUPS,
        file: "describe_groups",
        advertised: (0, 6),
        parsed_from: 0,
        begin: describe_groups::begin,
    },
    Api {
        key: ApiKey::LIST_GROUPS,
        file: "list_groups",
        advertised: (0, 5),
        parsed_from: 0,
        begin: list_groups::begin,
    },
    Api {
        key: ApiKey::API_VERSIONS,
        file: "api_versions",
        advertised: (0, 4),
        parsed_from: 0,
        begin: api_versions::begin,
    },
    Api {
        key: ApiKey::CREATE_TOPICS,
        file: "create_topics",
        advertised: (2, 7),
        parsed_from: 2,
        begin: create_topics::begin,
    },
    Api {
        key: ApiKey::DELETE_TOPICS,
        file: "delete_topics",
        advertised: (1, 6),
        parsed_from: 1,
        begin: delete_topics::begin,
    },
    Api {
        key: ApiKey::DELETE_RECORDS,
        file: "delete_records",
        advertised: (0, 2),
        parsed_from: 0,
        begin: delete_records::begin,
    },
    Api {
        key: ApiKey::INIT_PRODUCER_ID,
        file: "init_producer_id",
        advertised: (0, 5),
        parsed_from: 0,
        begin: init_producer_id::begin,
    },
    Api {
        key: ApiKey::OFFSET_FOR_LEADER_EPOCH,
        file: "offset_for_leader_epoch",
        advertised: (2, 4),
        parsed_from: 2,
        begin: offset_for_leader_epoch::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_CONFIGS,
        file: "describe_configs",
        advertised: (1, 4),
        parsed_from: 1,
        begin: describe_configs::begin,
    },
    Api {
        key: ApiKey::ALTER_CONFIGS,
        file: "alter_configs",
        advertised: (0, 2),
        parsed_from: 0,
        begin: alter_configs::begin,
    },
    Api {
        key: ApiKey::ALTER_REPLICA_LOG_DIRS,
        file: "alter_replica_log_dirs",
        advertised: (1, 2),
        parsed_from: 1,
        begin: alter_replica_log_dirs::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_LOG_DIRS,
        file: "describe_log_dirs",
        advertised: (0, 5),
        parsed_from: 0,
        begin: describe_log_dirs::begin,
    },
    Api {
        key: ApiKey::CREATE_PARTITIONS,
        file: "create_partitions",
        advertised: (0, 3),
        parsed_from: 0,
        begin: create_partitions::begin,
    },
    Api {
        key: ApiKey::DELETE_GROUPS,
        file: "delete_groups",
        advertised: (0, 2),
        parsed_from: 0,
        begin: delete_groups::begin,
    },
    Api {
        key: ApiKey::ELECT_LEADERS,
        file: "elect_leaders",
        advertised: (0, 2),
        parsed_from: 0,
        begin: elect_leaders::begin,
    },
    Api {
        key: ApiKey::INCREMENTAL_ALTER_CONFIGS,
        file: "incremental_alter_configs",
        advertised: (0, 1),
        parsed_from: 0,
        begin: incremental_alter_configs::begin,
    },
    Api {
        key: ApiKey::ALTER_PARTITION_REASSIGNMENTS,
        file: "alter_partition_reassignments",
        advertised: (0, 1),
        parsed_from: 0,
        begin: alter_partition_reassignments::begin,
    },
    Api {
        key: ApiKey::LIST_PARTITION_REASSIGNMENTS,
        file: "list_partition_reassignments",
        advertised: (0, 0),
        parsed_from: 0,
        begin: list_partition_reassignments::begin,
    },
    Api {
        key: ApiKey::OFFSET_DELETE,
        file: "offset_delete",
        advertised: (0, 0),
        parsed_from: 0,
        begin: offset_delete::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_CLIENT_QUOTAS,
        file: "describe_client_quotas",
        advertised: (0, 1),
        parsed_from: 0,
        begin: describe_client_quotas::begin,
    },
    Api {
        key: ApiKey::ALTER_CLIENT_QUOTAS,
        file: "alter_client_quotas",
        advertised: (0, 1),
        parsed_from: 0,
        begin: alter_client_quotas::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS,
        file: "describe_user_scram_credentials",
        advertised: (0, 0),
        parsed_from: 0,
        begin: describe_user_scram_credentials::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_QUORUM,
        file: "describe_quorum",
        advertised: (0, 2),
        parsed_from: 0,
        begin: describe_quorum::begin,
    },
    Api {
        key: ApiKey::UPDATE_FEATURES,
        file: "update_features",
        advertised: (0, 2),
        parsed_from: 0,
        begin: update_features::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_CLUSTER,
        file: "describe_cluster",
        advertised: (0, 2),
        parsed_from: 0,
        begin: describe_cluster::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_PRODUCERS,
        file: "describe_producers",
        advertised: (0, 0),
        parsed_from: 0,
        begin: describe_producers::begin,
    },
    Api {
        key: ApiKey::UNREGISTER_BROKER,
        file: "unregister_broker",
        advertised: (0, 0),
        parsed_from: 0,
        begin: unregister_broker::begin,
    },
    Api {
        key: ApiKey::CONSUMER_GROUP_HEARTBEAT,
        file: "consumer_group_heartbeat",
        advertised: (0, 1),
        parsed_from: 0,
        begin: consumer_group_heartbeat::begin,
    },
    Api {
        key: ApiKey::CONSUMER_GROUP_DESCRIBE,
        file: "consumer_group_describe",
        advertised: (0, 1),
        parsed_from: 0,
        begin: consumer_group_describe::begin,
    },
    Api {
        key: ApiKey::LIST_CONFIG_RESOURCES,
        file: "list_config_resources",
        advertised: (0, 1),
        parsed_from: 0,
        begin: list_config_resources::begin,
    },
    Api {
        key: ApiKey::DESCRIBE_TOPIC_PARTITIONS,
        file: "describe_topic_partitions",
        advertised: (0, 0),
        parsed_from: 0,
        begin: describe_topic_partitions::begin,
    },
];

/// What a handler is given, and nothing else.
pub struct Context<'a> {
    /// The time of the event that is being handled.
    pub now: Now,
    /// The cluster as this shard knows it.
    pub image: &'a Arc<Image>,
    /// The broker's settings.
    pub config: &'a BrokerConfig,
    /// Who this broker is.
    pub identity: &'a Identity,
    /// The connection that the request came over.
    pub session: &'a mut Session,
    /// How many shards there are.
    pub shards: u16,
    /// Metadata answers that this shard has encoded.
    pub metadata_cache: &'a mut MetadataCache,
    /// Memory of fetches that this shard has answered.
    pub spare_fetches: &'a mut Spares<Fetch>,
    /// The same of produces.
    pub spare_produces: &'a mut Spares<Produce>,
    /// How long requests take on this shard now, as a multiple of [`expected_ns`].
    pub slowness: f64,
    /// The shard's memory for bytes that come and go.
    pub pool: &'a mut Pool,
    /// This shard's figures of requests.
    pub metrics: &'a mut Requests,
    /// What the handler wants of the shards.
    pub asks: &'a mut Asks,
}

/// What a handler wants of the shards; the answers come back to its [`Pending`].
#[derive(Default)]
pub struct Asks {
    /// Each is answered once.
    pub asks: Few<(ShardId, Ask)>,
    /// Long polls to begin.
    pub watches: Few<WatchAsk>,
    /// Long polls to end.
    pub unwatches: Few<ShardId>,
}

impl Asks {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.watches.is_empty() && self.unwatches.is_empty()
    }
}

/// A long poll to begin on one shard.
pub struct WatchAsk {
    /// The owner.
    pub shard: ShardId,
    /// The partitions, each with the high watermark last seen.
    pub seen: Few<(PartitionId, Offset)>,
    /// How many bytes more are worth a message.
    pub bytes: u64,
}

/// What is known of a request besides its body.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The API.
    pub key: ApiKey,
    /// Its version, one that the API parses.
    pub version: i16,
    /// The client's number for the request.
    pub correlation_id: i32,
    /// For how long the client is held back, which its answer says (KIP-219).
    throttle_time_ms: i32,
    /// Where the body begins in the frame, bytes.
    body: usize,
}

/// How far a request has come.
pub enum Progress {
    /// Answered.
    Reply(Reply),
    /// Done, and the client expects no answer (acks=0).
    NoReply,
    /// Answers are awaited.
    Wait(Pending),
    /// The client cannot be answered; it is disconnected for that reason.
    Disconnect(String),
}

/// Takes a request. The frame is without its length. Also tells its API and version, if it is of an API
/// that is served.
pub fn begin(context: &mut Context<'_>, frame: Pieces) -> (Option<(ApiKey, i16)>, Progress) {
    let mut reader = Reader::new(frame.chunks());
    let header = match RequestHeader::decode(&mut reader) {
        Ok(header) => header,
        Err(error) => return (None, Progress::Disconnect(error.to_string())),
    };
    let head = Head {
        key: header.api_key,
        version: header.api_version,
        correlation_id: header.correlation_id,
        throttle_time_ms: 0,
        body: reader.position(),
    };
    if context.session.client_id.as_deref() != header.client_id.as_deref() {
        context.session.client_id = header.client_id.as_deref().map(Arc::from);
    }
    drop(reader);
    match APIS.iter().find(|api| api.key == head.key) {
        Some(api) => {
            let is = (head.key, head.version);
            (Some(is), api.enter(context, head, frame))
        }
        None => (None, head.not_served()),
    }
}

/// A request whose time is being counted before it begins: its client has a quota.
pub struct Admission {
    api: &'static Api,
    head: Head,
    frame: Pieces,
}

impl Admission {
    /// It is counted.
    fn charged(mut self, context: &mut Context<'_>, held_ms: i32) -> Progress {
        context.session.hold(context.now, held_ms);
        self.head.throttle_time_ms = held_ms;
        self.api.take(context, &self.head, self.frame)
    }
}

impl Api {
    /// Begins a request, unless its version is not served, or its client's time has to be counted first.
    fn enter(&'static self, context: &mut Context<'_>, mut head: Head, frame: Pieces) -> Progress {
        if !(self.parsed_from..=self.advertised.1).contains(&head.version) {
            if head.key == ApiKey::API_VERSIONS {
                head.version = 0;
                return api_versions::unsupported(&head);
            }
            return head.not_served();
        }
        if throttle::admits(context, &head, frame.len() as u64) {
            return self.take(context, &head, frame);
        }
        Progress::Wait(Pending::Admission(Admission {
            api: self,
            head,
            frame,
        }))
    }

    fn take(&self, context: &mut Context<'_>, head: &Head, frame: Pieces) -> Progress {
        (self.begin)(context, head, frame)
            .unwrap_or_else(|error| Progress::Disconnect(error.to_string()))
    }
}

impl Head {
    fn not_served(&self) -> Progress {
        let (name, version) = (self.key.name(), self.version);
        Progress::Disconnect(format!("{name} version {version} is not served"))
    }

    /// The body of the request.
    fn decode<'a, M: Message<'a>>(&self, frame: &'a Pieces) -> Result<M, DecodeError> {
        let mut reader = Reader::new(frame.chunks());
        reader.skip(self.body)?;
        reader.limit_elements(limits::REQUEST_ELEMENTS_MAX);
        M::decode(&mut reader, self.version)
    }

    /// A response without file parts.
    fn reply<'a, B: Body<'a>>(&self, body: &B) -> Progress {
        match self.encode(body) {
            Ok(frame) => Progress::Reply(Reply {
                refusal: frame.refusal,
                ..Reply::from(frame.bytes.freeze())
            }),
            Err(why) => Progress::Disconnect(why),
        }
    }

    /// The same for the answers that are given all the time: their bytes lie in the shard's pieces.
    fn reply_from<'a, B: Body<'a>>(&self, pool: &mut Pool, body: &B) -> Progress {
        match self.encode_from(pool, body) {
            Ok(frame) => Progress::Reply(Reply {
                refusal: frame.refusal,
                ..Reply::from(frame.bytes.freeze())
            }),
            Err(why) => Progress::Disconnect(why),
        }
    }

    fn encode_from<'a, B: Body<'a>>(&self, pool: &mut Pool, body: &B) -> Result<Frame, String> {
        let memory = pool.lend_for_read(limits::REPLY_BYTES_USUAL);
        let room = memory.capacity();
        let encoded = encode_response_into(memory, self.version, self.correlation_id, body);
        match self.checked(encoded) {
            Ok(mut frame) if frame.bytes.len() <= room => {
                let bytes = frame.bytes.split();
                pool.give_back_read(std::mem::replace(&mut frame.bytes, bytes), false);
                Ok(frame)
            }
            // It has outgrown the piece, or it is gone with the error.
            other => {
                pool.forfeit();
                other
            }
        }
    }

    /// A response that does not fit its version is a mistake of ours, which costs the client its
    /// connection and not everybody the broker.
    fn encode<'a, B: Body<'a>>(&self, body: &B) -> Result<Frame, String> {
        self.checked(encode_response(self.version, self.correlation_id, body))
    }

    fn checked(&self, encoded: Result<Frame, EncodeError>) -> Result<Frame, String> {
        let mut frame = encoded.map_err(|error| {
            tracing::error!("a response that cannot be written: {error}");
            error.to_string()
        })?;
        if self.throttle_time_ms > 0 {
            frame.set_throttle_time(self.throttle_time_ms);
        }
        Ok(frame)
    }
}

impl Context<'_> {
    /// The shard that owns a partition.
    fn owner(&self, partition: PartitionId) -> ShardId {
        owner_of(partition, self.shards)
    }

    /// The shard that owns the metadata log.
    const CONTROLLER: ShardId = ShardId(0);
}

/// Groups the parts of a request by the shard that owns them, in a fixed order.
fn by_owner<T>(
    context: &Context<'_>,
    parts: impl IntoIterator<Item = (PartitionId, T)>,
) -> Few<(ShardId, Few<T>)> {
    let mut groups: Few<(ShardId, Few<T>)> = Few::new();
    for (partition, part) in parts {
        let owner = context.owner(partition);
        let at = groups.partition_point(|(shard, _)| *shard < owner);
        match groups.get_mut(at) {
            Some((shard, group)) if *shard == owner => group.push(part),
            _ => groups.insert(at, (owner, Few::from_buf([part]))),
        }
    }
    groups
}

/// A log directory's path as it is on this machine, which is how clients name it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The partition of that index, if the topic has it.
fn partition_of(topic: &Topic, index: i32) -> Result<PartitionId, ErrorCode> {
    // They have no gaps, and their number is known without a walk through them.
    match usize::try_from(index).is_ok_and(|index| index < topic.partitions.len()) {
        true => Ok(PartitionId {
            topic: topic.id,
            index: PartitionIndex(index),
        }),
        false => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}
