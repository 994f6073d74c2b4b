//! Per-shard counters and histograms, merged when read.
