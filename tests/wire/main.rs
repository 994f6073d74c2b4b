//! The promises of `wire`, checked from outside.
//!
//! Random messages are made from the tables themselves ([`generate`]), in every version, and held
//! against kafka-protocol, a codec generated from Kafka's own schemas: it must read our bytes and
//! write the same ones ([`oracle`]). Malformed bytes must give errors, not panics, and not memory
//! ([`malformed`]). The records of the metadata log and of `__consumer_offsets`, which that codec
//! lacks, are held against bytes from a Kafka ([`records`], [`group_records`]); what consumers put into
//! the bytes of the group protocol also against what clients make of it ([`consumer_protocol`]).

mod allocation;
mod consumer_protocol;
mod generate;
mod group_records;
mod malformed;
mod oracle;
mod records;
mod subjects;
