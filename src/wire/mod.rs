//! Kafka's messages, one file per API, and the metadata records.
