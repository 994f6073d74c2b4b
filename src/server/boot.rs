//! From log directories to workers: lock, identity, metadata, then every partition's log.
//!
//! The order is Kafka's (`facts` of its start-up): a directory is locked before anything in it is
//! touched; the clean-shutdown marker is noted and removed before logs are opened, so that a crash
//! from here on is a crash; the metadata log is always recovered from its start. A partition's
//! directory is believed only if its topic id is the image's: others are set aside as `-stray`,
//! never deleted.

use crate::api::{Endpoint, Identity};
use crate::config::{BrokerConfig, TopicConfig};
use crate::io::{Disk, Socket};
use crate::limits;
use crate::log::{self, FileKind, LogConfig, OffsetCheckpoint};
use crate::metadata::{
    self, CleanShutdown, Image, MetaProperties, Quorum, QuorumState, Resource, State, VoterNode,
};
use crate::server::{Progress, Worker};
use crate::shard::{
    CLEANED, Checkpoints, Controller, ControllerSeed, FoundPartition, Known, LOCK, LOG_STARTS,
    Placement, RECOVERY_POINTS, Random, Shard, log_config, owner_of,
};
use crate::store::{self, Store, files};
use crate::types::{
    LeaderEpoch, NodeId, Now, Offset, PartitionId, PartitionIndex, ShardId, TopicId, Uuid,
};
use crate::wire::MetadataRecord;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a broker does not start: one line that says what to do.
#[derive(Debug)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A listening socket, and what clients are told of it.
pub struct Listening {
    /// The socket.
    pub socket: Socket,
    /// Where clients connect to.
    pub advertised: Endpoint,
}

/// Opens the log directories and makes the workers. As many logs are loaded at once as is configured,
/// but no more than `threads_max`; `seed` is all the randomness of the broker; `progress` is kept up
/// to date.
///
/// # Errors
/// Whatever keeps the broker from serving what is there.
pub fn boot(
    config: &Arc<BrokerConfig>,
    disk: &dyn Disk,
    threads_max: usize,
    listeners: Vec<Listening>,
    seed: u64,
    now: Now,
    progress: &Progress,
) -> Result<Vec<Worker>, StartError> {
    let mut random = Random::new(seed);
    let directories = open_directories(config, disk, &mut random)?;
    let placement = Placement {
        log_dirs: directories
            .iter()
            .map(|it| (it.path.clone(), it.id))
            .collect(),
    };
    let advertised: Vec<Endpoint> = listeners.iter().map(|it| it.advertised.clone()).collect();
    let metadata = open_metadata(config, disk, &directories, &advertised, &mut random, now)?;
    let image = Arc::new(metadata.state.image.clone());
    let image_offset = Offset(metadata.state.position.end.0 - 1);
    let config = &crate::shard::effective(config, &image);
    let opener = Opener {
        config,
        disk,
        placement: &placement,
        directories: &directories,
        image: &image,
        now,
        progress,
    };
    let threads = config.recovery_threads_per_dir as usize * directories.len();
    let threads = threads.min(threads_max);
    let found = opener.open_partitions(threads)?;
    tracing::info!(partitions = found.len(), threads, "the logs are loaded");
    let points = recovery_points(directories.len(), &found);
    lower_recovery_points(disk, &directories, &points)?;
    let starts = log_starts(directories.len(), &found);
    clear_log_starts(disk, &directories, &starts)?;
    let cleaned = cleaned(directories.len(), &found);
    let checkpoints = Checkpoints::new(points, starts, cleaned);

    let identity = Arc::new(Identity {
        node: config.node_id,
        cluster_id: Arc::from(directories[0].cluster_id.as_str()),
        advertised,
    });
    let mut metadata = Some(metadata);
    let mut checkpoints = Some(checkpoints);
    let mut sockets = Some(
        listeners
            .into_iter()
            .map(|it| it.socket)
            .collect::<Vec<_>>(),
    );
    let mut shards: Vec<(Shard, u64)> = (0..config.shards)
        .map(|id| {
            let controller = metadata.take().map(|metadata| {
                let seed = random.draw();
                Controller::new(ControllerSeed { seed, ..metadata })
            });
            let shard = Shard::new(
                ShardId(id),
                config.clone(),
                (image.clone(), image_offset),
                placement.clone(),
                controller,
                checkpoints.take().unwrap_or_default(),
                random.draw(),
            );
            (shard, random.draw())
        })
        .collect();
    for partition in found {
        let owner = owner_of(partition.id, config.shards);
        shards[owner.0 as usize].0.adopt(partition);
    }
    Ok(shards
        .into_iter()
        .map(|(shard, seed)| {
            let sockets = sockets.take().unwrap_or_default();
            Worker::new(shard, config.clone(), identity.clone(), sockets, seed)
        })
        .collect())
}

// -- log directories

/// A log directory that is ours.
struct Directory {
    path: PathBuf,
    id: Uuid,
    cluster_id: String,
    /// The last stop was a clean one.
    clean: bool,
    recovery_points: OffsetCheckpoint,
    log_starts: OffsetCheckpoint,
    /// Up to where logs have been compacted.
    cleaned: OffsetCheckpoint,
}

fn open_directories(
    config: &BrokerConfig,
    disk: &dyn Disk,
    random: &mut Random,
) -> Result<Vec<Directory>, StartError> {
    let mut metas = Vec::new();
    for path in &config.log_dirs {
        make_directories(disk, path).map_err(|error| at(path, &error))?;
        lock(disk, path)?;
        let text = files::read_if_there(disk, &path.join(MetaProperties::NAME))
            .map_err(|error| at(path, &error))?;
        let meta = text.map(|text| {
            MetaProperties::parse(&String::from_utf8_lossy(&text))
                .map_err(|fault| StartError(format!("{}: {fault}", path.display())))
        });
        metas.push(meta.transpose()?);
    }
    let known: Vec<MetaProperties> = metas.iter().flatten().cloned().collect();
    metadata::check_directories(&known, config.node_id)
        .map_err(|refused| StartError(refused.to_string()))?;
    let cluster_id = match known.first() {
        Some(meta) => meta.cluster_id.clone(),
        None => Uuid::from_random(random.bytes()).to_string(),
    };
    let mut directories = Vec::new();
    for (path, meta) in config.log_dirs.iter().zip(metas) {
        let id = meta.as_ref().and_then(|meta| meta.directory_id);
        let directory_id = id.unwrap_or_else(|| Uuid::from_random(random.bytes()));
        if id.is_none() {
            let meta = MetaProperties {
                cluster_id: cluster_id.clone(),
                node_id: config.node_id,
                directory_id: Some(directory_id),
            };
            files::replace(
                disk,
                &path.join(MetaProperties::NAME),
                meta.format().as_bytes(),
            )
            .map_err(|error| at(path, &error))?;
        }
        let checkpoint = |name: &str| read_checkpoint(disk, &path.join(name));
        directories.push(Directory {
            id: directory_id,
            cluster_id: cluster_id.clone(),
            recovery_points: checkpoint(RECOVERY_POINTS)?,
            log_starts: checkpoint(LOG_STARTS)?,
            cleaned: checkpoint(CLEANED)?,
            clean: take_marker(disk, path)?,
            path: path.clone(),
        });
    }
    Ok(directories)
}

/// mkdir -p, durably.
fn make_directories(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let parent = path.parent().map(|parent| match parent {
        here if here.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    });
    match disk.create_directory(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_directories(disk, parent.ok_or(error)?)?;
            disk.create_directory(path)?;
        }
        result => result?,
    }
    parent.map_or(Ok(()), |parent| disk.sync_directory(parent))
}

/// Takes the lock, which stays taken as long as the process lives: the file is never closed.
fn lock(disk: &dyn Disk, path: &Path) -> Result<(), StartError> {
    match disk.lock(&path.join(LOCK)) {
        Ok(file) => {
            std::mem::forget(file);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(StartError(format!(
            "{} is in use by another broker (its .lock is held): stop that one, or set log.dirs to \
             another directory",
            path.display()
        ))),
        Err(error) => Err(at(path, &error)),
    }
}

/// Whether the last stop was clean. The marker goes: from here on, only a clean stop makes it anew.
fn take_marker(disk: &dyn Disk, path: &Path) -> Result<bool, StartError> {
    match disk.unlink(&path.join(CleanShutdown::NAME)) {
        Ok(()) => {
            disk.sync_directory(path)
                .map_err(|error| at(path, &error))?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at(path, &error)),
    }
}

/// A checkpoint; one that is missing or damaged counts as empty, as in Kafka: its entries are only
/// ever a help.
fn read_checkpoint(disk: &dyn Disk, path: &Path) -> Result<OffsetCheckpoint, StartError> {
    let Some(text) = files::read_if_there(disk, path).map_err(|error| at(path, &error))? else {
        return Ok(OffsetCheckpoint::new());
    };
    let parsed = std::str::from_utf8(&text).ok().and_then(log::parse_offsets);
    Ok(parsed.unwrap_or_else(|| {
        tracing::warn!("{} is damaged and counts as empty", path.display());
        OffsetCheckpoint::new()
    }))
}

// -- the metadata log

fn open_metadata(
    config: &Arc<BrokerConfig>,
    disk: &dyn Disk,
    directories: &[Directory],
    advertised: &[Endpoint],
    random: &mut Random,
    now: Now,
) -> Result<ControllerSeed, StartError> {
    let root = &config.metadata_log_dir;
    let path = root.join(metadata::DIRECTORY);
    let fault = |error: &dyn fmt::Display| StartError(format!("{}: {error}", path.display()));
    make_directories(disk, root).map_err(|error| at(root, &error))?;
    let exists = files::read_if_there(disk, &path.join(files::PARTITION_METADATA));
    if exists.map_err(|error| fault(&error))?.is_none() {
        files::create_partition(disk, &path, TopicId::METADATA_TOPIC)
            .map_err(|error| fault(&error))?;
    }
    let settings = metadata_log_config(config);
    let open = |recovery_point: Offset, start: Offset| {
        store::open_partition(
            disk,
            &path,
            settings.clone(),
            recovery_point,
            start,
            false,
            now.wall,
        )
        .map_err(|error| fault(&error))
    };
    // Brought into order first, read second: what is read is what stays.
    let nothing_known = Offset(0);
    let mut found = open(nothing_known, Offset(0))?;
    let mut state = read_state(disk, &path, &found.log).map_err(|error| fault(&error))?;
    let end = state.position.end;
    if found.log.log_end() < end {
        // A log that ends before its snapshot does begins anew behind it, as in Kafka.
        found = open(nothing_known, end)?;
    }
    if found.log.log_end() != end {
        let found = found.log.log_end();
        return Err(fault(&format_args!(
            "its records end at {end}, its files say {found}: restore the directory from a copy"
        )));
    }
    let quorum_path = path.join(QuorumState::NAME);
    let quorum_state = match files::read_if_there(disk, &quorum_path)
        .map_err(|error| fault(&error))?
    {
        Some(text) => Some(
            QuorumState::parse(&String::from_utf8_lossy(&text)).map_err(|error| fault(&error))?,
        ),
        None => None,
    };
    let own = directories
        .iter()
        .find(|it| it.path == *root)
        .unwrap_or(&directories[0]);
    let is_new = state.image.metadata_version() == 0;
    if !is_new {
        let voters = quorum_state.as_ref().and_then(|it| it.voters.as_deref());
        metadata::check_state(&state, config.node_id, Some(own.id), voters)
            .map_err(|refused| fault(&refused))?;
    }
    let epoch = state.next_epoch(quorum_state.as_ref());

    let kraft_version_1 = is_new && state.quorum.voters.is_none() || state.quorum.kraft_version > 0;
    let quorum_state = QuorumState {
        leader: Some(config.node_id),
        epoch: epoch.0,
        voted: None,
        voted_directory: Uuid::ZERO,
        voters: (!kraft_version_1).then(|| vec![config.node_id]),
    };
    files::replace(disk, &quorum_path, quorum_state.format().as_bytes())
        .map_err(|error| fault(&error))?;

    let identity = metadata::Identity {
        node: config.node_id,
        incarnation: Uuid::from_random(random.bytes()),
        endpoints: endpoints(config, advertised),
        controller_endpoints: controller_endpoints(config),
        rack: config.rack.clone(),
        log_dirs: directories.iter().map(|it| it.id).collect(),
    };
    let bootstrap = files::read_if_there(disk, &root.join(metadata::BOOTSTRAP_FILE))
        .map_err(|error| fault(&error))?;
    let mut opening = Opening {
        state,
        bytes: Vec::new(),
        epoch,
        now,
    };
    opening.open_epoch(is_new, config.node_id, own.id, &identity);
    if is_new {
        let from = bootstrap
            .as_deref()
            .map(metadata::read_bootstrap)
            .transpose();
        let from = from.map_err(|error| fault(&error))?.unwrap_or_default();
        metadata::check_bootstrap(&from).map_err(|refused| fault(&refused))?;
        if opening.state.image.in_transaction() {
            // Of a first start that did not come to its end.
            opening.append(&[metadata::abort_transaction()]);
        }
        opening.append(&metadata::bootstrap(&from));
        // What the file says is not written into the log before it is known that it can be served.
        metadata::check_state(&opening.state, config.node_id, Some(own.id), None)
            .map_err(|refused| fault(&refused))?;
    }
    for batch in metadata::start(&opening.state, &identity) {
        opening.append(&batch);
    }
    if found.log.lead(epoch) {
        let epochs = found.log.epochs().text();
        files::replace(disk, &path.join(files::LEADER_EPOCHS), epochs.as_bytes())
            .map_err(|error| fault(&error))?;
    }
    let size = found.log.active_segment().size;
    // What was there may be the work of a process whose sync failed.
    let length = size + opening.bytes.len() as u64;
    files::write_all_at(disk, &found.active, size, &opening.bytes)
        .and_then(|()| files::write_again(disk, &found.active, 0..length))
        .map_err(|error| fault(&error))?;
    let known = found.log.active_segment().base;
    drop(found);
    let opened = open(known, Offset(0))?;
    // Whatever names were made above, or in a start that a crash cut short.
    files::sync_names(disk, &path).map_err(|error| fault(&error))?;
    state = opening.state;
    assert_eq!(
        opened.log.log_end(),
        state.position.end,
        "the log is what was replayed"
    );
    // All of it was written again and synced above.
    let store = Store::new(
        Controller::TOKEN_SLOT,
        path,
        opened.log,
        opened.active,
        state.position.end,
    );
    Ok(ControllerSeed {
        node: config.node_id,
        epoch,
        store,
        state,
        seed: 0,
    })
}

/// What a start appends, collected and replayed.
struct Opening {
    state: State,
    bytes: Vec<u8>,
    epoch: LeaderEpoch,
    now: Now,
}

impl Opening {
    /// The control records with which an epoch opens; a new log says who votes, too.
    fn open_epoch(
        &mut self,
        is_new: bool,
        node: NodeId,
        directory: Uuid,
        identity: &metadata::Identity,
    ) {
        let mut records = vec![metadata::leader_change(node)];
        if is_new && self.state.quorum.voters.is_none() {
            let endpoints = identity.controller_endpoints.iter();
            let voter = VoterNode {
                id: node,
                directory,
                endpoints: endpoints
                    .map(|it| (it.name.clone(), it.host.clone(), it.port))
                    .collect(),
            };
            records.extend(
                Quorum {
                    kraft_version: 1,
                    voters: Some(vec![voter]),
                }
                .records(),
            );
        }
        let base = self.state.position.end;
        self.push(metadata::encode_control_batch(
            &records,
            base,
            self.epoch,
            self.now.wall,
        ));
    }

    fn append(&mut self, records: &[MetadataRecord<'_>]) {
        let batch = self.state.batch_of(records, self.epoch, self.now.wall);
        self.push(batch);
    }

    fn push(&mut self, batch: Vec<u8>) {
        let sound = self
            .state
            .replay_log(&batch)
            .expect("a batch of our own makes sense");
        assert_eq!(sound, batch.len(), "a batch of our own is sound");
        self.bytes.extend_from_slice(&batch);
    }
}

/// Replays the newest snapshot and the log behind it.
fn read_state(
    disk: &dyn Disk,
    path: &Path,
    log: &log::Log,
) -> Result<State, Box<dyn fmt::Display>> {
    let boxed = |error: io::Error| -> Box<dyn fmt::Display> { Box::new(error) };
    let names = disk.list(path).map_err(boxed)?;
    let newest = names
        .iter()
        .filter_map(|entry| metadata::parse_snapshot_name(&entry.name))
        .max();
    let mut state = match newest {
        Some(position) => {
            let name = metadata::snapshot_name(position);
            let bytes = files::read_whole(disk, &path.join(name)).map_err(boxed)?;
            State::from_snapshot(&bytes, position)
                .map_err(|fault| -> Box<dyn fmt::Display> { Box::new(fault) })?
        }
        None => State::new(),
    };
    for segment in log.segments() {
        let name = log::file_name(segment.base, FileKind::Log);
        let bytes = files::read_whole(disk, &path.join(name)).map_err(boxed)?;
        state
            .replay_log(&bytes)
            .map_err(|fault| -> Box<dyn fmt::Display> { Box::new(fault) })?;
    }
    Ok(state)
}

fn metadata_log_config(config: &BrokerConfig) -> LogConfig {
    let topic = TopicConfig {
        segment_bytes: config.metadata_segment_bytes,
        segment_ms: config.metadata_segment_ms,
        segment_jitter_ms: 0,
        // Every append to it is synced.
        flush_messages: i64::MAX,
        ..config.topic_defaults.clone()
    };
    let id = PartitionId {
        topic: TopicId::METADATA_TOPIC,
        index: PartitionIndex(0),
    };
    log_config(config, &topic, id)
}

fn endpoints(config: &BrokerConfig, advertised: &[Endpoint]) -> Vec<metadata::Endpoint> {
    let named = config.listeners.iter().zip(advertised);
    named
        .map(|(listener, at)| endpoint(&listener.name, &at.host, at.port))
        .collect()
}

/// Where the controller would listen: Kafka wants to know an address of every voter, and keeps the
/// one in the log when it takes the directory over.
fn controller_endpoints(config: &BrokerConfig) -> Vec<metadata::Endpoint> {
    let configured = config.controller_listeners.iter().map(|it| {
        let host = if it.host.is_empty() {
            "localhost"
        } else {
            &it.host
        };
        endpoint(&it.name, host, it.port)
    });
    let mut all: Vec<_> = configured.collect();
    if all.is_empty() {
        all.push(endpoint("CONTROLLER", "localhost", 9093));
    }
    all
}

fn endpoint(name: &str, host: &str, port: u16) -> metadata::Endpoint {
    const PLAINTEXT: i16 = 0;
    metadata::Endpoint {
        name: name.into(),
        host: host.into(),
        port,
        security_protocol: PLAINTEXT,
    }
}

// -- partitions

struct Opener<'a> {
    config: &'a BrokerConfig,
    disk: &'a dyn Disk,
    placement: &'a Placement,
    directories: &'a [Directory],
    image: &'a Image,
    now: Now,
    progress: &'a Progress,
}

/// A partition to be opened.
struct ToOpen {
    id: PartitionId,
    topic: Arc<str>,
    log_dir: usize,
    path: PathBuf,
    epoch: LeaderEpoch,
}

impl Opener<'_> {
    /// Opens every partition that the image gives this broker; makes those that are not there.
    fn open_partitions(&self, threads: usize) -> Result<Vec<FoundPartition>, StartError> {
        let mut found = BTreeMap::new();
        for (log_dir, directory) in self.directories.iter().enumerate() {
            let path = &directory.path;
            for entry in self.disk.list(path).map_err(|error| at(path, &error))? {
                if entry.is_directory && entry.name != metadata::DIRECTORY {
                    self.look_at(log_dir, &entry.name, &mut found)?;
                }
            }
        }
        let mut all = Vec::new();
        for (topic, index, partition) in self.image.partitions() {
            let id = PartitionId {
                topic: topic.id,
                index,
            };
            let log_dir = found.get(&id).copied().unwrap_or_else(|| {
                let assigned = partition.directories.first().copied().unwrap_or_default();
                self.placement.index_of(assigned)
            });
            let path = self
                .placement
                .partition_directory(log_dir, &topic.name, index);
            if !found.contains_key(&id) {
                files::create_partition(self.disk, &path, topic.id)
                    .map_err(|error| at(&path, &error))?;
            }
            let topic = topic.name.clone();
            all.push(ToOpen {
                id,
                topic,
                log_dir,
                path,
                epoch: partition.leader_epoch,
            });
        }
        self.progress.expect(all.len());
        self.open_all(&all, threads)
    }

    /// Judges one directory within a log directory by its name and its topic id.
    fn look_at(
        &self,
        log_dir: usize,
        name: &str,
        found: &mut BTreeMap<PartitionId, usize>,
    ) -> Result<(), StartError> {
        let path = self.directories[log_dir].path.join(name);
        let fault = |error: io::Error| at(&path, &error);
        if name.ends_with("-delete") {
            return files::remove_directory_with_files(self.disk, &path).map_err(fault);
        }
        if name.ends_with("-stray") || name.ends_with("-future") {
            return Ok(());
        }
        let Some((topic, index)) = parse_partition_directory(name) else {
            return Err(StartError(format!(
                "{} is not a partition's directory: move it out of log.dirs, which is for logs only",
                path.display()
            )));
        };
        let text = files::read_if_there(self.disk, &path.join(files::PARTITION_METADATA));
        let text = text.map_err(fault)?.unwrap_or_default();
        // Whoever makes a partition does not wait until its id is on disk. A directory that a power loss
        // left without one is the topic's of that name: that of a deleted topic is renamed, durably,
        // before another one can be made.
        let by_name = || self.image.topic(topic).map(|topic| topic.id);
        let stored = log::parse_partition_metadata(&String::from_utf8_lossy(&text));
        let id = stored.or_else(by_name);
        let known = id.and_then(|id| self.image.partition(id, index));
        match (id, known) {
            (Some(id), Some((known, _))) if *known.name == *topic => {
                if stored.is_none() {
                    let text = log::partition_metadata_text(id);
                    let path = path.join(files::PARTITION_METADATA);
                    files::note(self.disk, &path, text.as_bytes()).map_err(fault)?;
                }
                match found.insert(PartitionId { topic: id, index }, log_dir) {
                    None => Ok(()),
                    Some(other) => Err(StartError(format!(
                        "{name} is in {} and in {}: move one of the two out of log.dirs",
                        self.directories[other].path.display(),
                        self.directories[log_dir].path.display()
                    ))),
                }
            }
            _ => {
                let hex: String = Uuid(Random::new(self.now.wall.0 as u64 ^ hash(name)).bytes())
                    .0
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let suffix = format!(".{hex}-stray");
                let mut stray = name.to_string();
                stray.truncate(limits::FILE_NAME_BYTES_MAX - suffix.len());
                stray += &suffix;
                tracing::warn!("{} belongs to no topic: renamed to {stray}", path.display());
                self.disk
                    .rename(&path, &path.with_file_name(stray))
                    .map_err(fault)
            }
        }
    }

    fn open_all(&self, all: &[ToOpen], threads: usize) -> Result<Vec<FoundPartition>, StartError> {
        if threads <= 1 || all.len() <= 1 {
            return all.iter().map(|one| self.open_one(one)).collect();
        }
        let share = all.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let parts: Vec<_> = all
                .chunks(share)
                .map(|part| {
                    scope.spawn(move || {
                        part.iter()
                            .map(|one| self.open_one(one))
                            .collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let mut found = Vec::with_capacity(all.len());
            for part in parts {
                found.extend(part.join().expect("loading does not panic")?);
            }
            Ok(found)
        })
    }

    fn open_one(&self, one: &ToOpen) -> Result<FoundPartition, StartError> {
        let directory = &self.directories[one.log_dir];
        let key = (one.topic.to_string(), one.id.index.0);
        let known = |offsets: &OffsetCheckpoint| offsets.get(&key).copied().unwrap_or(Offset(0));
        let none = BTreeMap::new();
        let set = self
            .image
            .config(&Resource::topic(&one.topic))
            .map_or(&none, |set| &**set);
        let topic = TopicConfig::resolve(self.config, set).unwrap_or_else(|error| {
            tracing::warn!(topic = %one.topic, "{error}; the broker's defaults apply");
            self.config.topic_defaults.clone()
        });
        let opened = store::open_partition(
            self.disk,
            &one.path,
            log_config(self.config, &topic, one.id),
            known(&directory.recovery_points),
            known(&directory.log_starts),
            directory.clean,
            self.now.wall,
        );
        let mut opened =
            opened.map_err(|fault| StartError(format!("{}: {fault}", one.path.display())))?;
        opened.log.set_cleaned(known(&directory.cleaned));
        if topic.is_compacted() {
            opened.log.expect_emptied();
        }
        if opened.log.lead(one.epoch) {
            let text = opened.log.epochs().text();
            let path = one.path.join(files::LEADER_EPOCHS);
            files::note(self.disk, &path, text.as_bytes())
                .map_err(|error| at(&one.path, &error))?;
        }
        self.progress.opened();
        Ok(FoundPartition {
            id: one.id,
            topic: one.topic.clone(),
            log_dir: one.log_dir,
            directory: one.path.clone(),
            log: opened.log,
            active: opened.active,
            recovery_point: opened.recovery_point,
        })
    }
}

/// `<topic>-<partition>`.
fn parse_partition_directory(name: &str) -> Option<(&str, PartitionIndex)> {
    let (topic, index) = name.rsplit_once('-')?;
    metadata::check_topic_name(topic).ok()?;
    let is_number = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| index.parse().ok())
        .flatten()
        .map(|index| (topic, PartitionIndex(index)))
}

/// The starts of logs that do not begin with their first segment.
fn log_starts(log_dirs: usize, found: &[FoundPartition]) -> Vec<Known> {
    let mut starts = vec![Known::new(); log_dirs];
    for partition in found {
        let log = &partition.log;
        let first = log.segments().next().expect("a log has a segment");
        if log.log_start() > first.base {
            let key = (partition.topic.clone(), partition.id.index.0);
            starts[partition.log_dir].insert(key, log.log_start());
        }
    }
    starts
}

/// A start that the checkpoint on disk names for a log that has none, or for a topic that is gone, goes
/// now: a topic of that name that is made next would lose what lies before it.
fn clear_log_starts(
    disk: &dyn Disk,
    directories: &[Directory],
    starts: &[Known],
) -> Result<(), StartError> {
    for (directory, starts) in directories.iter().zip(starts) {
        let offsets: OffsetCheckpoint = starts
            .iter()
            .map(|((topic, index), at)| ((topic.to_string(), *index), *at))
            .collect();
        let mut on_disk = directory.log_starts.keys();
        if on_disk.any(|key| !offsets.contains_key(key)) {
            let path = directory.path.join(LOG_STARTS);
            files::replace(disk, &path, log::offsets_text(&offsets).as_bytes())
                .map_err(|error| at(&path, &error))?;
        }
    }
    Ok(())
}

/// How far logs are compacted, of those that are.
fn cleaned(log_dirs: usize, found: &[FoundPartition]) -> Vec<Known> {
    let mut cleaned = vec![Known::new(); log_dirs];
    for partition in found {
        let to = partition.log.cleaned();
        if to > Offset(0) {
            let key = (partition.topic.clone(), partition.id.index.0);
            cleaned[partition.log_dir].insert(key, to);
        }
    }
    cleaned
}

fn recovery_points(
    log_dirs: usize,
    found: &[FoundPartition],
) -> Vec<BTreeMap<(Arc<str>, i32), Offset>> {
    let mut points = vec![BTreeMap::new(); log_dirs];
    for partition in found {
        let key = (partition.topic.clone(), partition.id.index.0);
        points[partition.log_dir].insert(key, partition.recovery_point);
    }
    points
}

/// After a recovery that cut a log, and for a topic that is gone, the checkpoint on disk names an offset
/// beyond the log's end. It goes now: what is appended from here on would be taken for durable.
fn lower_recovery_points(
    disk: &dyn Disk,
    directories: &[Directory],
    points: &[BTreeMap<(Arc<str>, i32), Offset>],
) -> Result<(), StartError> {
    for (directory, points) in directories.iter().zip(points) {
        let offsets: OffsetCheckpoint = points
            .iter()
            .map(|((topic, index), at)| ((topic.to_string(), *index), *at))
            .collect();
        let mut on_disk = directory.recovery_points.iter();
        if on_disk.any(|(key, offset)| offsets.get(key).is_none_or(|known| offset > known)) {
            let path = directory.path.join(RECOVERY_POINTS);
            files::replace(disk, &path, log::offsets_text(&offsets).as_bytes())
                .map_err(|error| at(&path, &error))?;
        }
    }
    Ok(())
}

/// FNV-1a, to tell names apart.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn at(path: &Path, error: &io::Error) -> StartError {
    let path = path.display();
    StartError(match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "{path}: permission denied: let the user that runs the broker write there (chown), or \
             set log.dirs to another directory"
        ),
        ErrorKind::StorageFull => format!("{path}: the disk is full: make room"),
        _ => format!("{path}: {error}"),
    })
}
