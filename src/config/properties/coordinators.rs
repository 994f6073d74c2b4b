//! Kafka's properties of groups, share groups, streams groups and transactions, beyond those that the
//! main table has; and the settings of a group and of a client metrics subscription.

use super::super::property::{Check, Property, boolean, int, list, string};
use super::{METRICS, REPLICATION, SHARE, STREAMS, TRANSACTIONS};

const MIGRATIONS: &[&str] = &["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"];
const PROTOCOLS: &[&str] = &["consumer", "classic", "share", "streams"];
const ASSIGNORS: &[&str] = &[
    "uniform",
    "range",
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
];
const ISOLATIONS: &[&str] = &["read_committed", "read_uncommitted"];

const ON_SHARDS: &str = "each shard coordinates the groups of its partitions";
const GATHERED: &str = "what comes while a batch is written joins the next one";
const STRETCHES: &str = "groups are loaded in stretches that hold nobody up";

#[rustfmt::skip] // one property per two lines reads as a table
pub(super) const TABLE: &[Property] = &[
    // -- groups
    list("group.coordinator.rebalance.protocols").default("classic,consumer,streams").one_of(PROTOCOLS)
        .doc("The group protocols that are served."),
    int("group.coordinator.threads").default("4").at_least(1).high().not_needed(ON_SHARDS)
        .doc("Kafka's threads that run group coordinators."),
    int("group.coordinator.append.linger.ms").default("-1").at_least(-1).not_needed(GATHERED)
        .doc("How long a group coordinator gathers records before it writes them; -1 adapts."),
    list("group.consumer.assignors").default("uniform,range").one_of(ASSIGNORS)
        .doc("The assignors of consumer groups, the default first."),
    int("group.consumer.heartbeat.interval.ms").default("5000").at_least(1)
        .doc("How often members of consumer groups are told to send a heartbeat."),
    int("group.consumer.max.heartbeat.interval.ms").default("15000").at_least(1)
        .doc("The longest heartbeat interval that a group may be given."),
    int("group.consumer.max.session.timeout.ms").default("60000").at_least(1)
        .doc("The longest session that a group may be given."),
    int("group.consumer.max.size").default("2147483647").at_least(1)
        .doc("The most members of one consumer group."),
    string("group.consumer.migration.policy").default("bidirectional").check(Check::OneOfAnyCase(MIGRATIONS))
        .doc("Whether groups may change between the classic and the consumer protocol."),
    int("group.consumer.min.heartbeat.interval.ms").default("5000").at_least(1)
        .doc("The shortest heartbeat interval that a group may be given."),
    int("group.consumer.min.session.timeout.ms").default("45000").at_least(1)
        .doc("The shortest session that a group may be given."),
    int("group.consumer.regex.refresh.interval.ms").default("600000").at_least(10_000).internal()
        .doc("How often subscriptions by pattern are looked over."),
    int("group.consumer.session.timeout.ms").default("45000").at_least(1)
        .doc("How long a member of a consumer group may be silent."),
    int("offsets.commit.timeout.ms").default("5000").at_least(1).high().later(REPLICATION)
        .doc("How long a commit waits for its replicas."),
    int("offsets.load.buffer.size").default("5242880").at_least(1).high().not_needed(STRETCHES)
        .doc("Bytes read at once when a coordinator loads committed offsets."),
    int("offsets.topic.compression.codec").default("0").between(0, 4).high()
        .doc("The codec of the log of committed offsets, by Kafka's number."),
    // -- streams groups
    int("group.streams.heartbeat.interval.ms").default("5000").at_least(1).later(STREAMS)
        .doc("How often members of streams groups are told to send a heartbeat."),
    int("group.streams.initial.rebalance.delay.ms").default("3000").at_least(0).later(STREAMS)
        .doc("How long a new streams group waits for more members."),
    int("group.streams.max.heartbeat.interval.ms").default("15000").at_least(1).later(STREAMS)
        .doc("The longest heartbeat interval that a streams group may be given."),
    int("group.streams.max.session.timeout.ms").default("60000").at_least(1).later(STREAMS)
        .doc("The longest session that a streams group may be given."),
    int("group.streams.max.size").default("2147483647").at_least(1).later(STREAMS)
        .doc("The most members of one streams group."),
    int("group.streams.max.standby.replicas").default("2").at_least(0).later(STREAMS)
        .doc("The most standby replicas that a streams group may be given."),
    int("group.streams.min.heartbeat.interval.ms").default("5000").at_least(1).later(STREAMS)
        .doc("The shortest heartbeat interval that a streams group may be given."),
    int("group.streams.min.session.timeout.ms").default("45000").at_least(1).later(STREAMS)
        .doc("The shortest session that a streams group may be given."),
    int("group.streams.num.standby.replicas").default("0").at_least(0).later(STREAMS)
        .doc("Standby replicas of each task of a streams group."),
    int("group.streams.session.timeout.ms").default("45000").at_least(1).later(STREAMS)
        .doc("How long a member of a streams group may be silent."),
    // -- share groups
    list("group.share.assignors").default("simple").later(SHARE)
        .doc("The assignor of share groups."),
    int("group.share.delivery.count.limit").default("5").between(2, 10).later(SHARE)
        .doc("How often a record is tried before it is given up."),
    boolean("group.share.enable").default("false").internal().later(SHARE)
        .doc("Whether share groups are served."),
    int("group.share.heartbeat.interval.ms").default("5000").at_least(1).later(SHARE)
        .doc("How often members of share groups are told to send a heartbeat."),
    int("group.share.initialize.retry.interval.ms").default("30000").at_least(1).low().internal().later(SHARE)
        .doc("How often the start of a share partition is tried again."),
    int("group.share.max.heartbeat.interval.ms").default("15000").at_least(1).later(SHARE)
        .doc("The longest heartbeat interval that a share group may be given."),
    int("group.share.max.record.lock.duration.ms").default("60000").between(30_000, 3_600_000).later(SHARE)
        .doc("The longest lock of a record that a share group may be given."),
    int("group.share.max.session.timeout.ms").default("60000").at_least(1).later(SHARE)
        .doc("The longest session that a share group may be given."),
    int("group.share.max.share.sessions").default("2000").at_least(1).later(SHARE)
        .doc("Share sessions kept at once."),
    int("group.share.max.size").default("200").between(1, 1000).later(SHARE)
        .doc("The most members of one share group."),
    int("group.share.min.heartbeat.interval.ms").default("5000").at_least(1).later(SHARE)
        .doc("The shortest heartbeat interval that a share group may be given."),
    int("group.share.min.record.lock.duration.ms").default("15000").between(1000, 30_000).later(SHARE)
        .doc("The shortest lock of a record that a share group may be given."),
    int("group.share.min.session.timeout.ms").default("45000").at_least(1).later(SHARE)
        .doc("The shortest session that a share group may be given."),
    int("group.share.partition.max.record.locks").default("2000").between(100, 10_000).later(SHARE)
        .doc("The most records of one partition that are locked at once."),
    string("group.share.persister.class.name").default("org.apache.kafka.server.share.persister.DefaultStatePersister").internal().later(SHARE)
        .doc("The Java class that keeps share groups' state."),
    int("group.share.record.lock.duration.ms").default("30000").between(1000, 3_600_000).later(SHARE)
        .doc("How long a record is locked for the member that fetched it."),
    int("group.share.session.timeout.ms").default("45000").at_least(1).later(SHARE)
        .doc("How long a member of a share group may be silent."),
    int("share.coordinator.append.linger.ms").default("-1").at_least(-1).later(SHARE)
        .doc("How long the share coordinator gathers records before it writes them; -1 adapts."),
    int("share.coordinator.cold.partition.snapshot.interval.ms").default("300000").at_least(1).low().internal().later(SHARE)
        .doc("How often quiet share partitions are snapshotted."),
    int("share.coordinator.load.buffer.size").default("5242880").at_least(1).high().later(SHARE)
        .doc("Bytes read at once when the share coordinator loads its state."),
    int("share.coordinator.snapshot.update.records.per.snapshot").default("500").at_least(0).later(SHARE)
        .doc("Updates of a share partition between two snapshots of it."),
    int("share.coordinator.state.topic.compression.codec").default("0").high().later(SHARE)
        .doc("The codec of the log of share groups' state, by Kafka's number."),
    int("share.coordinator.state.topic.prune.interval.ms").default("300000").at_least(1).low().internal().later(SHARE)
        .doc("How often that log loses what is no longer needed."),
    int("share.coordinator.state.topic.segment.bytes").default("104857600").at_least(1).high().later(SHARE)
        .doc("The largest segment file of the log of share groups' state."),
    int("share.coordinator.threads").default("1").at_least(1).later(SHARE)
        .doc("Kafka's threads that run share coordinators."),
    int("share.coordinator.write.timeout.ms").default("5000").at_least(1).high().later(SHARE)
        .doc("How long the share coordinator waits for its records' replicas."),
    int("share.fetch.purgatory.purge.interval.requests").default("1000").later(SHARE)
        .doc("After how many requests Kafka tidies its waiting share fetches."),
    // -- transactions
    int("add.partitions.to.txn.retry.backoff.max.ms").default("100").at_least(0).high().later(TRANSACTIONS)
        .doc("The longest pause before a partition's part in a transaction is verified again."),
    int("add.partitions.to.txn.retry.backoff.ms").default("20").at_least(1).high().later(TRANSACTIONS)
        .doc("The first pause before a partition's part in a transaction is verified again."),
    int("producer.id.expiration.check.interval.ms").default("600000").at_least(1).low().internal()
        .doc("How often idle producers are looked for."),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms").default("10000").at_least(1).low().later(TRANSACTIONS)
        .doc("How often transactions that took too long are looked for."),
    int("transaction.remove.expired.transaction.cleanup.interval.ms").default("3600000").at_least(1).low().later(TRANSACTIONS)
        .doc("How often idle transactional ids are looked for."),
    int("transaction.state.log.load.buffer.size").default("5242880").at_least(1).high().later(TRANSACTIONS)
        .doc("Bytes read at once when a coordinator loads transactions."),
    boolean("transaction.two.phase.commit.enable").default("false").low().later(TRANSACTIONS)
        .doc("Whether transactions may be prepared by an outside coordinator."),
    // -- a group's own
    int("consumer.heartbeat.interval.ms").default("5000").at_least(1).group("group.consumer.heartbeat.interval.ms")
        .doc("How often members of this consumer group are told to send a heartbeat."),
    int("consumer.session.timeout.ms").default("45000").at_least(1).group("group.consumer.session.timeout.ms")
        .doc("How long a member of this consumer group may be silent."),
    string("share.auto.offset.reset").default("latest").check(Check::OffsetReset).group("").later(SHARE)
        .doc("Where this share group begins: latest, earliest or by_duration:PnDTnHnMn.nS."),
    int("share.heartbeat.interval.ms").default("5000").at_least(1).group("group.share.heartbeat.interval.ms").later(SHARE)
        .doc("How often members of this share group are told to send a heartbeat."),
    string("share.isolation.level").default("read_uncommitted").one_of(ISOLATIONS).group("").later(SHARE)
        .doc("Whether this share group sees records of open and aborted transactions."),
    int("share.record.lock.duration.ms").default("30000").at_least(1000).group("group.share.record.lock.duration.ms").later(SHARE)
        .doc("How long a record is locked for the member of this share group that fetched it."),
    int("share.session.timeout.ms").default("45000").at_least(1).group("group.share.session.timeout.ms").later(SHARE)
        .doc("How long a member of this share group may be silent."),
    int("streams.heartbeat.interval.ms").default("5000").at_least(1).group("group.streams.heartbeat.interval.ms").later(STREAMS)
        .doc("How often members of this streams group are told to send a heartbeat."),
    int("streams.initial.rebalance.delay.ms").default("3000").at_least(0).group("group.streams.initial.rebalance.delay.ms").later(STREAMS)
        .doc("How long this streams group waits for more members when it is new."),
    int("streams.num.standby.replicas").default("0").at_least(0).group("group.streams.num.standby.replicas").later(STREAMS)
        .doc("Standby replicas of each task of this streams group."),
    int("streams.session.timeout.ms").default("45000").at_least(1).group("group.streams.session.timeout.ms").later(STREAMS)
        .doc("How long a member of this streams group may be silent."),
    // -- a client metrics subscription's own
    int("interval.ms").default("300000").client_metrics().later(METRICS)
        .doc("How often clients push their metrics."),
    list("match").default("").client_metrics().later(METRICS)
        .doc("Which clients, as selector=expression, ...; empty for all."),
    list("metrics").default("").client_metrics().later(METRICS)
        .doc("Which metrics, by the beginnings of their names; * for all, empty for none."),
    int("telemetry.max.bytes").default("1048576").at_least(1).low().later(METRICS)
        .doc("The largest push of metrics, compressed."),
];
