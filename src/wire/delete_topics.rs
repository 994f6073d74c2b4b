//! DeleteTopics (20). By name; from v6 on by name or id.

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// The topics to delete.
    DeleteTopicsRequest<'a> key 20 versions [1-6] flexible [4+] {
        /// The topics.
        topics:       Vec<DeleteTopic<'a>>  [6+];
        /// Their names.
        topic_names:  Vec<Str<'a>>          [0-5], ignorable;
        /// How long to wait until they are gone.
        timeout_ms:   i32                   [0+];
    }

    /// A topic, by name or by id.
    struct DeleteTopic<'a> {
        /// The name, null if given by id.
        name:      Option<Str<'a>>  [6+];
        /// The id, zero if given by name.
        topic_id:  Uuid             [6+];
    }
}

message! {
    /// What became of the topics.
    DeleteTopicsResponse<'a> key 20 versions [1-6] flexible [4+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                         [1+], ignorable;
        /// One entry per topic.
        responses:         Vec<DeleteTopicResult<'a>>  [0+];
    }

    /// What became of a topic.
    struct DeleteTopicResult<'a> {
        /// The name, null for an unknown id.
        name:           Option<Str<'a>>  [0+]  nullable [6+];
        /// The id.
        topic_id:       Uuid             [6+], ignorable;
        /// Error of this topic.
        error_code:     ErrorCode        [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>  [5+], ignorable;
    }
}
