//! The broker's configuration as typed fields, units in the names.

use super::cleaner::CleanerConfig;
use super::consumer_groups::ConsumerGroups;
use super::listeners::{self, Listener};
use super::load::{ConfigError, Machine, Note, Settings};
use super::property::list_elements;
use super::topic::TopicConfig;
use crate::types::NodeId;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Everything that a broker is told at its start. Of the properties in the table, those that it uses.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: NodeId,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// The listeners to open, at least one, all PLAINTEXT.
    pub listeners: Vec<Listener>,
    /// What clients are told for each of `listeners`, in the same order. A port of 0 stands for the one
    /// that was bound.
    pub advertised_listeners: Vec<Listener>,
    /// `inter.broker.listener.name`, one of `listeners`.
    pub inter_broker_listener: String,
    /// Listeners that were configured for controllers: never opened.
    pub controller_listeners: Vec<Listener>,

    /// `socket.request.max.bytes`.
    pub socket_request_bytes_max: u32,
    /// `socket.send.buffer.bytes`; `None` leaves it to the kernel.
    pub socket_send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the kernel.
    pub socket_receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`.
    pub socket_listen_backlog: u32,
    /// `max.connections`.
    pub connections_max: u32,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: u32,
    /// `max.connections.per.ip.overrides`.
    pub connections_per_ip_overrides: BTreeMap<IpAddr, u32>,
    /// `connections.max.idle.ms`; `None` closes none.
    pub connections_idle_ms_max: Option<u64>,
    /// `queued.max.request.bytes`; `None` leaves the bound to the broker.
    pub queued_request_bytes_max: Option<u64>,

    /// `num.shards`.
    pub shards: u16,
    /// `shard.spin.us`.
    pub shard_spin_us: u32,
    /// `log.append.mode`.
    pub append_mode: AppendMode,
    /// `fetch.cold.mode`.
    pub fetch_cold_mode: FetchColdMode,
    /// `millstream.produce.validation=records`: compressed batches are inflated and checked record by
    /// record, instead of by header, size and CRC alone.
    pub validate_records: bool,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: u32,
    /// `millstream.metrics.listener`; `None` if nobody shall watch.
    pub metrics_listener: Option<Address>,

    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `num.partitions`.
    pub partitions_default: i32,
    /// `default.replication.factor`.
    pub replication_factor_default: i16,

    /// `log.dirs`, at least one, no two alike.
    pub log_dirs: Vec<PathBuf>,
    /// Where `__cluster_metadata-0` is: `metadata.log.dir`, else the first of `log_dirs`.
    pub metadata_log_dir: PathBuf,
    /// `metadata.log.segment.bytes`.
    pub metadata_segment_bytes: u32,
    /// `metadata.log.segment.ms`.
    pub metadata_segment_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_point_checkpoint_ms: u32,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub log_start_checkpoint_ms: u32,
    /// `log.retention.check.interval.ms`.
    pub retention_check_ms: u64,
    /// Compaction.
    pub cleaner: CleanerConfig,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_ms: i64,
    /// `quota.window.num`, at least 1.
    pub quota_samples: u32,
    /// `quota.window.size.seconds` in ms, at least 1000.
    pub quota_window_ms: u64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`, at least 1.
    pub producer_id_expiration_check_ms: u64,
    /// `transaction.max.timeout.ms`, at least 1.
    pub transaction_timeout_ms_max: i32,

    /// `group.min.session.timeout.ms`.
    pub group_session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`.
    pub group_session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.max.size`, at least 1.
    pub group_size_max: i32,
    /// Consumer groups (KIP-848).
    pub consumer_groups: ConsumerGroups,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_bytes_max: i32,
    /// `offsets.retention.minutes` in ms.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`, at least 1.
    pub offsets_retention_check_ms: i64,
    /// `offsets.topic.num.partitions`, at least 1.
    pub offsets_topic_partitions: i32,
    /// `offsets.topic.replication.factor`, at least 1.
    pub offsets_topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: u32,
    /// `offsets.topic.compression.codec`, by its number in a batch's attributes.
    pub offsets_topic_codec: u8,

    /// `max.request.partition.size.limit`.
    pub partitions_per_page_max: i32,
    /// `fetch.max.bytes`.
    pub fetch_bytes_max: u64,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: u32,

    /// What a topic without settings of its own has.
    pub topic_defaults: TopicConfig,

    /// What was set in the file or by `--override`, in normal form, unknown names included: the static
    /// configuration that DescribeConfigs reports.
    pub(super) set: BTreeMap<String, String>,
    /// The dynamic defaults of all brokers, in normal form.
    pub(super) cluster: BTreeMap<String, String>,
    /// This broker's own dynamic settings, in normal form.
    pub(super) own: BTreeMap<String, String>,
}

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// A name or an address, without the brackets of IPv6. Empty: every address of the machine.
    pub host: String,
    /// The port; 0 lets the kernel choose one.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

impl Address {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        if bare.is_none() && host.contains([':', '[', ']', '/', ' ']) {
            return None;
        }
        Some(Address {
            host: bare.unwrap_or(host).to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// `log.append.mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppendMode {
    /// What the file system does better.
    Auto,
    /// Always through io_uring.
    Uring,
    /// Always by a direct write.
    Inline,
}

/// `fetch.cold.mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchColdMode {
    /// Read into memory, then sent.
    Read,
    /// By splice(2) through a pipe.
    Splice,
}

impl BrokerConfig {
    /// A configuration of these settings over the defaults, on a machine called `localhost` with one
    /// core: for tests and the simulation.
    pub fn of(settings: &[(&str, &str)]) -> Result<BrokerConfig, ConfigError> {
        let overrides: Vec<_> = settings
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let machine = Machine {
            host_name: || "localhost".into(),
            cores: 1,
        };
        Ok(super::load::load(None, &overrides, &machine)?.config)
    }

    pub(super) fn from_settings(
        settings: Settings,
        machine: &Machine,
        notes: &mut Vec<Note>,
    ) -> Result<BrokerConfig, ConfigError> {
        let node_id = node_id(&settings)?;
        roles(&settings)?;
        let listeners = listeners::resolve(&settings, machine, notes)?;
        quorum(&settings, node_id, &listeners.controller)?;
        let log_dirs = log_dirs(&settings)?;
        let topic_defaults = TopicConfig::broker_defaults(&settings)?;
        Ok(BrokerConfig {
            node_id,
            rack: settings.get("broker.rack").map(str::to_owned),
            listeners: listeners.opened,
            advertised_listeners: listeners.advertised,
            inter_broker_listener: listeners.inter_broker,
            controller_listeners: listeners.controller,

            socket_request_bytes_max: settings.number("socket.request.max.bytes"),
            socket_send_buffer_bytes: socket_buffer(&settings, "socket.send.buffer.bytes")?,
            socket_receive_buffer_bytes: socket_buffer(&settings, "socket.receive.buffer.bytes")?,
            socket_listen_backlog: settings.number("socket.listen.backlog.size"),
            connections_max: settings.number("max.connections"),
            connections_per_ip_max: settings.number("max.connections.per.ip"),
            connections_per_ip_overrides: per_ip_overrides(&settings)?,
            connections_idle_ms_max: unless_negative(&settings, "connections.max.idle.ms"),
            queued_request_bytes_max: unless_negative(&settings, "queued.max.request.bytes")
                .filter(|bytes| *bytes > 0),

            shards: settings
                .number_or_null("num.shards")
                .unwrap_or(machine.cores.clamp(1, 1024) as u16),
            shard_spin_us: settings.number("shard.spin.us"),
            append_mode: match settings.get("log.append.mode") {
                Some("uring") => AppendMode::Uring,
                Some("inline") => AppendMode::Inline,
                _ => AppendMode::Auto,
            },
            fetch_cold_mode: match settings.get("fetch.cold.mode") {
                Some("splice") => FetchColdMode::Splice,
                _ => FetchColdMode::Read,
            },
            validate_records: settings.get("millstream.produce.validation") == Some("records"),
            recovery_threads_per_dir: settings.number("num.recovery.threads.per.data.dir"),
            metrics_listener: metrics_listener(&settings)?,

            auto_create_topics: settings.flag("auto.create.topics.enable"),
            delete_topic_enable: settings.flag("delete.topic.enable"),
            partitions_default: settings.number("num.partitions"),
            replication_factor_default: replication_factor(&settings)?,

            metadata_log_dir: match settings.get("metadata.log.dir") {
                Some(dir) => PathBuf::from(dir),
                None => log_dirs[0].clone(),
            },
            log_dirs,
            metadata_segment_bytes: settings.number("metadata.log.segment.bytes"),
            metadata_segment_ms: settings.number("metadata.log.segment.ms"),
            recovery_point_checkpoint_ms: settings
                .number("log.flush.offset.checkpoint.interval.ms"),
            log_start_checkpoint_ms: settings
                .number("log.flush.start.offset.checkpoint.interval.ms"),
            retention_check_ms: settings.number("log.retention.check.interval.ms"),
            cleaner: CleanerConfig::new(|name| settings.get(name)),
            high_watermark_checkpoint_ms: settings
                .number("replica.high.watermark.checkpoint.interval.ms"),
            quota_samples: settings.number("quota.window.num"),
            quota_window_ms: settings.number::<u64>("quota.window.size.seconds") * 1000,
            producer_id_expiration_ms: settings.number("producer.id.expiration.ms"),
            producer_id_expiration_check_ms: settings
                .number("producer.id.expiration.check.interval.ms"),
            transaction_timeout_ms_max: settings.number("transaction.max.timeout.ms"),

            group_session_timeout_ms_min: settings.number("group.min.session.timeout.ms"),
            group_session_timeout_ms_max: settings.number("group.max.session.timeout.ms"),
            group_initial_rebalance_delay_ms: settings.number("group.initial.rebalance.delay.ms"),
            group_size_max: settings.number("group.max.size"),
            consumer_groups: ConsumerGroups::new(&settings)?,
            offset_metadata_bytes_max: settings.number("offset.metadata.max.bytes"),
            offsets_retention_ms: settings.number::<i64>("offsets.retention.minutes") * 60_000,
            offsets_retention_check_ms: settings.number("offsets.retention.check.interval.ms"),
            offsets_topic_partitions: settings.number("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: settings.number("offsets.topic.replication.factor"),
            offsets_topic_segment_bytes: settings.number("offsets.topic.segment.bytes"),
            offsets_topic_codec: settings.number("offsets.topic.compression.codec"),

            partitions_per_page_max: settings.number("max.request.partition.size.limit"),
            fetch_bytes_max: settings.number("fetch.max.bytes"),
            fetch_sessions_max: settings.number("max.incremental.fetch.session.cache.slots"),

            topic_defaults,
            set: both_ids(settings.into_values()),
            cluster: BTreeMap::new(),
            own: BTreeMap::new(),
        })
    }
}

fn node_id(settings: &Settings) -> Result<NodeId, ConfigError> {
    let node_id: Option<i32> = settings
        .explicit("node.id")
        .map(|_| settings.number("node.id"));
    let broker_id: Option<i32> = settings
        .explicit("broker.id")
        .map(|_| settings.number("broker.id"));
    match (node_id, broker_id) {
        (Some(node), Some(broker)) if node != broker => Err(settings.refuse(
            "broker.id",
            format!("{broker} differs from node.id={node}: set node.id alone"),
        )),
        (None, Some(broker)) if broker < 0 => Err(settings.refuse(
            "broker.id",
            "ids are not generated: set node.id to a number from 0 on",
        )),
        (None, None) => Ok(NodeId(settings.number("node.id"))),
        (Some(id), _) | (None, Some(id)) => Ok(NodeId(id)),
    }
}

/// Kafka reports either name of the id as set when the other is.
fn both_ids(mut set: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (one, other) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let Some(id) = set.get(one).cloned() {
            set.entry(other.into()).or_insert(id);
        }
    }
    set
}

fn metrics_listener(settings: &Settings) -> Result<Option<Address>, ConfigError> {
    const NAME: &str = "millstream.metrics.listener";
    match settings.get(NAME).unwrap_or("").trim() {
        "" => Ok(None),
        text => match Address::parse(text) {
            Some(address) => Ok(Some(address)),
            None => Err(settings.refuse(NAME, format!("'{text}' is not host:port"))),
        },
    }
}

fn roles(settings: &Settings) -> Result<(), ConfigError> {
    let roles = list_elements(settings.get("process.roles").unwrap_or(""));
    if roles.contains(&"broker") && roles.contains(&"controller") {
        return Ok(());
    }
    Err(settings.refuse(
        "process.roles",
        "this release is broker and controller in one: set process.roles=broker,controller",
    ))
}

/// Whoever else is named a voter would be waited for in vain: refuse.
fn quorum(
    settings: &Settings,
    node_id: NodeId,
    controller: &[Listener],
) -> Result<(), ConfigError> {
    const VOTERS: &str = "controller.quorum.voters";
    const SERVERS: &str = "controller.quorum.bootstrap.servers";
    const ALONE: &str = "this release is its own and only controller";
    for voter in list_elements(settings.get(VOTERS).unwrap_or("")) {
        let id = voter.split_once('@').and_then(|(id, address)| {
            address.rsplit_once(':')?.1.parse::<u16>().ok()?;
            id.parse::<i32>().ok()
        });
        match id {
            None => return Err(settings.refuse(VOTERS, format!("'{voter}' is not id@host:port"))),
            Some(id) if id != node_id.0 => {
                let reason = format!("{voter} is another node than {node_id}: {ALONE}");
                return Err(settings.refuse(VOTERS, reason));
            }
            Some(_) => {}
        }
    }
    let servers = list_elements(settings.get(SERVERS).unwrap_or(""));
    for server in &servers {
        let port = server
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        let Some(port) = port else {
            return Err(settings.refuse(SERVERS, format!("'{server}' is not host:port")));
        };
        let own = controller.is_empty() || controller.iter().any(|own| own.port == port);
        if servers.len() > 1 || !own {
            let reason = format!("{} names another node: {ALONE}", servers.join(","));
            return Err(settings.refuse(SERVERS, reason));
        }
    }
    Ok(())
}

fn log_dirs(settings: &Settings) -> Result<Vec<PathBuf>, ConfigError> {
    let name = match settings.get("log.dirs") {
        Some(_) => "log.dirs",
        None => "log.dir",
    };
    let mut dirs = Vec::new();
    for dir in list_elements(settings.get(name).unwrap_or("")) {
        let dir = PathBuf::from(dir);
        if dirs.contains(&dir) {
            return Err(settings.refuse(name, format!("{} stands twice", dir.display())));
        }
        if dir.as_os_str().is_empty() {
            return Err(settings.refuse(name, "an empty name stands between the commas"));
        }
        dirs.push(dir);
    }
    if dirs.is_empty() {
        return Err(settings.refuse(name, "names no directory"));
    }
    Ok(dirs)
}

fn replication_factor(settings: &Settings) -> Result<i16, ConfigError> {
    const NAME: &str = "default.replication.factor";
    let factor: i64 = settings.number(NAME);
    match i16::try_from(factor) {
        Ok(factor) if factor >= 1 => Ok(factor),
        _ => Err(settings.refuse(NAME, format!("{factor} is not within 1 to 32767"))),
    }
}

fn socket_buffer(settings: &Settings, name: &str) -> Result<Option<u32>, ConfigError> {
    match settings.number::<i64>(name) {
        -1 => Ok(None),
        bytes if bytes > 0 => Ok(Some(bytes as u32)),
        bytes => Err(settings.refuse(name, format!("{bytes} is neither -1 nor a size in bytes"))),
    }
}

fn per_ip_overrides(settings: &Settings) -> Result<BTreeMap<IpAddr, u32>, ConfigError> {
    const NAME: &str = "max.connections.per.ip.overrides";
    parse_per_ip_overrides(settings.get(NAME).unwrap_or(""))
        .map_err(|why| settings.refuse(NAME, why))
}

/// `address:count, ...`, or why it is not.
pub(super) fn parse_per_ip_overrides(text: &str) -> Result<BTreeMap<IpAddr, u32>, String> {
    let mut overrides = BTreeMap::new();
    for text in list_elements(text) {
        let parsed = text.rsplit_once(':').and_then(|(host, count)| {
            let host = host.trim().trim_start_matches('[').trim_end_matches(']');
            Some((host.parse().ok()?, count.trim().parse().ok()?))
        });
        let Some((host, count)) = parsed else {
            return Err(format!("'{text}' is not address:count"));
        };
        overrides.insert(host, count);
    }
    Ok(overrides)
}

fn unless_negative(settings: &Settings, name: &str) -> Option<u64> {
    u64::try_from(settings.number::<i64>(name)).ok()
}
