//! The PROPERTIES table: Kafka's names, types, defaults, bounds and documentation; server.properties.
