//! What compaction may take, as its `log.cleaner.*` properties say. When and what it compacts stands with
//! each topic's settings.

/// See the module.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub is_enabled: bool,
    /// `log.cleaner.dedupe.buffer.size`: memory for keys, of all shards together.
    pub dedupe_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full that may become.
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`: memory for records, of all shards together.
    pub io_buffer_bytes: u32,
    /// `log.cleaner.io.max.bytes.per.second`: read and written by all shards together.
    pub io_bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`.
    pub backoff_ms: u64,
}

impl CleanerConfig {
    /// From the properties' values, which are in normal form and within their bounds.
    pub(super) fn new<'a>(value: impl Fn(&str) -> Option<&'a str>) -> CleanerConfig {
        let text = |name| value(name).expect("it has a default");
        let number = |name| text(name).parse::<i64>().expect("normalised");
        let share = |name| text(name).parse::<f64>().expect("normalised");
        CleanerConfig {
            is_enabled: text("log.cleaner.enable") == "true",
            // Kafka gives these two no lower bound.
            dedupe_bytes: number("log.cleaner.dedupe.buffer.size").max(0) as u64,
            load_factor: share("log.cleaner.io.buffer.load.factor"),
            io_buffer_bytes: number("log.cleaner.io.buffer.size") as u32,
            io_bytes_per_second: share("log.cleaner.io.max.bytes.per.second"),
            backoff_ms: number("log.cleaner.backoff.ms") as u64,
        }
    }
}
