//! The event loop, mail between shards, start and stop.
