//! Every bound of the broker in one place, each with its unit and its reason, related to its
//! neighbours by `const` assertions. What a user may set lives in `config`; what stands here is what
//! the code relies on.

/// Bytes of one receive piece: large enough that a 1 MiB record set is 16 of them, small enough that
/// a shard's hot pool stays in the L2 cache.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that one receive call may fill. With 16, a 1 MiB record set arrives in one `recvmsg`.
pub const PIECES_PER_RECEIVE: usize = 16;

/// Slices of a fetch from this size on go out by sendfile; smaller ones are read into memory and
/// sent with the header (measured: below 16 KiB the second system call costs more than the copy).
pub const SENDFILE_BYTES_MIN: usize = 16 * 1024;

/// Bytes of one read of cold data: larger ones hold up their neighbours on the same disk.
pub const COLD_READ_BYTES_MAX: usize = 256 * 1024;

/// Pieces in one vectored write; the kernel's own bound is UIO_MAXIOV = 1024.
pub const IOVECS_MAX: usize = 1024;

/// Requests of one connection that may wait for their answers at once. Kafka handles one at a time;
/// clients keep at most 5 to a few hundred in flight (`max.in.flight.requests.per.connection`).
pub const PIPELINED_REQUESTS_MAX: usize = 256;

/// Requests one shard may have at another without an answer: the credit of a mail route.
pub const MAIL_CREDIT: usize = 1024;

/// Batches of one producer remembered per partition, for duplicates (KIP-98: clients keep at most 5
/// requests in flight).
pub const PRODUCER_WINDOW_BATCHES: usize = 5;

/// Bytes that one compressed batch may inflate to where we must look inside it: 128 times the default
/// `max.message.bytes`. Kafka streams and has no such bound.
pub const INFLATED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Single records named in the refusal of a batch (KIP-467); the rest are only counted, so that a
/// small request cannot demand a large answer.
pub const RECORD_ERRORS_MAX: usize = 1000;

/// Space in bytes below which a piece is not received into any more: a receive into less costs a
/// system call and a handle for too little.
pub const RECEIVE_SPACE_BYTES_MIN: usize = 4 * 1024;

/// What a receive of less than this leaves of an incomplete frame is copied, so that a slow peer does
/// not pin a piece per receive; from here on a copy costs more than the quarter of a piece it frees.
pub const RECEIVE_COPY_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a frame that must have come before its length is taken from the byte budget (or all of
/// it, if it is shorter): announcing costs a peer nothing, sending does.
pub const UNADMITTED_BYTES_MAX: usize = 16 * 1024;

/// Receives that one connection may do in a row before it waits for its socket again, behind its
/// neighbours.
pub const RECEIVES_PER_TURN: u32 = 4;

/// Sockets that a shard asks by itself while it looks around for work, and does not leave to the ring. From as
/// many active connections on it does not look around, unless they leave it much time.
pub const LOOKOUT_SOCKETS_MAX: usize = 8;

/// Events that are looked at before what they ask for is submitted, at most: so many receives in a row
/// have the kernel's code in the cache, and so few that their buffers stay in the L2 cache. Twice as many took 0.997
/// (0.983 to 1.10, 12 rounds) of the processor time for 64 connections x 1 KiB.
pub const TOGETHER_EVENTS_MAX: usize = 16;

/// Bytes that those events bring together, about.
pub const TOGETHER_BYTES: usize = 16 * 1024;

/// Operations one after the other that events may lead to, where none has to wait, before others have
/// their turn: a frame in two receives, its answer, and what is asked behind it; or some stretches of a
/// file. Whoever sends without a pause would have the shard to itself otherwise.
pub const STEPS_AT_ONCE_MAX: usize = 4;

/// Bytes of record sets that are gathered before their appends begin: so much that a write costs little
/// beside its bytes, and so little that they are in the L2 cache still.
pub const GATHERED_BYTES_MAX: u64 = 256 * 1024;

/// Bytes of replies in memory that may wait for a slow reader before its next request is not read.
pub const UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes gathered for one send: small file ranges are read into memory up to here.
pub const GATHER_BYTES_MAX: usize = 256 * 1024;

/// Buffers of `COLD_READ_BYTES_MAX` one shard keeps, and pipes; who finds none reads by the piece.
pub const COLD_BUFFERS_MAX: usize = 32;

/// Microseconds after which a half-read frame must prove its rate while others wait for the budget.
pub const SLOW_FRAME_US: u64 = 10_000_000;

/// Bytes per second that such a frame must have come at.
pub const SLOW_FRAME_BYTES_PER_SECOND: u64 = 16 * 1024;

/// Records of one metadata batch: Kafka's own bound for what one operation may write.
pub const METADATA_BATCH_RECORDS_MAX: usize = 10_000;

/// Partitions that one request may ask for: Kafka's bound (KAFKA-17870). With its configs a topic of
/// this size may still be too large for a batch, and is then refused.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

const _: () = assert!(PARTITIONS_PER_REQUEST_MAX <= METADATA_BATCH_RECORDS_MAX);
/// Pieces that a shard keeps for reuse: 16 MiB, of which the hot ones are the last used.
pub const POOL_PIECES_KEPT: usize = 256;

/// Bytes of half-read and unanswered requests in all shards where `queued.max.request.bytes` does
/// not say.
pub const REQUEST_BUDGET_BYTES: usize = 256 * 1024 * 1024;

/// Batches per partition whose places are remembered, so that a consumer at the tail never reads an
/// index: some seconds of a busy partition.
pub const RECENT_BATCHES: usize = 512;

/// Bytes of closed segments' offset indexes kept in memory per partition: a segment of 1 GiB has at
/// most 2 MiB of it.
pub const INDEX_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a file name (NAME_MAX of every file system that matters).
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Elements of all arrays in one request (topics, partitions, keys ...): ten times what a client of
/// 10,000 partitions sends. Decoded they take up to 200 bytes each.
pub const REQUEST_ELEMENTS_MAX: usize = 100_000;

/// Partitions of one connection's incremental fetch session; a larger fetch is served without one.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 50_000;

/// What a request costs a shard on average besides its bytes, by which `request_percentage` is
/// reckoned: about what 50,000 small requests a second leave each of a core.
pub const REQUEST_COST_NS: f64 = 20_000.0;

/// What each byte of a produce request or a fetch response costs: one pass of the CRC and the copies of
/// the kernel, at about 1 GB/s.
pub const REQUEST_BYTE_COST_NS: f64 = 1.0;

/// Room in a piece for the answer to a produce or a fetch of a few partitions, bytes. A larger one
/// moves to memory of its own.
pub const REPLY_BYTES_USUAL: usize = 1024;

/// Bytes of a log of groups that are taken in at once while they are loaded, some thousand records: about
/// a millisecond, in which the shard does nothing else.
pub const GROUP_LOAD_BYTES: u64 = 128 * 1024;

/// Memory of answered fetches, and as much of produces, that a shard keeps for those to come (up to 600 bytes
/// each): as many as wait at a time on a busy shard, so that they allocate nothing.
pub const SPARE_REQUESTS_MAX: usize = 1024;

/// Buffers for headers of batches that a shard keeps (8 KiB each): as many look-ups as read at a time.
pub const SPARE_HEADER_BUFFERS_MAX: usize = 64;

/// Bytes that one step of a compaction reads at most: some ten milliseconds, after which it may be slowed or
/// given up. A step has memory for as many bytes that stay.
pub const COMPACTION_STEP_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// And at least, however slow compaction is to be.
pub const COMPACTION_STEP_BYTES_MIN: u64 = 64 * 1024;

/// Bytes that compaction reads at once at least: with less a system call costs more than the bytes.
pub const COMPACTION_BUFFER_BYTES_MIN: usize = 64 * 1024;

/// Microseconds after which compaction looks again whether the groups are loaded for which it waits.
pub const COMPACTION_RETRY_US: u64 = 100_000;

/// Messages that a shard takes from others before it turns to its own connections again.
pub const MAIL_AT_ONCE: usize = 256;

/// Events of its own connections after which it looks for messages from others: where thousands are ready
/// at once, others do not wait for all of them.
pub const EVENTS_BETWEEN_MAIL: usize = 256;

/// Each doubling of a histogram's values is divided into this power of two of buckets: HdrHistogram's
/// layout for two significant digits. With a bucket for each 64-bit value, so that recording need not
/// ask, a histogram takes 58 KiB, of which the system backs what is used.
pub const HISTOGRAM_DIVISION_BITS: u32 = 7;

/// Keys of Kafka's APIs are below this; a request of a greater one is not counted by itself.
pub const API_KEYS: usize = 126;

/// Versions of an API are below this; greater ones are counted as the last.
pub const API_VERSIONS: usize = 32;

/// Of so many checks of record sets one is timed: reading a clock twice for each would cost as much as
/// all the other figures together.
pub const CHECKS_PER_TIMED: u32 = 32;

/// How long a join of a new member may wait, ms, before the member is taken for gone: it does not know
/// its id yet and cannot send heartbeats. Kafka's number; who is still there joins again.
pub const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;

/// Member ids of one group that were given out and not joined with yet (KIP-394). Each costs some 200
/// bytes for a session timeout; Kafka has no bound.
pub const PENDING_MEMBERS_MAX: usize = 10_000;

/// Bytes that a record of a group takes in a batch at most besides its key and value: seven varints,
/// the attributes and the number of headers.
pub const GROUP_RECORD_OVERHEAD_BYTES: usize = 40;

/// Pause in ms, at least, between two looks at whether static members, none of which has come to a
/// rebalance, are there yet: a member may say that a rebalance waits 0 ms for it.
pub const REBALANCE_RETRY_MS_MIN: i32 = 1000;

/// Timers of groups that one turn handles before others have theirs: 100,000 sessions that end at once
/// take a hundred turns.
pub const GROUP_TIMERS_PER_TURN: usize = 1000;

/// Groups whose offsets are looked over for expiry in one turn.
pub const EXPIRY_GROUPS_PER_TURN: usize = 100;

/// What the uniform assignor looks at while it evens out loads between members of different
/// subscriptions: at some 50 ns each, a quarter of a second. Groups in which all want the same need
/// about one for each partition that moves.
pub const ASSIGN_STEPS_MAX: usize = 5_000_000;

/// Bytes of a regular expression by which a group subscribes. Kafka has no bound but the 32,767 bytes
/// of a string in a record's key.
pub const REGEX_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a regular expression's program, and of the cache by which it is run. One is in memory at a
/// time in each group.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 1024 * 1024;

/// Different regular expressions of one group. Kafka has no bound.
pub const GROUP_REGEXES_MAX: usize = 1000;

/// Names of topics that one turn matches against a regular expression, at well below a microsecond
/// each.
pub const REGEX_MATCHES_PER_TURN: usize = 2000;

/// Time in ms, at least, between two look-ups of a group's regular expressions. Kafka's number.
pub const REGEX_REFRESH_MS_MIN: i64 = 10_000;

/// Pause in ms before a member that is to be removed is tried again, because the records did not fit
/// into the batch.
pub const REMOVAL_RETRY_MS: i32 = 1000;

/// Pause in µs between two turns of work that waits for nothing (expiry, deletions larger than a
/// batch), in which calls have their turns.
pub const GROUP_TURN_PAUSE_US: u64 = 1000;

/// Groups and committed offsets of which a shard tells in one turn, when somebody asks how far groups have
/// come: each is a few look-ups in ordered maps.
pub const GROUP_STANDINGS_PER_PAGE: usize = 1000;

/// Committed offsets that `/metrics` shows of a broker, each in up to six series; the groups behind them are
/// left out, and a metric says so. More would outgrow what a scraper takes (Prometheus is usually given
/// less), and so would the time in which they are gathered.
pub const GROUP_OFFSETS_SHOWN_MAX: usize = 20_000;

/// Records whose time is looked up for one page of metrics: those that groups are at and that were not
/// looked up for the page before. Each is one read of a file, off the shards.
pub const GROUP_TIMES_PER_PAGE: usize = 2000;

/// The same in one turn of a shard, which finds their places.
pub const GROUP_TIMES_PER_TURN: usize = 100;

const _: () = assert!(COMPACTION_STEP_BYTES_MIN <= COMPACTION_STEP_BYTES_MAX);
const _: () = assert!(SENDFILE_BYTES_MIN <= PIECE_BYTES);
const _: () = assert!(RECEIVE_SPACE_BYTES_MIN < PIECE_BYTES);
const _: () = assert!(RECEIVE_COPY_BYTES_MAX <= PIECE_BYTES);
const _: () = assert!(UNADMITTED_BYTES_MAX <= PIECE_BYTES);
const _: () = assert!(GATHER_BYTES_MAX >= SENDFILE_BYTES_MIN);
const _: () = assert!(PIECE_BYTES.is_power_of_two());
const _: () = assert!(PIECES_PER_RECEIVE <= IOVECS_MAX);
const _: () = assert!(COLD_READ_BYTES_MAX.is_multiple_of(PIECE_BYTES));
const _: () = assert!(REPLY_BYTES_USUAL <= RECEIVE_SPACE_BYTES_MIN);
const _: () = assert!(GROUP_STANDINGS_PER_PAGE <= GROUP_OFFSETS_SHOWN_MAX);
const _: () = assert!(GROUP_TIMES_PER_TURN <= GROUP_TIMES_PER_PAGE);
