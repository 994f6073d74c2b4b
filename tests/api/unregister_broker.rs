//! UnregisterBroker: nobody else is there to be forgotten.

use crate::broker;
use millstream::wire::{ErrorCode, UnregisterBrokerRequest, UnregisterBrokerResponse};

#[test]
fn a_broker_that_is_not_registered_and_this_one_are_refused() {
    let broker = broker::shared();
    let mut client = broker.client();
    for (broker_id, error, expected) in [
        (
            9,
            ErrorCode::BROKER_ID_NOT_REGISTERED,
            "Broker ID 9 is not currently registered",
        ),
        (1, ErrorCode::INVALID_REQUEST, "is this broker"),
    ] {
        let request = UnregisterBrokerRequest { broker_id };
        let response: UnregisterBrokerResponse = client.call(0, &request);
        assert_eq!(response.error_code, error);
        let why = response.error_message.unwrap();
        assert!(why.contains(expected), "{why}");
    }
    // It is still there.
    let topic = broker.topic("unregister", 1);
    client.append(&topic, 0, crate::records::batch(&["a"]));
}
