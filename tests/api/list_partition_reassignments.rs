//! ListPartitionReassignments: nothing is on the move.

use crate::broker;
use millstream::wire::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsTopic,
};

#[test]
fn nothing_is_on_the_move() {
    let broker = broker::shared();
    let topic = broker.topic("list-reassignments", 2);
    let mut client = broker.client();
    let asked = |name: &str| ListPartitionReassignmentsTopic {
        name: name.to_string().into(),
        partition_indexes: vec![0, 1, 7],
    };
    for topics in [
        None,
        Some(Vec::new()),
        Some(vec![
            asked(&topic.name),
            asked("list-reassignments-nowhere"),
        ]),
    ] {
        let request = ListPartitionReassignmentsRequest {
            topics,
            ..Default::default()
        };
        let response: ListPartitionReassignmentsResponse = client.call(0, &request);
        assert_eq!(response, ListPartitionReassignmentsResponse::default());
    }
}
