//! Kafka's messages, one file per API, what consumers tell each other in them, and the records of the
//! metadata and of groups.
//!
//! Each message is a table in the terms of Kafka's own schemas ([`message`] has the grammar), from
//! which reading and writing follow for all versions. Nothing here knows a socket, a file or a policy.
//!
//! # Reading a request
//!
//! ```
//! use millstream::wire::{ApiKey, Message, MetadataRequest, Reader, RequestHeader};
//! # let frame = millstream::wire::encode_request(9, 7, Some("me"), &MetadataRequest::default()).unwrap();
//! # let chunks = [&frame.bytes[4..]]; // the frame without its size
//! let mut reader = Reader::new(chunks);
//! let header = RequestHeader::decode(&mut reader)?;
//! assert_eq!(header.api_key, ApiKey::METADATA);
//! let request = MetadataRequest::decode(&mut reader, header.api_version)?;
//! // Bytes may be left in the reader. Kafka ignores them, so do we.
//! # assert_eq!(reader.remaining(), 0);
//! # Ok::<(), millstream::wire::DecodeError>(())
//! ```
//!
//! Record sets in a request stay ranges ([`Records::Range`]), counted from the first byte given to
//! the reader, so that whoever owns the frame can cut them out of it.
//!
//! # Writing a response
//!
//! ```
//! use millstream::wire::{encode_response, FetchPartitionResponse, FetchResponse, FetchTopicResponse, Records};
//! let response = FetchResponse {
//!     responses: vec![FetchTopicResponse {
//!         topic: "t".into(),
//!         partitions: vec![FetchPartitionResponse {
//!             records: Records::Hole(4096), // sent from a file
//!             ..Default::default()
//!         }],
//!         ..Default::default()
//!     }],
//!     ..Default::default()
//! };
//! let frame = encode_response(11, 7, &response)?;
//! // Send frame.bytes[..hole.at], then hole.length bytes of the file, then the rest.
//! assert_eq!(frame.holes[0].length, 4096);
//! # Ok::<(), millstream::wire::EncodeError>(())
//! ```
//!
//! # Invariants
//!
//! Bytes of a peer give a value or a [`DecodeError`] that names message, field and position: never a
//! panic, and never an allocation out of proportion to the bytes that came. Depth is that of the
//! tables. An [`EncodeError`] is our own mistake.

mod api_key;
mod error;
mod error_code;
mod field;
mod header;
pub(crate) mod message;
mod reader;
mod writer;

mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod consumer_protocol;
mod control_records;
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
mod find_coordinator;
mod group_records;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod metadata_records;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod unregister_broker;
mod update_features;

pub use api_key::{APIS, Api, ApiKey};
pub use error::{DecodeError, EncodeError, Obstacle, Problem};
pub use error_code::ErrorCode;
pub use field::{Field, Form, Kind, Nullable, Records, Row, Versions};
pub use header::{
    Frame, RequestHeader, decode_response_header, encode_request, encode_response,
    encode_response_header, encode_response_into,
};
pub use message::{Body, Message};
pub use reader::Reader;
pub use writer::{Hole, Refusal, Writer};

pub use alter_client_quotas::*;
pub use alter_configs::*;
pub use alter_partition_reassignments::*;
pub use alter_replica_log_dirs::*;
pub use api_versions::*;
pub use consumer_group_describe::*;
pub use consumer_group_heartbeat::*;
pub use consumer_protocol::*;
pub use control_records::*;
pub use create_partitions::*;
pub use create_topics::*;
pub use delete_groups::*;
pub use delete_records::*;
pub use delete_topics::*;
pub use describe_client_quotas::*;
pub use describe_cluster::*;
pub use describe_configs::*;
pub use describe_groups::*;
pub use describe_log_dirs::*;
pub use describe_producers::*;
pub use describe_quorum::*;
pub use describe_topic_partitions::*;
pub use describe_user_scram_credentials::*;
pub use elect_leaders::*;
pub use fetch::*;
pub use find_coordinator::*;
pub use group_records::*;
pub use heartbeat::*;
pub use incremental_alter_configs::*;
pub use init_producer_id::*;
pub use join_group::*;
pub use leave_group::*;
pub use list_config_resources::*;
pub use list_groups::*;
pub use list_offsets::*;
pub use list_partition_reassignments::*;
pub use metadata::*;
pub use metadata_records::*;
pub use offset_commit::*;
pub use offset_delete::*;
pub use offset_fetch::*;
pub use offset_for_leader_epoch::*;
pub use produce::*;
pub use sync_group::*;
pub use unregister_broker::*;
pub use update_features::*;

use std::borrow::Cow;

/// A string: borrowed from the frame where it can be.
pub type Str<'a> = Cow<'a, str>;

/// Bytes: borrowed from the frame where they can be.
pub type Octets<'a> = Cow<'a, [u8]>;
