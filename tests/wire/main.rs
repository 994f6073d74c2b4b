//! The promises of `wire`, checked from outside.
//!
//! Random messages are made from the tables themselves ([`generate`]), in every version, and held
//! against kafka-protocol, a codec generated from Kafka's own schemas: it must read our bytes and
//! write the same ones ([`oracle`]). Malformed bytes must give errors, not panics, and not memory
//! ([`malformed`]). Metadata records, which that codec lacks, are held against bytes from a Kafka
//! ([`records`]).

mod allocation;
mod generate;
mod malformed;
mod oracle;
mod records;
mod subjects;
