//! Kafka's properties of replication, tiered storage, quotas' windows, metrics and plug-ins, beyond
//! those that the main table has. They are accepted, checked and described; each says why it has no
//! effect.

use super::super::property::{Property, boolean, class, double, int, list, long, string};
use super::{LONGEST, METRICS, QUOTAS, REPLICATION, SNAPSHOTS, TIERED};

const QUORUM: &str = "the broker and its controller are one process";
const PLUGINS: &str = "there is no JVM to run a plug-in";
const STARTS: &str = "a start either succeeds or fails by itself";
const UNSTABLE: &str = "there are no unstable APIs or features";

#[rustfmt::skip] // one property per two lines reads as a table
pub(super) const TABLE: &[Property] = &[
    // -- replication
    int("controller.socket.timeout.ms").default("30000").not_needed(QUORUM)
        .doc("How long a request to the controller may take."),
    int("num.replica.alter.log.dirs.threads").high().later(REPLICATION)
        .doc("Threads that move replicas between log directories."),
    int("replica.fetch.backoff.ms").default("1000").at_least(0).later(REPLICATION)
        .doc("How long a follower pauses after an error."),
    string("replica.selector.class").later(REPLICATION)
        .doc("The Java class that chooses which replica a consumer reads."),
    int("replica.socket.receive.buffer.bytes").default("65536").high().later(REPLICATION)
        .doc("SO_RCVBUF of a follower's connection."),
    long("socket.connection.setup.timeout.max.ms").default("30000").later(REPLICATION)
        .doc("The longest that connecting to another broker may take after failures."),
    long("socket.connection.setup.timeout.ms").default("10000").later(REPLICATION)
        .doc("How long connecting to another broker may take."),
    long("unclean.leader.election.interval.ms").default("300000").at_least(1).internal().later(REPLICATION)
        .doc("How often leaders out of sync are elected where that is allowed."),
    // -- quotas
    int("alter.log.dirs.replication.quota.window.num").default("11").at_least(1).low().later(QUOTAS)
        .doc("Windows that are remembered of moves between log directories."),
    int("alter.log.dirs.replication.quota.window.size.seconds").default("1").at_least(1).low().later(QUOTAS)
        .doc("The length of each."),
    class("client.quota.callback.class").low().later(PLUGINS)
        .doc("The Java class that decides quotas."),
    int("controller.quota.window.num").default("11").at_least(1).low().later(QUOTAS)
        .doc("Windows that are remembered of changes of the cluster."),
    int("controller.quota.window.size.seconds").default("1").at_least(1).low().later(QUOTAS)
        .doc("The length of each."),
    int("replication.quota.window.num").default("11").at_least(1).low().later(QUOTAS)
        .doc("Windows that are remembered of replication."),
    int("replication.quota.window.size.seconds").default("1").at_least(1).low().later(QUOTAS)
        .doc("The length of each."),
    // -- metrics and plug-ins
    list("config.providers").default("").low().cluster_wide().later(PLUGINS)
        .doc("Names of Java classes that fill in values; here they are read as they stand."),
    long("controller.performance.always.log.threshold.ms").default("2000").at_least(0).internal().later(METRICS)
        .doc("The time from which a slow event of the controller is logged."),
    long("controller.performance.sample.period.ms").default("60000").at_least(100).internal().later(METRICS)
        .doc("How often the controller's slowest event is logged."),
    int("kafka.metrics.polling.interval.secs").default("10").at_least(1).low().later(METRICS)
        .doc("How often Kafka's older reporters are asked."),
    list("kafka.metrics.reporters").default("").low().later(METRICS)
        .doc("Java classes of Kafka's older reporters."),
    list("metric.reporters").default("org.apache.kafka.common.metrics.JmxReporter").low().cluster_wide().later(METRICS)
        .doc("Java classes that report metrics."),
    int("metrics.num.samples").default("2").at_least(1).low().later(METRICS)
        .doc("Samples kept of each metric."),
    string("metrics.recording.level").default("INFO").low().later(METRICS)
        .doc("How much is recorded: INFO, DEBUG or TRACE."),
    long("metrics.sample.window.ms").default("30000").at_least(1).low().later(METRICS)
        .doc("The length of a sample."),
    // -- the metadata log, starts
    long("internal.metadata.delete.delay.millis").default("60000").low().internal().later(SNAPSHOTS)
        .doc("How long deleted files of the metadata log stay."),
    int("internal.metadata.log.segment.bytes").low().internal().later(SNAPSHOTS)
        .doc("Overrides metadata.log.segment.bytes without its lower bound, for tests."),
    int("internal.metadata.max.batch.size.in.bytes").default("8388608").low().internal().later(SNAPSHOTS)
        .doc("The largest batch of metadata records."),
    int("internal.metadata.max.fetch.size.in.bytes").default("8388608").low().internal().later(SNAPSHOTS)
        .doc("The most that one fetch of metadata records brings."),
    long("log.initial.task.delay.ms").default("30000").at_least(0).low().internal().not_needed("chores start with the broker")
        .doc("How long after a start the first chores run."),
    long("server.max.startup.time.ms").default(LONGEST).at_least(0).internal().not_needed(STARTS)
        .doc("How long a start may take."),
    boolean("unstable.api.versions.enable").default("false").high().internal().not_needed(UNSTABLE)
        .doc("Whether versions of APIs that may still change are served."),
    boolean("unstable.feature.versions.enable").default("false").high().internal().not_needed(UNSTABLE)
        .doc("Whether levels of features that may still change are allowed."),
    // -- tiered storage
    int("remote.fetch.max.wait.ms").default("500").at_least(1).cluster_wide().later(TIERED)
        .doc("How long a fetch waits for tiered records."),
    long("remote.list.offsets.request.timeout.ms").default("30000").at_least(1).cluster_wide().later(TIERED)
        .doc("How long a look-up of offsets waits for tiered storage."),
    long("remote.log.index.file.cache.total.size.bytes").default("1073741824").at_least(1).low().cluster_wide().later(TIERED)
        .doc("Disk space for indexes of tiered segments."),
    int("remote.log.manager.copier.thread.pool.size").default("10").at_least(1).cluster_wide().later(TIERED)
        .doc("Threads that copy segments to tiered storage."),
    long("remote.log.manager.copy.max.bytes.per.second").default(LONGEST).at_least(1).cluster_wide().later(TIERED)
        .doc("The most that is copied to tiered storage in a second."),
    int("remote.log.manager.copy.quota.window.num").default("11").at_least(1).later(TIERED)
        .doc("Windows that are remembered of copying."),
    int("remote.log.manager.copy.quota.window.size.seconds").default("1").at_least(1).later(TIERED)
        .doc("The length of each."),
    int("remote.log.manager.expiration.thread.pool.size").default("10").at_least(1).cluster_wide().later(TIERED)
        .doc("Threads that delete expired tiered segments."),
    long("remote.log.manager.fetch.max.bytes.per.second").default(LONGEST).at_least(1).cluster_wide().later(TIERED)
        .doc("The most that is fetched from tiered storage in a second."),
    int("remote.log.manager.fetch.quota.window.num").default("11").at_least(1).later(TIERED)
        .doc("Windows that are remembered of fetching."),
    int("remote.log.manager.fetch.quota.window.size.seconds").default("1").at_least(1).later(TIERED)
        .doc("The length of each."),
    int("remote.log.manager.follower.thread.pool.size").default("2").at_least(1).cluster_wide().later(TIERED)
        .doc("Threads for tiered partitions that this broker follows."),
    long("remote.log.manager.task.interval.ms").default("30000").at_least(1).low().later(TIERED)
        .doc("How often tiered storage is tended."),
    long("remote.log.manager.task.retry.backoff.max.ms").default("30000").at_least(1).low().internal().later(TIERED)
        .doc("The longest pause after a failure of tiered storage."),
    long("remote.log.manager.task.retry.backoff.ms").default("500").at_least(1).low().internal().later(TIERED)
        .doc("The first pause after a failure of tiered storage."),
    double("remote.log.manager.task.retry.jitter").default("0.2").between(0, 1).low().internal().later(TIERED)
        .doc("The share of chance in those pauses."),
    int("remote.log.manager.thread.pool.size").default("2").at_least(1).later(TIERED)
        .doc("Threads that tend tiered storage."),
    int("remote.log.metadata.custom.metadata.max.bytes").default("128").at_least(0).low().later(TIERED)
        .doc("The most that a storage plug-in may note of a segment."),
    string("remote.log.metadata.manager.class.name").default("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager").later(TIERED)
        .doc("The Java class that keeps track of tiered segments."),
    string("remote.log.metadata.manager.class.path").later(TIERED)
        .doc("Where that class is found."),
    string("remote.log.metadata.manager.impl.prefix").default("rlmm.config.").later(TIERED)
        .doc("What that class's own properties begin with."),
    string("remote.log.metadata.manager.listener.name").later(TIERED)
        .doc("The listener over which that class reaches the cluster."),
    int("remote.log.reader.max.pending.tasks").default("100").at_least(1).later(TIERED)
        .doc("Reads of tiered storage that may wait."),
    int("remote.log.reader.threads").default("10").at_least(1).cluster_wide().later(TIERED)
        .doc("Threads that read tiered storage."),
    string("remote.log.storage.manager.class.name").later(TIERED)
        .doc("The Java class that stores tiered segments."),
    string("remote.log.storage.manager.class.path").later(TIERED)
        .doc("Where that class is found."),
    string("remote.log.storage.manager.impl.prefix").default("rsm.config.").later(TIERED)
        .doc("What that class's own properties begin with."),
    boolean("remote.log.storage.system.enable").default("false").later(TIERED)
        .doc("Whether there is tiered storage; true has no effect."),
];
