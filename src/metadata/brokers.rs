//! UnregisterBroker: the cluster forgets a broker that will not come back (KIP-631).

use super::image::Image;
use super::topics::{Decision, Refusal};
use crate::types::NodeId;
use crate::wire::{ErrorCode, MetadataRecord, UnregisterBrokerRecord};

/// Takes a broker's registration away. `node`, which is this broker and its own controller, cannot go
/// while it runs: Kafka would leave a cluster without brokers behind. Nor can one that partitions are
/// in sync on, since nobody else would lead them.
pub fn unregister_broker(
    image: &Image,
    node: NodeId,
    broker: NodeId,
) -> Decision<Result<(), Refusal>> {
    let refused = |code, message| Decision {
        records: Vec::new(),
        outcome: Err(Refusal { code, message }),
    };
    let Some(registered) = image.broker(broker) else {
        return refused(
            ErrorCode::BROKER_ID_NOT_REGISTERED,
            format!("Broker ID {broker} is not currently registered"),
        );
    };
    if broker == node {
        return refused(
            ErrorCode::INVALID_REQUEST,
            format!("Broker {broker} is this broker: it leaves the cluster when it stops"),
        );
    }
    let mut partitions = image.partitions();
    if let Some((topic, index, _)) = partitions.find(|(.., it)| it.isr.contains(&broker)) {
        return refused(
            ErrorCode::INVALID_REQUEST,
            format!(
                "Broker {broker} is an in-sync replica of {}-{index}",
                topic.name
            ),
        );
    }
    Decision {
        records: vec![MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: broker.0,
            broker_epoch: registered.epoch,
        })],
        outcome: Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RegisterBrokerRecord;

    #[test]
    fn a_broker_that_is_gone_is_forgotten_and_this_one_is_not() {
        let mut image = Image::new();
        for broker_id in [1, 2] {
            let record = RegisterBrokerRecord {
                broker_id,
                broker_epoch: 7,
                ..Default::default()
            };
            image
                .replay(&MetadataRecord::RegisterBroker(record))
                .unwrap();
        }
        let decide = |id| unregister_broker(&image, NodeId(1), NodeId(id));
        let code = |id| decide(id).outcome.unwrap_err().code;
        assert_eq!(code(3), ErrorCode::BROKER_ID_NOT_REGISTERED);
        assert_eq!(code(1), ErrorCode::INVALID_REQUEST);
        let gone = decide(2);
        assert_eq!(gone.outcome, Ok(()));
        image.replay(&gone.records[0]).unwrap();
        assert!(image.broker(NodeId(2)).is_none() && image.broker(NodeId(1)).is_some());
    }
}
