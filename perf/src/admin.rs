//! What a load needs besides produce and fetch: topics, their ends, and an answer at all. Blocking, one
//! request at a time, by the kafka-protocol package.

use crate::wire::TOPIC;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
    CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, ListOffsetsRequest,
    ListOffsetsResponse, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader,
    TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a topic may need until its partitions are led.
const LED_WITHIN: Duration = Duration::from_secs(120);
/// How long an answer may take: Kafka takes its time over thousands of partitions.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);
/// Partitions made by one request: Kafka refuses ten thousand.
const MADE_AT_ONCE: i32 = 2_000;
/// Error codes that say "not yet".
const NOT_YET: [i16; 4] = [3, 5, 6, 9];
const UNKNOWN_TOPIC: i16 = 3;

/// A blocking connection.
pub struct Admin {
    stream: TcpStream,
    correlation: i32,
}

impl Admin {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Admin> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(Admin {
            stream,
            correlation: 0,
        })
    }

    /// Creates a topic, in several steps if need be, and waits until its partitions are led.
    pub fn create(&mut self, name: &str, partitions: i32, config: &[(&str, &str)]) -> Result<()> {
        let config = config
            .iter()
            .map(|(key, value)| {
                CreatableTopicConfig::default()
                    .with_name(text(key))
                    .with_value(Some(text(value)))
            })
            .collect();
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions.min(MADE_AT_ONCE))
            .with_replication_factor(1)
            .with_configs(config);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(ANSWER_WITHIN.as_millis() as i32);
        let answer: CreateTopicsResponse = self.ask(ApiKey::CreateTopics, 4, &request)?;
        let created = answer.topics.first();
        let created = created.ok_or_else(|| Error::other("creating a topic: no answer"))?;
        refused(
            "creating",
            name,
            created.error_code,
            created.error_message.as_deref(),
        )?;
        let mut made = partitions.min(MADE_AT_ONCE);
        while made < partitions {
            made = (made + MADE_AT_ONCE).min(partitions);
            let grown = CreatePartitionsTopic::default()
                .with_name(topic_name(name))
                .with_count(made)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![grown])
                .with_timeout_ms(ANSWER_WITHIN.as_millis() as i32);
            let answer: CreatePartitionsResponse =
                self.ask(ApiKey::CreatePartitions, 1, &request)?;
            let grown = answer.results.first();
            let grown = grown.ok_or_else(|| Error::other("more partitions: no answer"))?;
            refused(
                "growing",
                name,
                grown.error_code,
                grown.error_message.as_deref(),
            )?;
        }
        self.wait_until_led(name, partitions)?;
        // Kafka's metadata knows the leader before the leader does.
        if name == TOPIC {
            self.ends(partitions)?;
        }
        Ok(())
    }

    /// Deletes a topic, if it is there, and waits until it is gone.
    pub fn delete(&mut self, name: &str) -> Result<()> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(ANSWER_WITHIN.as_millis() as i32);
        let answer: DeleteTopicsResponse = self.ask(ApiKey::DeleteTopics, 3, &request)?;
        match answer.responses.first().map(|it| it.error_code) {
            Some(UNKNOWN_TOPIC) => return Ok(()),
            Some(0) => {}
            error => return Err(Error::other(format!("deleting topic {name}: {error:?}"))),
        }
        let began = Instant::now();
        while began.elapsed() < LED_WITHIN {
            let described = self.describe(name)?;
            if described
                .topics
                .first()
                .is_some_and(|it| it.error_code == UNKNOWN_TOPIC)
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::other(format!("topic {name} does not go away")))
    }

    /// Waits until every partition has a leader, which must be a single broker.
    pub fn wait_until_led(&mut self, name: &str, partitions: i32) -> Result<()> {
        let began = Instant::now();
        loop {
            let described = self.describe(name)?;
            let topic = described.topics.first();
            let led = topic.map_or(0, |topic| {
                let led = topic.partitions.iter();
                led.filter(|it| it.error_code == 0 && it.leader_id >= BrokerId(0))
                    .count()
            });
            let leaders: std::collections::BTreeSet<_> = topic
                .iter()
                .flat_map(|it| &it.partitions)
                .map(|it| it.leader_id)
                .collect();
            if led == partitions as usize {
                return match leaders.len() {
                    1 => Ok(()),
                    count => Err(Error::other(format!(
                        "topic {name} is led by {count} brokers; the load speaks to one: give it a topic whose partitions are on that one"
                    ))),
                };
            }
            if began.elapsed() > LED_WITHIN {
                return Err(Error::other(format!(
                    "{led} of {partitions} partitions of {name} are led"
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Partitions of a topic, 0 if there is none.
    pub fn partitions(&mut self, name: &str) -> Result<i32> {
        let described = self.describe(name)?;
        let topic = described.topics.first().filter(|it| it.error_code == 0);
        Ok(topic.map_or(0, |it| it.partitions.len() as i32))
    }

    fn describe(&mut self, name: &str) -> Result<MetadataResponse> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        self.ask(ApiKey::Metadata, 7, &request)
    }

    /// The end of each of the first `partitions` partitions of the measured topic.
    pub fn ends(&mut self, partitions: i32) -> Result<Vec<i64>> {
        let began = Instant::now();
        loop {
            let asked = (0..partitions)
                .map(|index| {
                    ListOffsetsPartition::default()
                        .with_partition_index(index)
                        .with_timestamp(-1)
                })
                .collect();
            let topic = ListOffsetsTopic::default()
                .with_name(topic_name(TOPIC))
                .with_partitions(asked);
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_topics(vec![topic]);
            let answer: ListOffsetsResponse = self.ask(ApiKey::ListOffsets, 3, &request)?;
            let topic = answer.topics.first();
            let topic =
                topic.ok_or_else(|| Error::other("ListOffsets: no answer about the topic"))?;
            let error = topic
                .partitions
                .iter()
                .map(|it| it.error_code)
                .find(|it| *it != 0);
            match error {
                None => {
                    let mut ends = vec![0; partitions as usize];
                    for it in &topic.partitions {
                        let end = ends.get_mut(it.partition_index as usize);
                        *end.ok_or_else(|| Error::other("ListOffsets: an unknown partition"))? =
                            it.offset;
                    }
                    return Ok(ends);
                }
                Some(error) if NOT_YET.contains(&error) && began.elapsed() < LED_WITHIN => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Some(error) => return Err(Error::other(format!("ListOffsets: error {error}"))),
            }
        }
    }

    /// Whole requests, and as many answers without their lengths.
    pub fn exchange(&mut self, requests: &[u8], count: usize) -> Result<Vec<Vec<u8>>> {
        self.stream.write_all(requests)?;
        (0..count)
            .map(|_| {
                let mut length = [0; 4];
                self.stream.read_exact(&mut length)?;
                let mut answer = vec![0; u32::from_be_bytes(length) as usize];
                self.stream.read_exact(&mut answer)?;
                Ok(answer)
            })
            .collect()
    }

    fn ask<A: Decodable>(
        &mut self,
        api: ApiKey,
        version: i16,
        request: &impl Encodable,
    ) -> Result<A> {
        self.correlation += 1;
        let mut bytes = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(text("perf")))
            .encode(&mut bytes, api.request_header_version(version))
            .map_err(Error::other)?;
        request.encode(&mut bytes, version).map_err(Error::other)?;
        let framed = [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat();
        let answer = self.exchange(&framed, 1)?.pop();
        let mut answer = Bytes::from(answer.expect("one answer to one request"));
        let header = ResponseHeader::decode(&mut answer, api.response_header_version(version))
            .map_err(Error::other)?;
        if header.correlation_id != self.correlation {
            return Err(Error::other("an answer to another request"));
        }
        A::decode(&mut answer, version).map_err(Error::other)
    }
}

fn text(it: &str) -> StrBytes {
    StrBytes::from_string(it.to_owned())
}

fn refused(what: &str, name: &str, error: i16, why: Option<&str>) -> Result<()> {
    match error {
        0 => Ok(()),
        _ => {
            let why = why.unwrap_or_default();
            Err(Error::other(format!(
                "{what} topic {name}: error {error} {why}"
            )))
        }
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
