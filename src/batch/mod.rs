//! Record batch v2: a view over the bytes, CRC-32C, compression, builder.
