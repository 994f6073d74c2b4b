//! What is asked of the shard that owns the metadata log, and what it answers.

use crate::metadata::{
    ConfigChange, CreatedTopic, FeatureUpdate, Image, MorePartitions, NewTopic, QuotaChange,
    Refusal, Resource,
};
use crate::types::{NodeId, Offset, ProducerId, TopicId, Uuid};
use crate::wire::ErrorCode;
use std::sync::Arc;

/// A change of the cluster's metadata, or a question that changes it.
#[derive(Clone, Debug)]
pub enum AdminAsk {
    /// Make topics.
    CreateTopics {
        /// Which.
        topics: Vec<NewTopic>,
        /// Say only what would happen.
        validate_only: bool,
    },
    /// Give topics more partitions.
    CreatePartitions {
        /// Which, and how many.
        topics: Vec<MorePartitions>,
        /// Say only what would happen.
        validate_only: bool,
    },
    /// Delete topics.
    DeleteTopics {
        /// Which.
        topics: Vec<TopicName>,
    },
    /// Change what is answered item by item.
    Alter(Alteration),
    /// Change settings.
    AlterConfigs {
        /// Whose, and how; no resource stands twice.
        changes: Vec<ConfigChange>,
        /// Say only what would happen.
        validate_only: bool,
    },
    /// A producer id that nobody has had.
    ProducerId,
}

/// A change whose items are answered by success or a refusal alone.
#[derive(Clone, Debug)]
pub enum Alteration {
    /// Finalize other levels of features: one answer for all.
    Features {
        /// Which.
        updates: Vec<FeatureUpdate>,
        /// Say only what would happen.
        validate_only: bool,
    },
    /// Forget a broker.
    Unregister(NodeId),
    /// Set and remove quotas of clients: one answer for each entity.
    Quotas {
        /// Which.
        changes: Vec<QuotaChange>,
        /// Say only what would happen.
        validate_only: bool,
    },
}

impl Alteration {
    /// How many answers it has.
    pub fn items(&self) -> usize {
        match self {
            Alteration::Features { .. } | Alteration::Unregister(_) => 1,
            Alteration::Quotas { changes, .. } => changes.len(),
        }
    }
}

/// A topic by name or by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TopicName {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

impl TopicName {
    /// As responses have it: the one that is known, the other empty.
    pub fn parts(&self) -> (Option<&str>, Uuid) {
        match self {
            TopicName::Name(name) => (Some(name), Uuid::ZERO),
            TopicName::Id(id) => (None, *id),
        }
    }
}

/// What became of an [`AdminAsk`].
#[derive(Clone, Debug)]
pub enum AdminAnswer {
    /// One per name, in the order asked.
    Created(Vec<(String, Result<CreatedTopic, Refusal>)>),
    /// One per name.
    Grown(Vec<(String, Result<(), Refusal>)>),
    /// One per topic asked for.
    Deleted(Vec<TopicDeleted>),
    /// One per item.
    Altered(Vec<Result<(), Refusal>>),
    /// One per resource, in the order asked.
    Configured(Vec<(Resource, Result<(), Refusal>)>),
    /// The id.
    ProducerId(Result<ProducerId, ErrorCode>),
}

impl AdminAnswer {
    /// The results of an [`Alteration`].
    pub fn altered(self) -> Vec<Result<(), Refusal>> {
        match self {
            AdminAnswer::Altered(results) => results,
            answer => unreachable!("an alteration is not answered by {answer:?}"),
        }
    }
}

/// How the deletion of a topic went.
#[derive(Clone, Debug)]
pub struct TopicDeleted {
    /// What was asked for.
    pub asked: TopicName,
    /// The topic's id and name, or why it was not deleted.
    pub result: Result<(TopicId, String), Refusal>,
}

/// A new image on its way to the shards.
#[derive(Debug)]
pub struct Change {
    /// The cluster as it is now.
    pub image: Arc<Image>,
    /// The offset of the last metadata record in it.
    pub offset: Offset,
    /// The topics that differ from before.
    pub touched: Vec<TopicId>,
}
