//! One handler per Kafka API, and the APIS table.
