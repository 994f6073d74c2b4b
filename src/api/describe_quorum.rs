//! DescribeQuorum: the metadata log's quorum, of which this broker is the only voter and the leader.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::metadata::METADATA_TOPIC_NAME;
use crate::shard::{Ask, InspectAsk, Inspected};
use crate::types::Now;
use crate::wire::{
    DecodeError, DescribeQuorumListener, DescribeQuorumNode, DescribeQuorumPartitionResult,
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeQuorumTopicResult, ErrorCode,
    QuorumReplica,
};

/// A request that waits for the metadata log's owner.
pub struct DescribeQuorum {
    head: Head,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeQuorumRequest<'_> = head.decode(&frame)?;
    let asks_for_it = match &request.topics[..] {
        [topic] if topic.topic_name == METADATA_TOPIC_NAME => {
            matches!(&topic.partitions[..], [only] if only.partition_index == 0)
        }
        _ => false,
    };
    if !asks_for_it {
        return Ok(head.reply(&unknown(&request, head.version)));
    }
    let ask = Ask::Inspect(InspectAsk::Quorum);
    context.asks.asks.push((Context::CONTROLLER, ask));
    let waiting = DescribeQuorum { head: *head };
    Ok(Progress::Wait(Pending::DescribeQuorum(waiting)))
}

/// There is one quorum. Whoever asks for another hears of each partition that it is unknown.
fn unknown<'a>(request: &DescribeQuorumRequest<'a>, version: i16) -> DescribeQuorumResponse<'a> {
    let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|partition| DescribeQuorumPartitionResult {
            partition_index: partition.partition_index,
            error_code,
            error_message: (version >= 2).then(|| error_code.message().into()),
            ..Default::default()
        });
        DescribeQuorumTopicResult {
            topic_name: topic.topic_name.clone(),
            partitions: partitions.collect(),
        }
    });
    DescribeQuorumResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

impl DescribeQuorum {
    /// The owner has told how the quorum stands.
    pub(super) fn answered(self, now: Now, answer: Inspected) -> Progress {
        let Inspected::Quorum(quorum) = answer else {
            unreachable!("the quorum was asked for")
        };
        let version = self.head.version;
        // The leader has fetched everything just now, by definition (KIP-836).
        let voters = quorum.voters.iter().map(|voter| QuorumReplica {
            replica_id: voter.id.0,
            replica_directory_id: match version {
                2.. => voter.directory,
                _ => Default::default(),
            },
            log_end_offset: quorum.log_end.0,
            last_fetch_timestamp: now.wall.0,
            last_caught_up_timestamp: now.wall.0,
        });
        let partition = DescribeQuorumPartitionResult {
            leader_id: quorum.leader.0,
            leader_epoch: quorum.epoch.0,
            high_watermark: quorum.log_end.0,
            current_voters: voters.collect(),
            ..Default::default()
        };
        let nodes = quorum.voters.iter().filter(|_| version >= 2);
        let nodes = nodes.map(|voter| DescribeQuorumNode {
            node_id: voter.id.0,
            listeners: voter
                .endpoints
                .iter()
                .map(|(name, host, port)| DescribeQuorumListener {
                    name: name.as_str().into(),
                    host: host.as_str().into(),
                    port: *port,
                })
                .collect(),
        });
        let response = DescribeQuorumResponse {
            topics: vec![DescribeQuorumTopicResult {
                topic_name: METADATA_TOPIC_NAME.into(),
                partitions: vec![partition],
            }],
            nodes: nodes.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}
