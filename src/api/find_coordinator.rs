//! FindCoordinator. Whoever looks for the coordinator of a group makes `__consumer_offsets`, if it is not
//! there. Kafka tells the client to come again meanwhile; here the answer waits for the topic, so that the
//! first one is already good.
//!
//! Transactions and share groups are not served: they have no coordinator, and the answer says why for
//! whoever reads it. (COORDINATOR_NOT_AVAILABLE, which clients retry: any other code may end a client that
//! merely looks beside what it does.)

use super::{Context, Endpoint, Head, Pending, Progress, internal_topics};
use crate::io::Pieces;
use crate::metadata::{OFFSETS_TOPIC_NAME, Refusal};
use crate::shard::{AdminAnswer, AdminAsk, Ask};
use crate::types::NodeId;
use crate::wire::{
    DecodeError, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, FindCoordinatorResult,
};

/// Kafka's types of what is coordinated.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// A request that waits for `__consumer_offsets` to be made.
pub struct FindCoordinator {
    head: Head,
    keys: Vec<String>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: FindCoordinatorRequest<'_> = head.decode(&frame)?;
    let keys: Vec<String> = match head.version {
        4.. => request
            .coordinator_keys
            .iter()
            .map(|key| key.to_string())
            .collect(),
        _ => vec![request.key.to_string()],
    };
    let not_served = |what: &str| {
        let why = format!("this release of Millstream has no {what}");
        Refusal::new(ErrorCode::COORDINATOR_NOT_AVAILABLE, why)
    };
    let refusal = match (request.key_type, head.version) {
        (GROUP, _) if keys.is_empty() || has_groups(context) => {
            return Ok(answer(context, head, &keys));
        }
        (GROUP, _) => {
            let name = OFFSETS_TOPIC_NAME.to_owned();
            let ask = AdminAsk::CreateTopics {
                topics: vec![internal_topics::made_on_the_way(context, name)],
                validate_only: false,
            };
            let ask = (Context::CONTROLLER, Ask::Admin(ask));
            context.asks.asks.push(ask);
            let waiting = FindCoordinator { head: *head, keys };
            return Ok(Progress::Wait(Pending::FindCoordinator(waiting)));
        }
        (TRANSACTION, _) => not_served("transactions"),
        (SHARE, 6..) => not_served("share groups"),
        (kind, _) => {
            let why = format!("there is no coordinator of type {kind}");
            Refusal::new(ErrorCode::INVALID_REQUEST, why)
        }
    };
    Ok(respond(head, &keys, |_| Err(&refusal)))
}

fn has_groups(context: &Context<'_>) -> bool {
    context.image.topic(OFFSETS_TOPIC_NAME).is_some()
}

impl FindCoordinator {
    /// The topic is made, or could not be.
    pub(super) fn answered(self, context: &Context<'_>, made: AdminAnswer) -> Progress {
        let AdminAnswer::Created(mut made) = made else {
            unreachable!("a creation is answered by its results")
        };
        // Somebody else may have been faster.
        if has_groups(context) {
            return answer(context, &self.head, &self.keys);
        }
        let (_, made) = made.pop().expect("one topic was to be made");
        let why = match made {
            Err(refusal) => format!("{OFFSETS_TOPIC_NAME} cannot be made: {}", refusal.message),
            Ok(_) => format!("{OFFSETS_TOPIC_NAME} was deleted as soon as it was made"),
        };
        let refusal = Refusal::new(ErrorCode::COORDINATOR_NOT_AVAILABLE, why);
        respond(&self.head, &self.keys, |_| Err(&refusal))
    }
}

/// Where each group is coordinated, while the topic exists.
fn answer(context: &Context<'_>, head: &Head, keys: &[String]) -> Progress {
    let node = context.identity.node;
    let own = &context.identity.advertised[context.session.listener];
    let refusal = Refusal::new(
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::COORDINATOR_NOT_AVAILABLE.message(),
    );
    respond(head, keys, |group| {
        let leader = internal_topics::coordinator(context, group).ok();
        let leader = leader.and_then(|(topic, partition)| topic.partitions.get(&partition.index));
        match leader.is_some_and(|partition| partition.leader == node) {
            true => Ok((node, own)),
            false => Err(&refusal),
        }
    })
}

fn respond<'a>(
    head: &Head,
    keys: &'a [String],
    find: impl Fn(&str) -> Result<(NodeId, &'a Endpoint), &'a Refusal>,
) -> Progress {
    let results = keys.iter().map(|key| {
        let found = FindCoordinatorResult {
            key: key.as_str().into(),
            ..Default::default()
        };
        match find(key) {
            Ok((node, endpoint)) => FindCoordinatorResult {
                node_id: node.0,
                host: endpoint.host.as_str().into(),
                port: endpoint.port.into(),
                // As in Kafka: before version 4 a message comes with success, too, from then on an
                // empty one.
                error_message: match head.version {
                    4.. => Some("".into()),
                    _ => Some(ErrorCode::NONE.name().into()),
                },
                ..found
            },
            Err(refusal) => FindCoordinatorResult {
                node_id: -1,
                port: -1,
                error_code: refusal.code,
                error_message: Some(refusal.message.as_str().into()),
                ..found
            },
        }
    });
    let mut results: Vec<FindCoordinatorResult<'_>> = results.collect();
    if head.version >= 4 {
        return head.reply(&FindCoordinatorResponse {
            coordinators: results,
            ..Default::default()
        });
    }
    let only = results.pop().expect("one key was asked for");
    head.reply(&FindCoordinatorResponse {
        error_code: only.error_code,
        error_message: only.error_message,
        node_id: only.node_id,
        host: only.host,
        port: only.port,
        ..Default::default()
    })
}
