//! The table of properties: Kafka 4.2's names, types, defaults and bounds, and the few of our own.
//! The loader, DescribeConfigs, `millstream config` and the README all read it, so a property that is
//! not here does not exist.
//!
//! Defaults that differ from Kafka's, so that `serve` works without a file: `listeners` is loopback,
//! `log.dir` is `./data`, `node.id` is 1, `process.roles` is both.
//!
//! Of Kafka's properties that Millstream has no use for yet, those that stand in Kafka's sample files
//! or that people set often are listed with a reason; the rest of its families is recognised by
//! prefix in [`FAMILIES`].

mod coordinators;
mod others;
mod security;

use super::property::{Check, Property, boolean, class, double, int, list, long, short, string};

const STREAMS: &str = "streams groups are not served yet";
const SHARE: &str = "share groups are not served yet";
const TRANSACTIONS: &str = "transactions are not served yet";
const RESERVED: &str =
    "blocks are reserved ahead of the appends, as fast as a partition is written";
const DELETED: &str = "a fetch under way keeps a deleted segment's file open, so it goes at once";
const AT_STOP: &str = "one broker needs it after a clean stop only";
const REPLICATION: &str = "one broker alone; replication is not served yet";
const QUORUM: &str =
    "this broker is the only voter of its metadata quorum and never waits for another";
const RETENTION: &str = "old segments are not deleted yet";
const CLEANERS: &str = "each shard compacts one log at a time, off its own thread";
pub(super) const SECURITY: &str = "listeners are PLAINTEXT only in this release";
const TIERED: &str = "there is no tiered storage";
const QUOTAS: &str = "this quota is not enforced yet";
const METRICS: &str = "metrics are not published through Kafka's reporters";
const SNAPSHOTS: &str = "the metadata log is not snapshotted yet";
const SHARDS: &str = "shards take the place of Kafka's thread pools: num.shards";
const PURGATORY: &str = "waiting requests are woken by what they wait for, not purged";

const COMPRESSION: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const TIMESTAMP_TYPE: &[&str] = &["CreateTime", "LogAppendTime"];
const LONGEST: &str = "9223372036854775807";

/// Every property, in the order in which a person would look for them.
pub static PROPERTIES: &[Property] = &ALL;

const TABLES: [&[Property]; 4] = [MAIN, coordinators::TABLE, security::TABLE, others::TABLE];

static ALL: [Property;
    MAIN.len() + coordinators::TABLE.len() + security::TABLE.len() + others::TABLE.len()] = {
    let mut all = [MAIN[0]; _];
    let (mut table, mut count) = (0, 0);
    while table < TABLES.len() {
        let mut at = 0;
        while at < TABLES[table].len() {
            all[count] = TABLES[table][at];
            (at, count) = (at + 1, count + 1);
        }
        table += 1;
    }
    all
};

/// What a person looks for first: the broker's own properties, then the topics'.
#[rustfmt::skip] // one property per two lines reads as a table
const MAIN: &[Property] = &[
    // -- identity
    int("node.id").default("1").at_least(0).high()
        .doc("The id of this broker, unique in its cluster."),
    int("broker.id").default("-1").high()
        .doc("An older name of node.id."),
    list("process.roles").default("broker,controller").one_of(&["broker", "controller"]).high()
        .doc("What this process is. Millstream is both broker and controller, and refuses anything else."),
    string("broker.rack")
        .doc("The rack or zone of this broker, reported to clients."),
    list("controller.quorum.voters").default("").high()
        .doc("The voters of the metadata quorum as id@host:port. Only this node itself is accepted."),
    list("controller.quorum.bootstrap.servers").default("").high()
        .doc("Where the metadata quorum is found as host:port. Only this node itself is accepted."),
    list("controller.listener.names").default("").high()
        .doc("The listeners meant for controllers. Millstream does not open them: it needs no second process."),
    // -- listeners
    list("listeners").default("PLAINTEXT://127.0.0.1:9092").high().per_broker()
        .doc("Where clients connect, as NAME://host:port. An empty host is every address of the machine."),
    list("advertised.listeners").high()
        .doc("What clients are told to connect to; by default the listeners, with the machine's name for an empty host."),
    string("listener.security.protocol.map").low().per_broker()
        .default("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT")
        .doc("The protocol of each listener name, as NAME:PROTOCOL. A listener that is opened must be PLAINTEXT."),
    string("inter.broker.listener.name")
        .doc("The listener that brokers use among themselves; by default the one named by security.inter.broker.protocol."),
    string("security.inter.broker.protocol").default("PLAINTEXT")
        .one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
        .doc("The protocol between brokers, if inter.broker.listener.name is not set."),
    // -- connections
    int("socket.request.max.bytes").default("104857600").at_least(1).high()
        .doc("The largest request; a connection that announces a larger one is closed."),
    int("socket.send.buffer.bytes").default("102400").high()
        .doc("SO_SNDBUF of a connection; -1 leaves it to the kernel."),
    int("socket.receive.buffer.bytes").default("102400").high()
        .doc("SO_RCVBUF of a connection; -1 leaves it to the kernel."),
    int("socket.listen.backlog.size").default("50").at_least(1)
        .doc("Connections that may wait to be accepted; the kernel bounds it by net.core.somaxconn."),
    int("max.connections").default("2147483647").at_least(0).cluster_wide()
        .doc("Connections at once over all listeners; the one too many is closed at once."),
    int("max.connections.per.ip").default("2147483647").at_least(0).cluster_wide()
        .doc("Connections at once from one address."),
    string("max.connections.per.ip.overrides").default("").cluster_wide()
        .doc("Exceptions from max.connections.per.ip, as host:count, ..."),
    int("quota.window.num").default("11").at_least(1).low()
        .doc("Samples by which the rates of client quotas are measured, the newest one included."),
    int("quota.window.size.seconds").default("1").at_least(1).low()
        .doc("The length of each of these samples."),
    int("max.connection.creation.rate").default("2147483647").at_least(0).cluster_wide().later(QUOTAS)
        .doc("Connections accepted in a second."),
    long("connections.max.idle.ms").default("600000")
        .doc("A connection on which nothing happened for so long is closed; below 0 never."),
    long("queued.max.request.bytes").default("-1")
        .doc("The bytes of requests that may be in memory before reading stops; -1 leaves the bound to the broker."),
    int("queued.max.requests").default("500").at_least(1).high().not_needed("requests are bounded per connection and in bytes")
        .doc("Requests that wait for a request handler."),
    int("max.request.partition.size.limit").default("2000").at_least(1)
        .doc("The most partitions in one page of a paged answer."),
    int("request.timeout.ms").default("30000").high().later(REPLICATION)
        .doc("How long the broker waits for its own requests to others."),
    // -- shards and engine: Millstream's own
    int("num.shards").between(1, 1024).high()
        .doc("Millstream: shards, each a pinned thread with its partitions and its io_uring; by default the cores the process may use."),
    int("shard.spin.us").default("100").between(0, 10_000)
        .doc("Millstream: how long a shard looks for work before it sleeps, unless many connections keep it busy; 0 sleeps at once."),
    string("log.append.mode").default("auto").one_of(&["auto", "uring", "inline"])
        .doc("Millstream: appends through io_uring, by a direct write, or (auto) by what the file system does better."),
    string("fetch.cold.mode").default("read").one_of(&["read", "splice"])
        .doc("Millstream: how records that are not in the page cache reach the socket: read into memory off the shard, then sent; or by splice(2) through a pipe."),
    string("millstream.produce.validation").default("batch").one_of(&["batch", "records"])
        .doc("Millstream: check of compressed batches: header, size and CRC, or (records) inflated and record by record as Kafka does."),
    string("millstream.metrics.listener").default("127.0.0.1:9644")
        .doc("Millstream: where /metrics and /stats are answered over HTTP, as host:port; empty turns them off. Where the port is in use the broker serves without."),
    int("num.network.threads").default("3").at_least(1).high().cluster_wide().not_needed(SHARDS)
        .doc("Kafka's threads that read and write sockets."),
    int("num.io.threads").default("8").at_least(1).high().cluster_wide().not_needed(SHARDS)
        .doc("Kafka's threads that handle requests."),
    int("background.threads").default("10").at_least(1).high().cluster_wide().not_needed(SHARDS)
        .doc("Kafka's threads for chores."),
    int("num.recovery.threads.per.data.dir").default("2").at_least(1).high().cluster_wide()
        .doc("How many logs of one directory are recovered at once at start."),
    // -- topics
    boolean("auto.create.topics.enable").default("true").high()
        .doc("Whether a topic that a client asks for comes into being."),
    boolean("delete.topic.enable").default("true").high()
        .doc("Whether topics may be deleted."),
    int("num.partitions").default("1").at_least(1)
        .doc("Partitions of a topic whose creator names no number."),
    int("default.replication.factor").default("1")
        .doc("Replicas of a topic whose creator names no number; more than the brokers there are is refused."),
    int("min.insync.replicas").default("1").at_least(1).high().cluster_wide()
        .doc("In-sync replicas without which acks=all is refused."),
    class("create.topic.policy.class.name").low().later("there is no JVM to run a policy class")
        .doc("A Java class that may refuse topics."),
    class("alter.config.policy.class.name").low().later("there is no JVM to run a policy class")
        .doc("A Java class that may refuse changes of configuration."),
    // -- the log
    list("log.dirs").high()
        .doc("Where logs are kept, several directories separated by commas; if not set, log.dir."),
    list("log.dir").default("./data").high()
        .doc("Where logs are kept, if log.dirs is not set."),
    string("metadata.log.dir").high()
        .doc("Where the metadata log is kept; by default the first of log.dirs."),
    int("message.max.bytes").default("1048588").at_least(0).high().cluster_wide()
        .doc("The largest batch of records, as it comes."),
    int("log.segment.bytes").default("1073741824").at_least(1_048_576).high().cluster_wide()
        .doc("The largest segment file."),
    long("log.roll.ms").high().cluster_wide()
        .doc("The time after which a new segment begins; if not set, log.roll.hours."),
    int("log.roll.hours").default("168").at_least(1).high()
        .doc("The time after which a new segment begins."),
    long("log.roll.jitter.ms").high().cluster_wide()
        .doc("The most by which a random share shortens log.roll.ms; if not set, log.roll.jitter.hours."),
    int("log.roll.jitter.hours").default("0").at_least(0).high()
        .doc("The most by which a random share shortens the time to a new segment."),
    int("log.index.interval.bytes").default("4096").at_least(0).cluster_wide()
        .doc("Bytes of records between two entries of the offset index."),
    int("log.index.size.max.bytes").default("10485760").at_least(4).cluster_wide()
        .doc("The largest index file; a full one begins a new segment."),
    string("log.message.timestamp.type").default("CreateTime").one_of(TIMESTAMP_TYPE).cluster_wide()
        .doc("Whether a record's time is the producer's or the broker's."),
    long("log.message.timestamp.before.max.ms").default(LONGEST).at_least(0).cluster_wide()
        .doc("How far a record's time may lie before the broker's (CreateTime)."),
    long("log.message.timestamp.after.max.ms").default("3600000").at_least(0).cluster_wide()
        .doc("How far a record's time may lie after the broker's (CreateTime)."),
    long("log.flush.interval.messages").default(LONGEST).at_least(1).high().cluster_wide()
        .doc("Records after which a log is flushed to disk."),
    long("log.flush.interval.ms").high().cluster_wide()
        .doc("The time after which records are flushed to disk; if not set, log.flush.scheduler.interval.ms."),
    long("log.flush.scheduler.interval.ms").default(LONGEST).high()
        .doc("The time after which records are flushed to disk, if log.flush.interval.ms is not set."),
    int("log.flush.offset.checkpoint.interval.ms").default("60000").at_least(0).high()
        .doc("How often the recovery points are written."),
    int("log.flush.start.offset.checkpoint.interval.ms").default("60000").at_least(0).high()
        .doc("How often the log start offsets are written."),
    long("replica.high.watermark.checkpoint.interval.ms").default("5000").high().not_needed(AT_STOP)
        .doc("How often the high watermarks are written."),
    boolean("log.preallocate").default("false").cluster_wide().not_needed(RESERVED)
        .doc("Whether a new segment is created at its full size."),
    long("log.segment.delete.delay.ms").default("60000").at_least(0).high().cluster_wide().not_needed(DELETED)
        .doc("How long a deleted segment's files stay."),
    long("log.dir.failure.timeout.ms").default("30000").at_least(1).low().later(REPLICATION)
        .doc("How long a broker that cannot tell its controller of a failed directory goes on."),
    string("compression.type").default("producer").one_of(COMPRESSION).high().cluster_wide()
        .doc("The codec of stored batches; producer keeps what came."),
    int("compression.gzip.level").default("-1").check(Check::BetweenOrMinusOne(1, 9)).cluster_wide()
        .doc("The level of gzip, if compression.type is gzip."),
    int("compression.lz4.level").default("9").between(1, 17).cluster_wide()
        .doc("The level of lz4, if compression.type is lz4."),
    int("compression.zstd.level").default("3").between(-131_072, 22).cluster_wide()
        .doc("The level of zstd, if compression.type is zstd."),
    int("fetch.max.bytes").default("57671680").at_least(1024)
        .doc("The most one fetch is answered with; a single larger batch is answered all the same."),
    int("max.incremental.fetch.session.cache.slots").default("1000").at_least(0).not_needed("a connection holds its own fetch session, and connections are bounded")
        .doc("Incremental fetch sessions kept at once."),
    // -- retention and compaction
    list("log.cleanup.policy").default("delete").one_of(&["compact", "delete"]).cluster_wide()
        .doc("What happens to old segments: deleted, compacted to the last record of each key, both, or (empty) neither."),
    long("log.retention.ms").high().cluster_wide().later(RETENTION)
        .doc("How long records are kept; -1 for ever; if not set, log.retention.minutes."),
    int("log.retention.minutes").high().later(RETENTION)
        .doc("How long records are kept; if not set, log.retention.hours."),
    int("log.retention.hours").default("168").high().later(RETENTION)
        .doc("How long records are kept."),
    long("log.retention.bytes").default("-1").high().cluster_wide().later(RETENTION)
        .doc("The size beyond which a partition loses its oldest segments; -1 for none."),
    long("log.retention.check.interval.ms").default("300000").at_least(1)
        .doc("How often old segments are looked for."),
    boolean("log.cleaner.enable").default("true")
        .doc("Whether logs are compacted."),
    int("log.cleaner.threads").default("1").at_least(0).cluster_wide().not_needed(CLEANERS)
        .doc("Threads that compact."),
    double("log.cleaner.io.max.bytes.per.second").default("1.7976931348623157E308").cluster_wide()
        .doc("The most that compaction reads and writes in a second."),
    long("log.cleaner.dedupe.buffer.size").default("134217728").cluster_wide()
        .doc("Memory for the keys of compactions, of all shards together."),
    int("log.cleaner.io.buffer.size").default("524288").at_least(0).cluster_wide()
        .doc("Memory for the records of compactions, of all shards together."),
    double("log.cleaner.io.buffer.load.factor").default("0.9").cluster_wide()
        .doc("How full the key buffer may become."),
    long("log.cleaner.backoff.ms").default("15000").at_least(0).cluster_wide()
        .doc("How long the cleaner rests when nothing is to be done."),
    double("log.cleaner.min.cleanable.ratio").default("0.5").between(0, 1).cluster_wide()
        .doc("The share of uncompacted bytes from which a log is compacted."),
    long("log.cleaner.delete.retention.ms").default("86400000").at_least(0).cluster_wide()
        .doc("How long a compacted log keeps tombstones."),
    long("log.cleaner.min.compaction.lag.ms").default("0").at_least(0).cluster_wide()
        .doc("How long a record stays uncompacted at least."),
    long("log.cleaner.max.compaction.lag.ms").default(LONGEST).at_least(1).cluster_wide()
        .doc("How long a record stays uncompacted at most."),
    long("log.local.retention.ms").default("-2").at_least(-2).cluster_wide().later(TIERED)
        .doc("How long records stay on local disk once they are in tiered storage."),
    long("log.local.retention.bytes").default("-2").at_least(-2).cluster_wide().later(TIERED)
        .doc("The size that stays on local disk once it is in tiered storage."),
    // -- the metadata log
    int("metadata.log.segment.bytes").default("1073741824").at_least(8_388_608).high()
        .doc("The largest segment file of the metadata log."),
    long("metadata.log.segment.ms").default("604800000").high()
        .doc("The time after which the metadata log begins a new segment."),
    long("metadata.log.max.record.bytes.between.snapshots").default("20971520").at_least(1).high().later(SNAPSHOTS)
        .doc("Bytes of metadata records after which a snapshot is made."),
    long("metadata.log.max.snapshot.interval.ms").default("3600000").at_least(0).high().later(SNAPSHOTS)
        .doc("The time after which a snapshot of the metadata is made."),
    long("metadata.max.retention.bytes").default("104857600").high().later(SNAPSHOTS)
        .doc("The size of metadata log and snapshots beyond which old ones go."),
    long("metadata.max.retention.ms").default("604800000").high().later(SNAPSHOTS)
        .doc("How long metadata segments and snapshots are kept."),
    int("metadata.max.idle.interval.ms").default("500").at_least(0).low().not_needed(QUORUM)
        .doc("How often an idle controller writes a no-op record."),
    int("controller.quorum.election.timeout.ms").default("1000").at_least(0).high().not_needed(QUORUM)
        .doc("How long a voter waits for a leader before it asks for an election."),
    int("controller.quorum.election.backoff.max.ms").default("1000").at_least(0).high().not_needed(QUORUM)
        .doc("The longest pause between elections."),
    int("controller.quorum.fetch.timeout.ms").default("2000").at_least(0).high().not_needed(QUORUM)
        .doc("How long a voter goes without a fetch before it asks for an election."),
    int("controller.quorum.request.timeout.ms").default("2000").at_least(0).not_needed(QUORUM)
        .doc("How long a request between voters may take."),
    int("controller.quorum.append.linger.ms").default("25").at_least(0).not_needed(QUORUM)
        .doc("How long the controller gathers records before it writes them."),
    int("controller.quorum.retry.backoff.ms").default("20").at_least(0).low().not_needed(QUORUM)
        .doc("The pause before a request between voters is tried again."),
    boolean("controller.quorum.auto.join.enable").default("false").low().not_needed(QUORUM)
        .doc("Whether a controller joins the voters by itself."),
    int("broker.heartbeat.interval.ms").default("2000").not_needed(QUORUM)
        .doc("How often a broker tells its controller that it lives."),
    int("broker.session.timeout.ms").default("9000").not_needed(QUORUM)
        .doc("How long a broker may be silent before it is fenced."),
    int("initial.broker.registration.timeout.ms").default("60000").not_needed(QUORUM)
        .doc("How long a starting broker waits for its controller."),
    // -- producers and transactions
    int("producer.id.expiration.ms").default("86400000").at_least(1).low().cluster_wide()
        .doc("How long a partition remembers an idle producer's sequence."),
    int("transaction.max.timeout.ms").default("900000").at_least(1).high()
        .doc("The longest transaction a producer may ask for."),
    int("transactional.id.expiration.ms").default("604800000").at_least(1).high().later(TRANSACTIONS)
        .doc("How long an idle transactional id is remembered."),
    short("transaction.state.log.replication.factor").default("3").at_least(1).high().later(TRANSACTIONS)
        .doc("Replicas of the transaction log."),
    int("transaction.state.log.min.isr").default("2").at_least(1).high().later(TRANSACTIONS)
        .doc("min.insync.replicas of the transaction log."),
    int("transaction.state.log.num.partitions").default("50").at_least(1).high().later(TRANSACTIONS)
        .doc("Partitions of the transaction log."),
    int("transaction.state.log.segment.bytes").default("104857600").at_least(1).high().later(TRANSACTIONS)
        .doc("The largest segment file of the transaction log."),
    boolean("transaction.partition.verification.enable").default("true").low().cluster_wide().later(TRANSACTIONS)
        .doc("Whether a partition checks that a transaction includes it."),
    // -- groups
    short("offsets.topic.replication.factor").default("3").at_least(1).high()
        .doc("Replicas of the log of committed offsets."),
    int("offsets.topic.num.partitions").default("50").at_least(1).high()
        .doc("Partitions of the log of committed offsets."),
    int("offsets.topic.segment.bytes").default("104857600").at_least(1).high()
        .doc("The largest segment file of the log of committed offsets."),
    int("offsets.retention.minutes").default("10080").at_least(1).high()
        .doc("How long an empty group's offsets are kept."),
    long("offsets.retention.check.interval.ms").default("600000").at_least(1).high()
        .doc("How often expired offsets are looked for."),
    int("offset.metadata.max.bytes").default("4096").high()
        .doc("The longest note that a committed offset may carry."),
    int("group.initial.rebalance.delay.ms").default("3000")
        .doc("How long an empty group waits for more members before its first rebalance."),
    int("group.min.session.timeout.ms").default("6000")
        .doc("The shortest session a member may ask for."),
    int("group.max.session.timeout.ms").default("1800000")
        .doc("The longest session a member may ask for."),
    int("group.max.size").default("2147483647").at_least(1)
        .doc("The most members of one group."),
    short("share.coordinator.state.topic.replication.factor").default("3").at_least(1).high().later(SHARE)
        .doc("Replicas of the log of share groups' state."),
    short("share.coordinator.state.topic.min.isr").default("2").at_least(1).high().later(SHARE)
        .doc("min.insync.replicas of the log of share groups' state."),
    int("share.coordinator.state.topic.num.partitions").default("50").at_least(1).high().later(SHARE)
        .doc("Partitions of the log of share groups' state."),
    // -- replication
    boolean("unclean.leader.election.enable").default("false").high().cluster_wide().later(REPLICATION)
        .doc("Whether a replica out of sync may lead, at the price of records lost."),
    boolean("auto.leader.rebalance.enable").default("true").high().later(REPLICATION)
        .doc("Whether leadership goes back to the preferred replica."),
    long("leader.imbalance.check.interval.seconds").default("300").at_least(1).high().later(REPLICATION)
        .doc("How often leadership is looked over."),
    int("num.replica.fetchers").default("1").at_least(1).high().cluster_wide().later(REPLICATION)
        .doc("Threads that fetch from each leader."),
    long("replica.lag.time.max.ms").default("30000").high().later(REPLICATION)
        .doc("How long a follower may lag before it leaves the in-sync replicas."),
    int("replica.fetch.max.bytes").default("1048576").at_least(0).later(REPLICATION)
        .doc("The most that a follower fetches of one partition at once."),
    int("replica.fetch.min.bytes").default("1").high().later(REPLICATION)
        .doc("The least that a follower waits for."),
    int("replica.fetch.wait.max.ms").default("500").high().later(REPLICATION)
        .doc("The longest that a follower's fetch waits."),
    int("replica.fetch.response.max.bytes").default("10485760").at_least(0).later(REPLICATION)
        .doc("The most that a follower fetches at once."),
    int("replica.socket.timeout.ms").default("30000").high().later(REPLICATION)
        .doc("How long a follower's request may take."),
    boolean("controlled.shutdown.enable").default("true").later(REPLICATION)
        .doc("Whether leadership is handed over before a stop."),
    // -- security
    string("authorizer.class.name").default("").low().later(SECURITY)
        .doc("The Java class that decides who may do what."),
    // -- purgatories
    int("fetch.purgatory.purge.interval.requests").default("1000").not_needed(PURGATORY)
        .doc("After how many requests Kafka tidies its waiting fetches."),
    int("producer.purgatory.purge.interval.requests").default("1000").not_needed(PURGATORY)
        .doc("After how many requests Kafka tidies its waiting produces."),
    int("delete.records.purgatory.purge.interval.requests").default("1").not_needed(PURGATORY)
        .doc("After how many requests Kafka tidies its waiting deletions."),
    // -- topics' own
    list("cleanup.policy").default("delete").one_of(&["compact", "delete"]).topic(&["log.cleanup.policy"])
        .doc("What happens to old segments: deleted, compacted to the last record of each key, both, or (empty) neither."),
    int("compression.gzip.level").default("-1").check(Check::BetweenOrMinusOne(1, 9)).topic(&["compression.gzip.level"])
        .doc("The level of gzip, if compression.type is gzip."),
    int("compression.lz4.level").default("9").between(1, 17).topic(&["compression.lz4.level"])
        .doc("The level of lz4, if compression.type is lz4."),
    string("compression.type").default("producer").one_of(COMPRESSION).topic(&["compression.type"])
        .doc("The codec of stored batches; producer keeps what came."),
    int("compression.zstd.level").default("3").between(-131_072, 22).topic(&["compression.zstd.level"])
        .doc("The level of zstd, if compression.type is zstd."),
    long("delete.retention.ms").default("86400000").at_least(0).topic(&["log.cleaner.delete.retention.ms"])
        .doc("How long a compacted log keeps tombstones."),
    long("file.delete.delay.ms").default("60000").at_least(0).topic(&["log.segment.delete.delay.ms"]).not_needed(DELETED)
        .doc("How long a deleted segment's files stay."),
    long("flush.messages").default(LONGEST).at_least(1).topic(&["log.flush.interval.messages"])
        .doc("Records after which the log is flushed to disk."),
    long("flush.ms").default(LONGEST).at_least(0).topic(&["log.flush.interval.ms", "log.flush.scheduler.interval.ms"])
        .doc("The time after which records are flushed to disk."),
    list("follower.replication.throttled.replicas").default("").check(Check::ThrottledReplicas).topic(&[]).later(REPLICATION)
        .doc("Followers whose fetching is throttled, as partition:broker, or * for all."),
    int("index.interval.bytes").default("4096").at_least(0).topic(&["log.index.interval.bytes"])
        .doc("Bytes of records between two entries of the offset index."),
    int("internal.segment.bytes").at_least(1).topic(&[]).internal()
        .doc("Overrides segment.bytes without its lower bound, for tests."),
    list("leader.replication.throttled.replicas").default("").check(Check::ThrottledReplicas).topic(&[]).later(REPLICATION)
        .doc("Leaders whose answers to followers are throttled, as partition:broker, or * for all."),
    long("local.retention.bytes").default("-2").at_least(-2).topic(&["log.local.retention.bytes"]).later(TIERED)
        .doc("The size that stays on local disk once it is in tiered storage."),
    long("local.retention.ms").default("-2").at_least(-2).topic(&["log.local.retention.ms"]).later(TIERED)
        .doc("How long records stay on local disk once they are in tiered storage."),
    long("max.compaction.lag.ms").default(LONGEST).at_least(1).topic(&["log.cleaner.max.compaction.lag.ms"])
        .doc("How long a record stays uncompacted at most."),
    int("max.message.bytes").default("1048588").at_least(0).topic(&["message.max.bytes"])
        .doc("The largest batch of records, as it comes."),
    long("message.timestamp.after.max.ms").default("3600000").at_least(0).topic(&["log.message.timestamp.after.max.ms"])
        .doc("How far a record's time may lie after the broker's (CreateTime)."),
    long("message.timestamp.before.max.ms").default(LONGEST).at_least(0).topic(&["log.message.timestamp.before.max.ms"])
        .doc("How far a record's time may lie before the broker's (CreateTime)."),
    string("message.timestamp.type").default("CreateTime").one_of(TIMESTAMP_TYPE).topic(&["log.message.timestamp.type"])
        .doc("Whether a record's time is the producer's or the broker's."),
    double("min.cleanable.dirty.ratio").default("0.5").between(0, 1).topic(&["log.cleaner.min.cleanable.ratio"])
        .doc("The share of uncompacted bytes from which the log is compacted."),
    long("min.compaction.lag.ms").default("0").at_least(0).topic(&["log.cleaner.min.compaction.lag.ms"])
        .doc("How long a record stays uncompacted at least."),
    int("min.insync.replicas").default("1").at_least(1).topic(&["min.insync.replicas"])
        .doc("In-sync replicas without which acks=all is refused."),
    boolean("preallocate").default("false").topic(&["log.preallocate"]).not_needed(RESERVED)
        .doc("Whether a new segment is created at its full size."),
    boolean("remote.log.copy.disable").default("false").topic(&[]).later(TIERED)
        .doc("Whether copying to tiered storage stops."),
    boolean("remote.log.delete.on.disable").default("false").topic(&[]).later(TIERED)
        .doc("Whether tiered data goes when tiering is switched off."),
    boolean("remote.storage.enable").default("false").topic(&[]).later(TIERED)
        .doc("Whether the topic is tiered; true is refused."),
    long("retention.bytes").default("-1").topic(&["log.retention.bytes"]).later(RETENTION)
        .doc("The size beyond which a partition loses its oldest segments; -1 for none."),
    long("retention.ms").default("604800000").at_least(-1)
        .topic(&["log.retention.ms", "log.retention.minutes", "log.retention.hours"]).later(RETENTION)
        .doc("How long records are kept; -1 for ever."),
    int("segment.bytes").default("1073741824").at_least(1_048_576).topic(&["log.segment.bytes"])
        .doc("The largest segment file."),
    int("segment.index.bytes").default("10485760").at_least(4).topic(&["log.index.size.max.bytes"])
        .doc("The largest index file; a full one begins a new segment."),
    long("segment.jitter.ms").default("0").at_least(0).topic(&["log.roll.jitter.ms", "log.roll.jitter.hours"])
        .doc("The most by which a random share shortens segment.ms."),
    long("segment.ms").default("604800000").at_least(1).topic(&["log.roll.ms", "log.roll.hours"])
        .doc("The time after which a new segment begins."),
    boolean("unclean.leader.election.enable").default("false").topic(&["unclean.leader.election.enable"]).later(REPLICATION)
        .doc("Whether a replica out of sync may lead, at the price of records lost."),
];

/// Families of Kafka's properties that have no effect here, by prefix, with the reason. Their members
/// are accepted with a warning.
pub static FAMILIES: &[(&str, &str)] = &[
    ("ssl.", SECURITY),
    ("sasl.", SECURITY),
    ("listener.name.", SECURITY),
    ("delegation.token.", SECURITY),
    ("connections.max.reauth.ms", SECURITY),
    ("connection.failed.authentication.delay.ms", SECURITY),
    ("principal.builder.class", SECURITY),
    ("security.providers", SECURITY),
    ("super.users", SECURITY),
    ("allow.everyone.if.no.acl.found", SECURITY),
    ("early.start.listeners", SECURITY),
    ("remote.", TIERED),
    ("rsm.config.", TIERED),
    ("rlmm.config.", TIERED),
    ("group.share.", SHARE),
    ("share.", SHARE),
    ("group.streams.", STREAMS),
    ("transaction.", TRANSACTIONS),
    ("add.partitions.to.txn.", TRANSACTIONS),
    ("replica.", REPLICATION),
    ("num.replica.", REPLICATION),
    ("controller.socket.timeout.ms", REPLICATION),
    ("socket.connection.setup.timeout.", REPLICATION),
    ("unclean.leader.election.interval.ms", REPLICATION),
    ("replication.quota.", QUOTAS),
    ("alter.log.dirs.replication.quota.", QUOTAS),
    ("controller.quota.", QUOTAS),
    ("client.quota.", QUOTAS),
    ("metric.", METRICS),
    ("metrics.", METRICS),
    ("kafka.metrics.", METRICS),
    ("auto.include.jmx.reporter", METRICS),
    ("confluent.", "it belongs to Confluent's own distribution"),
    ("telemetry.max.bytes", METRICS),
    ("internal.metadata.", SNAPSHOTS),
    ("controller.performance.", METRICS),
    ("log.initial.task.delay.ms", "chores start with the broker"),
    (
        "server.max.startup.time.ms",
        "a start either succeeds or fails by itself",
    ),
    ("unstable.", "there are no unstable APIs or features"),
    (
        "config.providers",
        "values are read from the file as they stand",
    ),
];

/// Properties of older Kafkas, and what a person who sets one should know.
pub static REMOVED: &[(&str, &str)] = &[
    (
        "zookeeper.connect",
        "there is no ZooKeeper: the broker keeps its own metadata log; remove the line",
    ),
    (
        "zookeeper.",
        "there is no ZooKeeper: the broker keeps its own metadata log; remove the line",
    ),
    (
        "inter.broker.protocol.version",
        "removed in Kafka 4: versions are negotiated",
    ),
    (
        "log.message.format.version",
        "removed in Kafka 4: records are always stored in format v2",
    ),
    (
        "log.message.downconversion.enable",
        "removed in Kafka 4: records are never converted to older formats",
    ),
    (
        "log.message.timestamp.difference.max.ms",
        "removed in Kafka 4: set log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
    ),
    ("offsets.commit.required.acks", "removed in Kafka 4"),
    (
        "broker.id.generation.enable",
        "removed in Kafka 4: set node.id",
    ),
    ("reserved.broker.max.id", "removed in Kafka 4: set node.id"),
    (
        "control.plane.listener.name",
        "removed in Kafka 4: controllers have listeners of their own",
    ),
    ("host.name", "removed in Kafka 3: set listeners"),
    ("port", "removed in Kafka 3: set listeners"),
    (
        "advertised.host.name",
        "removed in Kafka 3: set advertised.listeners",
    ),
    (
        "advertised.port",
        "removed in Kafka 3: set advertised.listeners",
    ),
];
