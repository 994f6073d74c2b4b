//! A data directory, damaged: the broker starts on it or says why not. Where it starts it answers, and
//! after a stop it starts again.

use super::disk::Files;
use super::input::Input;
use super::logs::hurt;
use super::machine::{DATA, Machine};
use super::make;
use millstream::batch::Builder;
use millstream::metadata::{BOOTSTRAP_FILE, MetaProperties, bootstrap_features, write_bootstrap};
use millstream::types::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp, Uuid};
use millstream::wire::{
    ApiKey, Body, CreateTopic, CreateTopicsRequest, FetchPartition, FetchRequest, FetchTopic,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, MetadataRequest, ProducePartition,
    ProduceRequest, ProduceTopic, Records, encode_request,
};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The files of a broker with a topic `t` and records in it, after a stop and as a kill leaves them;
/// and those of a directory that Kafka's tools have formatted.
static WHOLE: LazyLock<[Files; 3]> = LazyLock::new(|| [whole(true), whole(false), formatted()]);
const DAMAGES_MAX: usize = 6;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut files = input.pick(&*WHOLE).clone();
    for _ in 0..=input.below(DAMAGES_MAX) {
        match input.byte() {
            0..=239 => hurt(&mut files, &mut input),
            _ => {
                let name = make::text(&mut input).replace('/', "_");
                let place = [DATA, "/data/t-0", "/data/__cluster_metadata-0", "/data/u-0"];
                let count = usize::from(input.byte());
                let content = input.take(count).to_vec();
                let path = PathBuf::from(*input.pick(&place)).join(name + "x");
                files.insert(path, content);
            }
        }
    }
    let mut machine = match Machine::boot(&files, &[]) {
        Ok(machine) => machine,
        Err(why) => {
            assert!(!why.is_empty());
            return;
        }
    };
    talk(&mut machine);
    let files = machine.stop();
    let machine = Machine::boot(&files, &[]).expect("it has started before");
    machine.stop();
}

/// A broker's files, without damage.
fn whole(stop: bool) -> Files {
    let settings = [("log.flush.offset.checkpoint.interval.ms", "1000")];
    let mut machine = Machine::boot(&Files::new(), &settings).expect("an empty disk");
    machine.connect();
    let topics = vec![CreateTopic {
        name: "t".into(),
        num_partitions: 2,
        replication_factor: 1,
        configs: vec![millstream::wire::CreateTopicConfig {
            name: "segment.bytes".into(),
            value: Some("1048576".into()),
        }],
        ..Default::default()
    }];
    let request = CreateTopicsRequest {
        topics,
        ..Default::default()
    };
    send(&mut machine, 7, &request);
    for at in 0..4 {
        produce(&mut machine, at);
    }
    machine.wait();
    assert!(!machine.receive().is_empty());
    match stop {
        true => machine.stop(),
        false => machine.kill(),
    }
}

fn formatted() -> Files {
    let meta = MetaProperties {
        cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
        node_id: NodeId(1),
        directory_id: Some(Uuid([7; 16])),
    };
    let bootstrap = write_bootstrap(&bootstrap_features());
    Files::from([
        (
            Path::new(DATA).join(MetaProperties::NAME),
            meta.format().into_bytes(),
        ),
        (Path::new(DATA).join(BOOTSTRAP_FILE), bootstrap),
    ])
}

fn send<'a, B: Body<'a>>(machine: &mut Machine, version: i16, request: &B) {
    let frame = encode_request(version, 1, Some("me"), request).expect("it fits");
    machine.send(&frame.bytes);
}

fn produce(machine: &mut Machine, sequence: i32) {
    let producer = ProducerId(i64::from(sequence % 2));
    let mut batch =
        Builder::new(Offset(0), LeaderEpoch(-1)).producer(producer, ProducerEpoch(0), sequence / 2);
    batch.push(Timestamp(make::NOW_MS), Some(b"k"), Some(&[7; 600]), &[]);
    let batch = batch.finish();
    let partition = |index| ProducePartition {
        index,
        records: Records::from(&batch[..]),
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        topic_data: vec![ProduceTopic {
            name: "t".into(),
            partition_data: vec![partition(0), partition(1)].into(),
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    };
    send(machine, 12, &request);
}

/// Asks for everything once.
fn talk(machine: &mut Machine) {
    machine.connect();
    send(machine, 12, &MetadataRequest::default());
    produce(machine, 0);
    for timestamp in [-1, -2, -3, 0] {
        let partition = |partition_index| ListOffsetsPartition {
            partition_index,
            timestamp,
            ..Default::default()
        };
        let topics = vec![ListOffsetsTopic {
            name: "t".into(),
            partitions: vec![partition(0), partition(1)],
        }];
        let request = ListOffsetsRequest {
            topics,
            replica_id: -1,
            ..Default::default()
        };
        send(machine, 9, &request);
    }
    for fetch_offset in [0, 1, 3, 4] {
        let partition = |partition| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let request = FetchRequest {
            max_bytes: 1 << 20,
            isolation_level: i8::from(fetch_offset == 1),
            topics: vec![FetchTopic {
                topic: "t".into(),
                topic_id: Uuid::ZERO,
                partitions: vec![partition(0), partition(1)].into(),
            }]
            .into(),
            ..Default::default()
        };
        send(machine, 11, &request);
    }
    machine.wait();
    let _ = (machine.receive(), ApiKey::FETCH);
}

/// One damage each, and several.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = super::generate::Random::new(17);
    (0..120)
        .map(|at| {
            let mut seed = vec![at as u8, (at % 3) as u8];
            seed.extend((0..80).map(|_| random.next() as u8));
            seed
        })
        .collect()
}
