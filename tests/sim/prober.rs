//! The other users: an administrator who creates the topics, a prober who asks for offsets and
//! metadata in bursts, and a vandal who sends nonsense.

use crate::conversation::{Answer, Conversation, News};
use crate::history::{History, Partition, Phase, Topic};
use crate::network::{Link, Told};
use crate::world::{Actor, Stage};
use millstream::wire::{
    ApiKey, CreateTopic, CreateTopicConfig, CreateTopicsRequest, CreateTopicsResponse, ErrorCode,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    MetadataRequest, MetadataResponse, MetadataTopic,
};
use std::cell::RefCell;
use std::rc::Rc;

const TICK: u64 = 0;
const RECONNECT: u64 = 1;

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Its configuration.
    pub configs: Vec<(String, String)>,
}

impl Wish {
    /// Whether its acknowledgements wait for a flush.
    fn is_flushed(&self) -> bool {
        let flushed = ("flush.messages".to_string(), "1".to_string());
        self.configs.contains(&flushed)
    }
}

/// Creates topics, then asks about them.
pub struct Prober {
    client: u32,
    history: Rc<RefCell<History>>,
    conversation: Conversation<What>,
    wishes: Vec<Wish>,
    tried_to_create: bool,
    /// Whether it creates or only asks.
    creates: bool,
}

enum What {
    Create,
    Metadata,
    Offset {
        partition: Partition,
        time: i64,
        floor: i64,
        life: u32,
    },
}

impl Prober {
    /// One who creates the topics and then asks about them.
    pub fn new(client: u32, wishes: Vec<Wish>, history: Rc<RefCell<History>>) -> Prober {
        Prober {
            client,
            history,
            conversation: Conversation::new(format!("prober-{client}")),
            creates: !wishes.is_empty(),
            wishes,
            tried_to_create: false,
        }
    }

    fn tick(&mut self, stage: &mut Stage<'_>) {
        let phase = self.history.borrow().phase;
        self.history.borrow_mut().done.insert(self.client);
        if phase == Phase::Closing {
            self.conversation.close(false, stage);
            return;
        }
        self.conversation.check_patience(stage);
        self.conversation.open(stage);
        self.go_on(stage);
        let wait_us = stage.random.between(5_000, 200_000);
        stage.after(wait_us, TICK);
    }

    fn go_on(&mut self, stage: &mut Stage<'_>) {
        if !self.conversation.is_open() || self.conversation.unanswered() > 0 {
            return;
        }
        let (created, known) = {
            let history = self.history.borrow();
            let known = history.topics.iter().all(|topic| topic.id.is_some());
            (!history.topics.is_empty(), known)
        };
        match (created, known) {
            (false, _) if self.creates => self.create(stage),
            (false, _) => {}
            (true, false) => self.metadata(stage),
            (true, true) => self.burst(stage),
        }
    }

    fn create(&mut self, stage: &mut Stage<'_>) {
        self.tried_to_create = true;
        let request = CreateTopicsRequest {
            topics: self
                .wishes
                .iter()
                .map(|wish| CreateTopic {
                    name: wish.name.as_str().into(),
                    num_partitions: wish.partitions,
                    replication_factor: 1,
                    configs: wish
                        .configs
                        .iter()
                        .map(|(name, value)| CreateTopicConfig {
                            name: name.as_str().into(),
                            value: Some(value.as_str().into()),
                        })
                        .collect(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let version = stage.random.between(2, 7) as i16;
        self.conversation
            .ask(stage, version, &request, 0, What::Create);
    }

    fn metadata(&mut self, stage: &mut Stage<'_>) {
        let history = self.history.borrow();
        let request = MetadataRequest {
            topics: Some(
                history
                    .topics
                    .iter()
                    .map(|topic| MetadataTopic {
                        name: Some(topic.name.as_str().into()),
                        ..Default::default()
                    })
                    .collect(),
            ),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let version = stage.random.between(10, 12) as i16;
        self.conversation
            .ask(stage, version, &request, 0, What::Metadata);
    }

    /// Several requests at once: the answers must keep their order.
    fn burst(&mut self, stage: &mut Stage<'_>) {
        let partitions = self.history.borrow().partitions();
        for _ in 0..stage.random.between(1, 6) {
            if stage.random.percent(20) {
                self.metadata(stage);
                continue;
            }
            let partition = *stage.random.pick(&partitions);
            let recent = stage.wall_ms() - stage.random.magnitude(1, 20_000) as i64;
            let time = *stage.random.pick(&[-1, -1, -2, recent, recent]);
            let history = self.history.borrow();
            let what = What::Offset {
                partition,
                time,
                floor: history.end(partition),
                life: history.lives,
            };
            let request = ListOffsetsRequest {
                replica_id: -1,
                topics: vec![ListOffsetsTopic {
                    name: history.topics[partition.topic].name.as_str().into(),
                    partitions: vec![ListOffsetsPartition {
                        partition_index: partition.index,
                        current_leader_epoch: -1,
                        timestamp: time,
                        ..Default::default()
                    }],
                }],
                ..Default::default()
            };
            let version = stage.random.between(1, 11) as i16;
            self.conversation.ask(stage, version, &request, 0, what);
        }
    }

    fn answered(&mut self, answer: &Answer<What>) {
        match &answer.asked.what {
            What::Create => {
                let body: CreateTopicsResponse<'_> = answer.body();
                assert_eq!(body.topics.len(), self.wishes.len(), "one result per topic");
                let mut history = self.history.borrow_mut();
                let mut made = true;
                for result in &body.topics {
                    let exists = result.error_code == ErrorCode::TOPIC_ALREADY_EXISTS;
                    let fine = result.error_code.is_none() || exists;
                    assert!(
                        fine || history.may_fail(answer.asked.sent_us),
                        "{result:?} for no reason"
                    );
                    made &= fine;
                }
                if made && history.topics.is_empty() {
                    history.topics = self
                        .wishes
                        .iter()
                        .map(|wish| Topic {
                            name: wish.name.clone(),
                            id: None,
                            partitions: wish.partitions,
                            is_flushed: wish.is_flushed(),
                        })
                        .collect();
                }
            }
            What::Metadata => {
                let body: MetadataResponse<'_> = answer.body();
                assert!(!body.brokers.is_empty(), "{body:?}");
                let mut history = self.history.borrow_mut();
                assert_eq!(body.topics.len(), history.topics.len(), "{body:?}");
                for (known, topic) in history.topics.iter_mut().zip(&body.topics) {
                    assert!(topic.error_code.is_none(), "{known:?}: {topic:?}");
                    assert_eq!(topic.name.as_deref(), Some(known.name.as_str()));
                    assert_eq!(topic.partitions.len(), known.partitions as usize);
                    let id = *known.id.get_or_insert(topic.topic_id);
                    assert_eq!(id, topic.topic_id, "the id of {}", known.name);
                }
            }
            What::Offset {
                partition,
                time,
                floor,
                life,
            } => {
                let body: ListOffsetsResponse<'_> = answer.body();
                let result = &body.topics[0].partitions[0];
                assert_eq!(result.partition_index, partition.index);
                let mut history = self.history.borrow_mut();
                if !result.error_code.is_none() {
                    let excused = history.may_fail(answer.asked.sent_us);
                    assert!(excused, "{result:?} for no reason");
                    return;
                }
                match time {
                    -1 => history.told_end(*partition, result.offset, *floor, *life),
                    -2 => assert_eq!(result.offset, 0, "{partition:?} starts"),
                    time if *life == history.lives => {
                        let offset = (result.offset >= 0).then_some(result.offset);
                        history.told_by_time(*partition, *time, offset, *floor);
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Actor for Prober {
    fn told(&mut self, told: Told, stage: &mut Stage<'_>) {
        let mut answers = Vec::new();
        let news = self
            .conversation
            .told(told, stage, &self.history.borrow(), &mut answers);
        for answer in answers {
            self.answered(&answer);
        }
        match news {
            News::Over => stage.after(50_000, RECONNECT),
            News::Connected => self.go_on(stage),
            News::None => {}
        }
    }

    fn timer(&mut self, name: u64, stage: &mut Stage<'_>) {
        let phase = self.history.borrow().phase;
        match name {
            TICK => self.tick(stage),
            _ if phase < Phase::Closing => self.conversation.open(stage),
            _ => {}
        }
    }
}

/// Sends bytes that are no request, or only the beginning of one, and leaves in every way there is.
pub struct Vandal {
    client: u32,
    history: Rc<RefCell<History>>,
    links: Vec<Link>,
}

impl Vandal {
    /// One vandal.
    pub fn new(client: u32, history: Rc<RefCell<History>>) -> Vandal {
        Vandal {
            client,
            history,
            links: Vec::new(),
        }
    }

    fn nonsense(stage: &mut Stage<'_>) -> Vec<u8> {
        let random = &mut *stage.random;
        let length = random.magnitude(1, 2_000) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        match random.below(4) {
            // Any bytes at all.
            0 => {}
            // A frame of that size, of any bytes.
            1 if length >= 4 => {
                bytes[..4].copy_from_slice(&(length as u32 - 4).to_be_bytes());
            }
            // A request with an honest header and a body of any bytes; sometimes the beginning only.
            _ if length >= 14 => {
                let size = length as u32 - 4 + random.below(2) as u32 * 100;
                bytes[..4].copy_from_slice(&size.to_be_bytes());
                let keys = [
                    ApiKey::PRODUCE,
                    ApiKey::FETCH,
                    ApiKey::LIST_OFFSETS,
                    ApiKey::METADATA,
                    ApiKey::API_VERSIONS,
                    ApiKey::INIT_PRODUCER_ID,
                    ApiKey::OFFSET_COMMIT,
                    ApiKey::JOIN_GROUP,
                    ApiKey::SYNC_GROUP,
                ];
                bytes[4..6].copy_from_slice(&random.pick(&keys).0.to_be_bytes());
                bytes[6..8].copy_from_slice(&(random.below(14) as i16).to_be_bytes());
                bytes[12..14].copy_from_slice(&(-1i16).to_be_bytes());
            }
            _ => {}
        }
        bytes
    }
}

impl Actor for Vandal {
    fn told(&mut self, told: Told, _stage: &mut Stage<'_>) {
        if let Told::Refused(link) | Told::Ended(link, _) = told {
            self.links.retain(|other| *other != link);
        }
    }

    fn timer(&mut self, _name: u64, stage: &mut Stage<'_>) {
        let phase = self.history.borrow().phase;
        self.history.borrow_mut().done.insert(self.client);
        if phase > Phase::Running {
            for link in std::mem::take(&mut self.links) {
                stage.network.client_close(link, false, stage.now_us);
            }
            stage.after(50_000, 0);
            return;
        }
        if self.links.len() < 3 {
            let link = stage.connect();
            self.links.push(link);
        }
        let link = *stage.random.pick(&self.links);
        match stage.random.below(10) {
            0 => stage.network.client_half_close(link, stage.now_us),
            1 | 2 => {
                self.links.retain(|other| *other != link);
                let abruptly = stage.random.one_in(2);
                stage.network.client_close(link, abruptly, stage.now_us);
            }
            _ => {
                let bytes = Vandal::nonsense(stage);
                stage.send(link, &bytes);
            }
        }
        let wait_us = stage.random.magnitude(1_000, 200_000);
        stage.after(wait_us, 0);
    }
}
