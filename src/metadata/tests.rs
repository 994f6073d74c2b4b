//! Stories of a cluster: what is decided, written, read back and refused.

use super::versions::{KRAFT_VERSION, record_version};
use super::*;
use crate::batch;
use crate::types::{LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerId, Timestamp, Uuid};
use crate::wire::{
    AccessControlEntryRecord, BeginTransactionRecord, ClearElrRecord, ClientQuotaRecord,
    ClientQuotaRecordEntity, ConfigRecord, ErrorCode, FeatureLevelRecord, MetadataRecord,
    PartitionChangeRecord, Reader, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
    UserScramCredentialRecord,
};
use std::collections::BTreeMap;

const NODE: NodeId = NodeId(1);
const EPOCH: LeaderEpoch = LeaderEpoch(1);
const TIME: Timestamp = Timestamp(1_760_000_000_000);
const DIRECTORY_ID: Uuid = Uuid([7; 16]);
const DEFAULTS: TopicDefaults = TopicDefaults {
    partitions: 1,
    replication_factor: 1,
};

/// A single node with its log in memory.
struct Node {
    state: State,
    log: Vec<u8>,
    ids: u8,
}

impl Node {
    /// A node after its first start.
    fn started() -> Node {
        let mut node = Node::empty();
        node.append(&bootstrap(&[]));
        node.start();
        node
    }

    fn empty() -> Node {
        let mut node = Node {
            state: State::new(),
            log: Vec::new(),
            ids: 0,
        };
        let quorum = Quorum {
            kraft_version: 1,
            voters: Some(vec![VoterNode {
                id: NODE,
                directory: DIRECTORY_ID,
                endpoints: vec![("CONTROLLER".into(), "localhost".into(), 9093)],
            }]),
        };
        assert_eq!(node.state.next_epoch(None), EPOCH);
        node.log = node.state.opening_batch(NODE, &quorum, EPOCH, TIME);
        node.state.replay_log(&node.log).expect("ours");
        node
    }

    fn append(&mut self, records: &[MetadataRecord<'_>]) {
        self.log.extend(self.state.batch_of(records, EPOCH, TIME));
        self.state
            .replay_appended(records, EPOCH, TIME)
            .expect("decided for this image");
    }

    fn identity(&self) -> Identity {
        let endpoint = |name: &str, port| Endpoint {
            name: name.into(),
            host: "localhost".into(),
            port,
            security_protocol: 0,
        };
        Identity {
            node: NODE,
            incarnation: Uuid([9; 16]),
            endpoints: vec![endpoint("PLAINTEXT", 9092)],
            controller_endpoints: vec![endpoint("CONTROLLER", 9093)],
            rack: None,
            log_dirs: vec![DIRECTORY_ID],
        }
    }

    fn start(&mut self) {
        for batch in start(&self.state, &self.identity()) {
            self.append(&batch);
        }
    }

    fn stop(&mut self) {
        for batch in stop(&self.state.image, NODE) {
            self.append(&batch);
        }
    }

    /// The node after a restart: only the bytes are left.
    fn reread(&self) -> Node {
        let mut state = State::new();
        let sound = state.replay_log(&self.log).expect("our own bytes");
        assert_eq!(sound, self.log.len());
        Node {
            state,
            log: self.log.clone(),
            ids: self.ids,
        }
    }

    fn image(&self) -> &Image {
        &self.state.image
    }

    fn create(&mut self, topic: NewTopic) -> Result<CreatedTopic, Refusal> {
        let mut ids = self.ids;
        let decision = create_topics(
            self.image(),
            &[topic],
            false,
            DEFAULTS,
            &|_| Ok(()),
            &mut || {
                ids += 1;
                [ids; 16]
            },
        );
        self.ids = ids;
        if !decision.records.is_empty() {
            self.append(&decision.records);
        }
        decision.outcome.into_iter().next().expect("one answer").1
    }

    fn refusal(&mut self, topic: NewTopic) -> ErrorCode {
        self.create(topic).expect_err("refused").code
    }
}

fn topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions: -1,
        replication_factor: -1,
        ..Default::default()
    }
}

fn of(name: &str, partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        partitions,
        replication_factor,
        ..topic(name)
    }
}

fn only_partition<'a>(node: &'a Node, name: &str) -> &'a Partition {
    &node.image().topic(name).expect("the topic").partitions[&PartitionIndex(0)]
}

#[test]
fn a_first_start_writes_the_records_of_kafka_in_its_order() {
    let node = Node::started();
    let mut kinds = Vec::new();
    for (position, header) in batch::scan(&node.log) {
        let records = &node.log[position + batch::HEADER_BYTES..position + header.size()];
        let mut kinds_of_batch = Vec::new();
        for record in batch::records(records) {
            let record = record.expect("ours");
            kinds_of_batch.push(match record.key {
                Some(key) => -i32::from(key[3]),
                None => i32::from(record.value.expect("a value")[1]),
            });
        }
        kinds.push((header.base_offset.0, kinds_of_batch));
    }
    assert_eq!(
        kinds,
        [
            (0, vec![-2, -5, -6]),
            (3, vec![23, 12, 12, 12, 12, 12, 12, 4, 24]),
            (12, vec![27]),
            (13, vec![0]),
            (14, vec![17]),
        ]
    );
    let image = node.image();
    assert_eq!(image.metadata_version(), 29);
    assert!(image.keeps_elr());
    assert_eq!(
        image.config_value(&Resource::cluster(), "min.insync.replicas"),
        Some("1")
    );
    let broker = image.broker(NODE).expect("registered");
    assert_eq!(broker.epoch, 13);
    assert!(broker.is_active());
    assert_eq!(
        check_state(&node.state, NODE, Some(DIRECTORY_ID), None),
        Ok(())
    );
}

#[test]
fn the_first_control_batch_has_the_bytes_of_kafka() {
    let bytes = encode_control_batch(&[leader_change(NODE)], Offset(0), EPOCH, TIME);
    assert_eq!(
        bytes[batch::ATTRIBUTES..batch::LAST_OFFSET_DELTA],
        [0, 0x20]
    );
    let record = batch::records(&bytes[batch::HEADER_BYTES..])
        .next()
        .expect("one")
        .expect("ours");
    assert_eq!(record.key, Some(&[0, 0, 0, 2][..]));
    // version, leader, [voter, no tags], [granting, no tags], no tags
    assert_eq!(
        record.value,
        Some(&[0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0][..])
    );
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let mut node = Node::started();
    node.create(of("a", 3, 1)).expect("made");
    node.create(NewTopic {
        configs: vec![("retention.ms".into(), Some("5".into()))],
        ..topic("b")
    })
    .expect("made");
    node.stop();
    node.start();
    assert_eq!(node.reread().state, node.state);
    assert_eq!(node.image().partitions().count(), 4);
}

#[test]
fn a_new_topic_is_led_by_us_in_our_directory() {
    let mut node = Node::started();
    let created = node.create(of("t", 2, -1)).expect("made");
    assert_eq!((created.partitions, created.replication_factor), (2, 1));
    let topic = node.image().topic_by_id(created.id).expect("by id");
    assert_eq!(topic.partitions.len(), 2);
    let partition = only_partition(&node, "t");
    assert_eq!(partition.leader, NODE);
    assert_eq!(partition.isr, [NODE]);
    assert_eq!(partition.directories, [DIRECTORY_ID]);
    assert_eq!(partition.leader_epoch, LeaderEpoch(0));
}

#[test]
fn a_topic_deleted_and_recreated_has_another_id_and_no_old_config() {
    let mut node = Node::started();
    let configured = NewTopic {
        configs: vec![("retention.ms".into(), Some("5".into()))],
        ..topic("t")
    };
    let first = node.create(configured).expect("made");
    let resource = Resource::topic("t");
    assert_eq!(
        node.image().config_value(&resource, "retention.ms"),
        Some("5")
    );
    let id = topic_id(node.image(), "t").expect("known");
    let decision = delete_topics(node.image(), &[id, id]);
    assert_eq!(decision.outcome, [(first.id, Ok("t".to_string()))]);
    node.append(&decision.records);
    assert_eq!(node.image().topic_count(), 0);
    assert_eq!(
        delete_topics(node.image(), &[id]).outcome[0]
            .1
            .as_ref()
            .map_err(|refusal| refusal.code),
        Err(ErrorCode::UNKNOWN_TOPIC_ID)
    );
    assert_eq!(
        topic_id(node.image(), "t").map_err(|refusal| refusal.code),
        Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );
    let second = node.create(topic("t")).expect("made again");
    assert_ne!(first.id, second.id);
    assert_eq!(node.image().config(&resource), None);
}

#[test]
fn names_are_those_that_kafka_allows() {
    let mut node = Node::started();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "ä", "a/b", &long] {
        assert_eq!(
            node.refusal(topic(name)),
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "{name}"
        );
    }
    assert_eq!(
        check_topic_name("a b"),
        Err(
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'"
                .to_string()
        )
    );
    for name in ["a", "A-9", "...", &long[1..]] {
        node.create(topic(name)).expect(name);
    }
    assert_eq!(
        node.refusal(topic("__cluster_metadata")),
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
    );
}

#[test]
fn names_that_differ_in_dot_and_underscore_exclude_each_other() {
    let mut node = Node::started();
    node.create(topic("a.b")).expect("made");
    let refusal = node.create(topic("a_b")).expect_err("refused");
    assert_eq!(refusal.code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(
        refusal.message,
        "Topic 'a_b' collides with existing topic: a.b"
    );
    // Within one request too.
    let decision = create_topics(
        node.image(),
        &[topic("c.d"), topic("c_d")],
        false,
        DEFAULTS,
        &|_| Ok(()),
        &mut || [3; 16],
    );
    assert!(decision.outcome[0].1.is_ok());
    assert!(decision.outcome[1].1.is_err());
    assert_eq!(node.refusal(topic("a.b")), ErrorCode::TOPIC_ALREADY_EXISTS);
}

#[test]
fn impossible_topics_get_the_codes_of_kafka() {
    let mut node = Node::started();
    node.create(topic("there")).expect("made");
    for (wanted, code) in [
        (topic("there"), ErrorCode::TOPIC_ALREADY_EXISTS),
        (of("t", 0, 1), ErrorCode::INVALID_PARTITIONS),
        (of("t", -2, 1), ErrorCode::INVALID_PARTITIONS),
        (of("t", 1, 0), ErrorCode::INVALID_REPLICATION_FACTOR),
        (of("t", 0, 0), ErrorCode::INVALID_REPLICATION_FACTOR),
        (of("t", 1, 2), ErrorCode::INVALID_REPLICATION_FACTOR),
        (of("t", i32::MAX, 1), ErrorCode::POLICY_VIOLATION),
    ] {
        assert_eq!(node.refusal(wanted.clone()), code, "{wanted:?}");
    }
    let message = node.create(of("t", 1, 2)).expect_err("refused").message;
    assert_eq!(
        message,
        "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be \
         reached because only 1 broker(s) are registered."
    );
}

#[test]
fn manual_assignments_are_checked() {
    let mut node = Node::started();
    let assigned = |assignments: &[(i32, &[i32])]| NewTopic {
        assignments: assignments
            .iter()
            .map(|(index, nodes)| {
                (
                    PartitionIndex(*index),
                    nodes.iter().map(|id| NodeId(*id)).collect(),
                )
            })
            .collect(),
        ..topic("t")
    };
    for bad in [
        &[(0, &[][..])][..],
        &[(0, &[2])],
        &[(0, &[1, 1])],
        &[(0, &[1]), (0, &[1])],
        &[(1, &[1])],
        &[(0, &[1]), (2, &[1])],
    ] {
        assert_eq!(
            node.refusal(assigned(bad)),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "{bad:?}"
        );
    }
    let both = NewTopic {
        partitions: 2,
        ..assigned(&[(0, &[1])])
    };
    assert_eq!(node.refusal(both), ErrorCode::INVALID_REQUEST);
    let created = node
        .create(assigned(&[(1, &[1]), (0, &[1])]))
        .expect("good");
    assert_eq!(created.partitions, 2);
}

#[test]
fn a_bad_config_and_a_doubled_name_are_refused_and_validation_writes_nothing() {
    let node = Node::started();
    let mut wanted = topic("t");
    wanted.configs = vec![("retention.ms".into(), Some("soon".into()))];
    let decide = |topics: &[NewTopic], validate_only| {
        create_topics(
            node.image(),
            topics,
            validate_only,
            DEFAULTS,
            &|configs| match configs.get("retention.ms") {
                Some(value) if value == "soon" => Err("not a number".into()),
                _ => Ok(()),
            },
            &mut || [3; 16],
        )
    };
    let code = |decision: &Decision<Vec<(String, Result<CreatedTopic, Refusal>)>>| {
        decision.outcome[0]
            .1
            .as_ref()
            .map_err(|r| r.code)
            .map(|_| ())
    };
    assert_eq!(
        code(&decide(&[wanted], false)),
        Err(ErrorCode::INVALID_CONFIG)
    );
    let doubled = decide(&[topic("t"), topic("t")], false);
    assert_eq!(code(&doubled), Err(ErrorCode::INVALID_REQUEST));
    assert_eq!(doubled.outcome.len(), 1);
    let validated = decide(&[topic("t")], true);
    assert_eq!(code(&validated), Ok(()));
    assert_eq!(validated.records, []);
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let mut node = Node::started();
    node.create(of("t", 2, 1)).expect("made");
    let grow = |count, validate_only| {
        let wanted = MorePartitions {
            name: "t".into(),
            count,
            assignments: None,
        };
        grow_topics(node.image(), &[wanted], validate_only)
    };
    for count in [2, 1, 0, -1, i32::MIN] {
        let refused = grow(count, false);
        let (_, result) = &refused.outcome[0];
        let code = result.as_ref().expect_err("refused").code;
        assert_eq!(code, ErrorCode::INVALID_PARTITIONS);
        assert_eq!(refused.records, []);
    }
    assert_eq!(grow(5, true).records, []);
    let records = grow(5, false).records;
    assert_eq!(records.len(), 3);
    node.append(&records);
    let topic = node.image().topic("t").expect("the topic");
    assert!(
        topic
            .partitions
            .keys()
            .copied()
            .eq((0..5).map(PartitionIndex))
    );
}

#[test]
fn no_producer_id_is_given_out_twice_whatever_happens_between() {
    let mut node = Node::started();
    let mut next = ProducerId(0);
    for round in 0..3 {
        let (records, block) = allocate_producer_ids(node.image(), NODE).expect("ids are left");
        assert_eq!(block.start, next);
        assert_eq!(block.end, ProducerId(next.0 + 1000));
        next = block.end;
        node.append(&records);
        if round == 1 {
            node.stop();
        }
        node = node.reread();
        node.start();
    }
    assert!(allocate_producer_ids(node.image(), NodeId(2)).is_none());
}

#[test]
fn a_clean_stop_leaves_no_leader_and_a_start_elects_us_again() {
    let mut node = Node::started();
    node.create(topic("t")).expect("made");
    node.stop();
    let partition = only_partition(&node, "t");
    assert_eq!(partition.leader, NO_LEADER);
    assert_eq!(partition.isr, []);
    assert_eq!(partition.elr, [NODE]);
    assert_eq!(partition.last_known_elr, [NODE]);
    assert_eq!(partition.leader_epoch, LeaderEpoch(1));
    assert!(node.image().broker(NODE).expect("known").fenced);

    let mut node = node.reread();
    node.start();
    let partition = only_partition(&node, "t");
    assert_eq!(partition.leader, NODE);
    assert_eq!(partition.isr, [NODE]);
    assert_eq!(partition.elr, []);
    assert_eq!(partition.last_known_elr, []);
    assert_eq!(partition.leader_epoch, LeaderEpoch(2));
    assert!(!partition.recovering);
    assert!(node.image().broker(NODE).expect("known").is_active());
}

#[test]
fn a_start_after_a_crash_opens_a_new_leader_epoch() {
    let mut node = Node::started();
    node.create(topic("t")).expect("made");
    let mut node = node.reread();
    let old = node.image().broker(NODE).expect("known").epoch;
    node.start();
    let partition = only_partition(&node, "t");
    assert_eq!(partition.leader, NODE);
    assert_eq!(partition.isr, [NODE]);
    assert_eq!(partition.leader_epoch, LeaderEpoch(1));
    assert!(node.image().broker(NODE).expect("known").epoch > old);
}

#[test]
fn a_leader_that_was_not_in_sync_says_that_it_must_recover() {
    let mut node = Node::started();
    let id = node.create(topic("t")).expect("made").id;
    node.append(&[MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id: id,
        leader: -1,
        isr: Some(vec![]),
        last_known_elr: Some(vec![1]),
        ..Default::default()
    })]);
    node.start();
    assert!(only_partition(&node, "t").recovering);
}

#[test]
fn a_log_before_elr_is_stopped_and_started_without_it() {
    let mut node = Node::empty();
    node.append(&[MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: METADATA_VERSION.into(),
        feature_level: 7,
    })]);
    node.start();
    node.create(topic("t")).expect("made");
    node.stop();
    let partition = only_partition(&node, "t");
    assert_eq!(
        (partition.leader, &partition.isr[..]),
        (NO_LEADER, &[NODE][..])
    );
    let mut node = node.reread();
    node.start();
    assert_eq!(only_partition(&node, "t").leader, NODE);
    assert_eq!(node.reread().state, node.state);
    assert_eq!(node.image().controllers().count(), 0);
}

#[test]
fn records_are_written_in_the_version_of_the_metadata_version() {
    let change = MetadataRecord::PartitionChange(PartitionChangeRecord::default());
    let register = MetadataRecord::RegisterBroker(RegisterBrokerRecord::default());
    for (level, of_change, of_register) in
        [(7, 0, 1), (8, 0, 2), (17, 1, 3), (22, 1, 3), (23, 2, 3)]
    {
        assert_eq!(record_version(&change, level), of_change);
        assert_eq!(record_version(&register, level), of_register);
    }
}

#[test]
fn clients_are_told_kraft_version_unless_it_is_0() {
    let finalized = |state: &State| -> Vec<(String, i16)> {
        let all = state.image.finalized_features();
        all.map(|(name, level)| (name.to_string(), level)).collect()
    };
    let node = Node::started();
    let told = finalized(&node.state);
    assert_eq!(told.last(), Some(&(KRAFT_VERSION.to_string(), 1)));
    assert_eq!(told.len(), node.image().features().len() + 1);
    assert_eq!(finalized(&node.reread().state), told);
    let position = node.state.position;
    let read = State::from_snapshot(&node.state.snapshot(), position).expect("our own bytes");
    assert_eq!(finalized(&read), told);

    // A quorum whose voters stand in each node's configuration, as `kafka-storage format` leaves it.
    let mut old = State::new();
    let opening = old.opening_batch(NODE, &Quorum::default(), EPOCH, TIME);
    old.replay_log(&opening).expect("ours");
    let batch = old.batch_of(&bootstrap(&[]), EPOCH, TIME);
    old.replay_log(&batch).expect("ours");
    assert!(!old.image.features().is_empty());
    assert_eq!(finalized(&old).len(), old.image.features().len());
}

#[test]
fn an_open_transaction_does_not_show_and_is_aborted_by_the_next_start() {
    let mut node = Node::started();
    node.append(&[
        MetadataRecord::BeginTransaction(BeginTransactionRecord::default()),
        MetadataRecord::Topic(TopicRecord {
            name: "half".into(),
            topic_id: Uuid([5; 16]),
        }),
    ]);
    assert!(node.image().in_transaction());
    assert_eq!(node.image().topic_count(), 0);
    let mut node = node.reread();
    node.start();
    assert!(!node.image().in_transaction());
    assert_eq!(node.image().topic_count(), 0);
    assert_eq!(node.reread().state, node.state);
}

#[test]
fn a_record_that_does_not_follow_is_an_error_and_changes_nothing() {
    let mut node = Node::started();
    let id = node.create(topic("t")).expect("made").id;
    let before = node.image().clone();
    let records = [
        MetadataRecord::Topic(TopicRecord {
            name: "t".into(),
            topic_id: Uuid([8; 16]),
        }),
        MetadataRecord::Topic(TopicRecord {
            name: "u".into(),
            topic_id: id,
        }),
        // Names become directories.
        MetadataRecord::Topic(TopicRecord {
            name: "../../etc".into(),
            topic_id: Uuid([8; 16]),
        }),
        MetadataRecord::Topic(TopicRecord {
            name: "\r".into(),
            topic_id: Uuid([8; 16]),
        }),
        MetadataRecord::RemoveTopic(RemoveTopicRecord {
            topic_id: Uuid([8; 16]),
        }),
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 9,
            topic_id: id,
            ..Default::default()
        }),
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: id,
            directories: Some(vec![]),
            ..Default::default()
        }),
        MetadataRecord::ClearElr(ClearElrRecord {
            topic_name: "v".into(),
        }),
        MetadataRecord::EndTransaction(Default::default()),
    ];
    for record in records {
        let mut image = before.clone();
        assert!(image.replay(&record).is_err(), "{record:?}");
        assert_eq!(image, before);
    }
}

#[test]
fn readers_keep_their_image_while_the_owner_replays_on() {
    let mut node = Node::started();
    node.create(topic("a")).expect("made");
    let seen = node.image().clone();
    node.create(topic("b")).expect("made");
    assert_eq!(seen.topic_count(), 1);
    assert_eq!(node.image().topic_count(), 2);
}

#[test]
fn a_torn_tail_is_left_out() {
    let mut node = Node::started();
    let whole = node.log.len();
    let before = node.reread().state;
    node.create(topic("t")).expect("made");
    for length in whole..node.log.len() {
        let mut state = State::new();
        assert_eq!(state.replay_log(&node.log[..length]), Ok(whole));
        assert_eq!(state, before);
    }
    let mut flipped = node.log.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    assert_eq!(State::new().replay_log(&flipped), Ok(whole));
}

#[test]
fn a_record_of_a_later_kafka_ends_the_reading() {
    let mut log = batch::Builder::new(Offset(0), EPOCH);
    log.push(TIME, None, Some(&[1, 99, 0, 0]), &[]);
    assert!(matches!(
        State::new().replay_log(&log.finish()),
        Err(LogFault::Record(Offset(0), _))
    ));
    let mut log = batch::Builder::new(Offset(5), EPOCH);
    log.push(TIME, None, Some(&[1, 20, 0, 0]), &[]);
    assert_eq!(
        State::new().replay_log(&log.finish()),
        Err(LogFault::Gap(Offset(5)))
    );
}

#[test]
fn the_records_of_a_kafka_lead_to_its_cluster() {
    // A combined node of Apache Kafka 4.2: started, one topic made, stopped; then its bootstrap file.
    let text = include_str!("../../tests/wire/kafka_records.txt");
    let mut image = Image::new();
    let log = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .take_while(|line| !line.starts_with("control 00000003"))
        .filter_map(|line| line.strip_prefix("data - "));
    for hex in log {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let value: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let mut reader = Reader::new([&value[..]]);
        let (record, version) = MetadataRecord::decode(&mut reader).expect("Kafka's");
        image.replay(&record).expect("fits");
        if image.metadata_version() > 0 {
            assert_eq!(version, record_version(&record, 29), "{record:?}");
        }
    }
    assert_eq!(image.metadata_version(), 29);
    assert_eq!(image.controllers().count(), 1);
    let broker = image.broker(NODE).expect("registered");
    assert!(broker.fenced && broker.in_controlled_shutdown);
    assert_eq!(
        (broker.epoch, &broker.endpoints[0].name[..]),
        (13, "PLAINTEXT")
    );
    let topic = image.topic("t").expect("made");
    assert_eq!(
        image.config_value(&Resource::topic("t"), "segment.bytes"),
        Some("3000000")
    );
    let partition = &topic.partitions[&PartitionIndex(0)];
    assert_eq!(partition.leader, NO_LEADER);
    assert_eq!(partition.elr, [NODE]);
    assert_eq!(partition.leader_epoch, LeaderEpoch(1));
    assert_eq!(partition.directories, broker.log_dirs);
}

/// A node with something of every kind.
fn furnished() -> Node {
    let mut node = Node::started();
    node.create(NewTopic {
        configs: vec![("min.insync.replicas".into(), Some("1".into()))],
        ..of("t", 3, 1)
    })
    .expect("made");
    node.create(topic("stopped")).expect("made");
    let (records, _) = allocate_producer_ids(node.image(), NODE).expect("ids");
    node.append(&records);
    let entity = |name: Option<&'static str>| ClientQuotaRecordEntity {
        entity_type: "user".into(),
        entity_name: name.map(Into::into),
    };
    node.append(&[
        MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: vec![entity(Some("me"))],
            key: "producer_byte_rate".into(),
            value: 1.5,
            remove: false,
        }),
        MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: vec![entity(None)],
            key: "producer_byte_rate".into(),
            value: 2.5,
            remove: false,
        }),
        MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: Uuid([4; 16]),
            resource_type: 2,
            resource_name: "t".into(),
            pattern_type: 3,
            principal: "User:me".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
        }),
        MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name: "me".into(),
            mechanism: 1,
            salt: vec![1, 2].into(),
            stored_key: vec![3].into(),
            server_key: vec![4].into(),
            iterations: 4096,
        }),
        MetadataRecord::Config(ConfigRecord {
            resource_type: 32,
            resource_name: "group".into(),
            name: "consumer.session.timeout.ms".into(),
            value: Some("45000".into()),
        }),
    ]);
    node.stop();
    node
}

#[test]
fn a_snapshot_holds_everything_that_the_log_has_said() {
    let node = furnished();
    let bytes = node.state.snapshot();
    let position = node.state.position;
    let mut state = State::from_snapshot(&bytes, position).expect("ours");
    // Whom the last block of producer ids went to is not kept, as in Kafka.
    assert_eq!(
        state.image.producer_ids().next,
        node.image().producer_ids().next
    );
    state.image.producer_ids = node.image().producer_ids();
    assert_eq!(state, node.state);

    let name = snapshot_name(position);
    assert_eq!(parse_snapshot_name(&name), Some(position));
    for name in ["00000000000000000000.log", "1-1.checkpoint", "x.checkpoint"] {
        assert_eq!(parse_snapshot_name(name), None);
    }
    assert_eq!(
        parse_snapshot_name(&format!("{name}.part")),
        None,
        "not complete yet"
    );
}

#[test]
fn a_log_goes_on_after_its_snapshot() {
    let mut node = furnished();
    let bytes = node.state.snapshot();
    let position = node.state.position;
    node.start();
    let mut state = State::from_snapshot(&bytes, position).expect("ours");
    // The file may begin before the snapshot ends.
    assert_eq!(state.replay_log(&node.log), Ok(node.log.len()));
    state.image.producer_ids = node.image().producer_ids();
    assert_eq!(state, node.state);
}

#[test]
fn a_snapshot_that_is_not_whole_is_refused() {
    let node = furnished();
    let bytes = node.state.snapshot();
    let position = node.state.position;
    for length in 0..bytes.len() {
        assert!(State::from_snapshot(&bytes[..length], position).is_err());
    }
    for at in (0..bytes.len()).step_by(97) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        // Offset and epoch of a batch lie outside of its CRC.
        let _ = State::from_snapshot(&flipped, position);
    }
}

#[test]
fn bootstrap_records_come_back_from_their_file() {
    let features = bootstrap_features();
    let bytes = write_bootstrap(&features);
    let read = read_bootstrap(&bytes).expect("ours");
    assert_eq!(read, features);
    assert_eq!(
        bootstrap(&features),
        bootstrap(&[]),
        "a formatted directory begins like a fresh one"
    );
}

#[test]
fn a_cluster_with_others_in_it_is_not_taken_over() {
    let node = furnished();
    let check = |state: &State| check_state(state, NODE, Some(DIRECTORY_ID), None);
    assert_eq!(check(&node.state), Ok(()));

    let mut state = node.state.clone();
    state.quorum.voters.as_mut().expect("voters")[0].id = NodeId(2);
    assert_eq!(check(&state), Err(Refused::Voters(vec![NodeId(2)])));
    state.quorum.voters = None;
    assert_eq!(check(&state), Ok(()));
    assert_eq!(
        check_state(&state, NODE, None, Some(&[NODE, NodeId(3)])),
        Err(Refused::Voters(vec![NODE, NodeId(3)]))
    );
    assert!(matches!(
        check_state(&node.state, NODE, Some(Uuid([1; 16])), None),
        Err(Refused::VoterDirectory { .. })
    ));

    let with = |record: MetadataRecord<'_>| {
        let mut state = node.state.clone();
        state.image.replay(&record).expect("fits");
        check(&state).expect_err("refused")
    };
    let feature = |name: &'static str, level| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: name.into(),
            feature_level: level,
        })
    };
    assert_eq!(
        with(feature(METADATA_VERSION, 30)),
        Refused::MetadataVersion(30)
    );
    assert_eq!(
        with(feature(METADATA_VERSION, 0)),
        Refused::MetadataVersion(0)
    );
    for (name, level) in [("transaction.version", 3), ("other.version", 1)] {
        assert_eq!(
            with(feature(name, level)),
            Refused::Feature {
                name: name.into(),
                level
            }
        );
    }
    assert_eq!(
        with(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: 2,
            ..Default::default()
        })),
        Refused::Broker(NodeId(2))
    );
    let id = node.image().topic("t").expect("there").id;
    assert_eq!(
        with(MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 1,
            topic_id: id,
            replicas: Some(vec![1, 2]),
            ..Default::default()
        })),
        Refused::Replicas {
            partition: "t-1".into(),
            replicas: vec![NODE, NodeId(2)]
        }
    );
}

#[test]
fn directories_must_be_of_this_node_and_of_one_cluster() {
    let meta = |node, cluster: &str| MetaProperties {
        cluster_id: cluster.into(),
        node_id: NodeId(node),
        directory_id: None,
    };
    assert_eq!(
        check_directories(&[meta(1, "a"), meta(1, "a")], NODE),
        Ok(())
    );
    assert_eq!(
        check_directories(&[meta(2, "a")], NODE),
        Err(Refused::Node {
            directory: NodeId(2),
            configured: NODE
        })
    );
    assert!(matches!(
        check_directories(&[meta(1, "a"), meta(1, "b")], NODE),
        Err(Refused::Clusters(..))
    ));
}

#[test]
fn a_replica_found_in_another_directory_is_noted_once() {
    let mut node = Node::started();
    let id = node.create(topic("t")).expect("made").id;
    let found = [(id, PartitionIndex(0), Uuid([6; 16]))];
    let records = assign_directories(node.image(), NODE, &found);
    assert_eq!(records.len(), 1);
    node.append(&records);
    assert_eq!(only_partition(&node, "t").directories, [Uuid([6; 16])]);
    assert_eq!(assign_directories(node.image(), NODE, &found), []);
}

#[test]
fn config_values_are_set_and_deleted() {
    let mut image = Image::new();
    let set = |key: &'static str, value: Option<&'static str>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: Resource::TOPIC,
            resource_name: "t".into(),
            name: key.into(),
            value: value.map(Into::into),
        })
    };
    for record in [set("a", Some("1")), set("b", Some("2")), set("a", None)] {
        image.replay(&record).expect("fits");
    }
    let expected = BTreeMap::from([("b".to_string(), "2".to_string())]);
    let resource = Resource::topic("t");
    assert_eq!(
        image.config(&resource).map(|c| (**c).clone()),
        Some(expected)
    );
    image.replay(&set("b", None)).expect("fits");
    assert_eq!(image.config(&resource), None);
}

#[test]
fn no_bytes_of_a_log_make_it_panic() {
    let node = furnished();
    let mut seed = 1u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    for _ in 0..3000 {
        // A batch whose record values are spoilt under a good CRC.
        let mut bytes = node.log.clone();
        for _ in 0..=random() % 3 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        let mut signed = Vec::new();
        for (position, header) in batch::scan(&bytes) {
            let mut batch = bytes[position..position + header.size()].to_vec();
            let crc = batch::crc32c(&batch[batch::CRC_START..]);
            batch[batch::CRC..batch::CRC_START].copy_from_slice(&crc.to_be_bytes());
            signed.extend(batch);
        }
        let mut state = State::new();
        if state.replay_log(&signed).is_ok() {
            let snapshot = state.snapshot();
            State::from_snapshot(&snapshot, state.position).expect("ours");
            if check_state(&state, NODE, None, None).is_ok() {
                let mut node = Node {
                    state,
                    log: Vec::new(),
                    ids: 0,
                };
                node.start();
                node.stop();
            }
        }
    }
}
