//! Produce: offsets, acknowledgements, idempotence, times. What makes a batch bad is tested in
//! `produce_checks`.

use crate::broker::{self, Broker, Directory, Topic, shard_of};
use crate::client::{PRODUCE, fetch_request, produce_request, produce_topic, versions};
use crate::records::{
    batch, batch_in, headers, large, now_ms, placed, put, seen, sequenced, values,
};
use millstream::batch::{CRC, CRC_START, Codec, LENGTH, crc32c};
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, ProduceRequest, ProduceResponse,
    ProduceTopic, Records,
};
use std::collections::BTreeSet;

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

#[test]
fn every_version_appends_and_offsets_count_on() {
    let broker = broker::shared();
    let topic = broker.topic("produce-versions", 1);
    let mut client = broker.client();
    let mut next = 0;
    for version in versions(ApiKey::PRODUCE) {
        let response = client.produce_as(version, &topic, 0, batch(&["a", "b", "c"]));
        assert_eq!(response.error_code, ErrorCode::NONE, "version {version}");
        assert_eq!(response.base_offset, next);
        assert_eq!(response.log_append_time_ms, -1, "it is CreateTime");
        if version >= 5 {
            assert_eq!(response.log_start_offset, 0);
        }
        next += 3;
    }
    let fetched = client.fetch(&topic, 0, 0);
    assert_eq!(fetched.response.high_watermark, next);
    let offsets: Vec<i64> = seen(fetched.records).iter().map(|it| it.offset).collect();
    assert_eq!(offsets, Vec::from_iter(0..next));
}

#[test]
fn the_response_names_the_topic_as_the_request_did() {
    let broker = broker::shared();
    let topic = broker.topic("produce-names", 1);
    let mut client = broker.client();
    let request = produce_request(-1, &topic, vec![(0, batch(&["a"]))]);
    let by_name: ProduceResponse = client.call(12, &request);
    assert_eq!(by_name.responses[0].name, topic.name);
    let by_id: ProduceResponse = client.call(13, &request);
    assert_eq!(by_id.responses[0].topic_id, topic.id);
}

#[test]
fn batches_of_every_codec_are_stored_as_sent() {
    let broker = broker::shared();
    let topic = broker.topic("produce-codecs", 1);
    let mut client = broker.client();
    for codec in CODECS {
        let value = "abc".repeat(500);
        let sent = batch_in(codec, &[&value, "", &value]);
        let base = client.append(&topic, 0, sent.clone());
        let fetched = client.fetch(&topic, 0, base);
        let epoch = headers(fetched.records)[0].leader_epoch.0;
        assert_eq!(fetched.records, placed(sent, base, epoch), "{codec:?}");
        assert_eq!(
            values(fetched.records),
            [value.as_str(), "", value.as_str()]
        );
    }
}

#[test]
fn acks_0_gets_no_response_and_the_next_request_does() {
    let broker = broker::shared();
    let topic = broker.topic("produce-acks-0", 1);
    let mut client = broker.client();
    client.send(
        PRODUCE,
        &produce_request(0, &topic, vec![(0, batch(&["quiet"]))]),
    );
    let response: ApiVersionsResponse = client.call(0, &ApiVersionsRequest::default());
    assert_eq!(response.error_code, ErrorCode::NONE);
    // A produce behind it lands behind it.
    assert_eq!(client.append(&topic, 0, batch(&["loud"])), 1);
    assert_eq!(
        values(client.fetch(&topic, 0, 0).records),
        ["quiet", "loud"]
    );
}

#[test]
fn a_failed_acks_0_closes_the_connection() {
    let broker = broker::shared();
    let missing = Topic {
        name: "produce-acks-0-missing".into(),
        id: Uuid([7; 16]),
    };
    let mut client = broker.client();
    client.send(9, &produce_request(0, &missing, vec![(0, batch(&["a"]))]));
    client.expect_end();
}

#[test]
fn acks_1_and_all_are_answered_once_the_record_can_be_read() {
    let broker = broker::shared();
    let topic = broker.topic("produce-acks", 1);
    let mut producer = broker.client();
    let mut consumer = broker.client();
    for (at, acks) in [1, -1].into_iter().enumerate() {
        let request = produce_request(acks, &topic, vec![(0, batch(&["now"]))]);
        let response: ProduceResponse = producer.call(PRODUCE, &request);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::NONE);
        assert_eq!(partition.base_offset, at as i64);
        let fetched = consumer.fetch(&topic, 0, at as i64);
        assert_eq!(values(fetched.records), ["now"]);
    }
}

#[test]
fn other_acks_are_refused_for_each_partition() {
    let broker = broker::shared();
    let topic = broker.topic("produce-acks-invalid", 2);
    let mut client = broker.client();
    for acks in [2, -2, i16::MAX] {
        let sets = vec![(0, batch(&["a"])), (1, batch(&["a"]))];
        let response: ProduceResponse = client.call(PRODUCE, &produce_request(acks, &topic, sets));
        let partitions = &response.responses[0].partition_responses;
        assert_eq!(partitions.len(), 2);
        for partition in partitions {
            assert_eq!(partition.error_code, ErrorCode::INVALID_REQUIRED_ACKS);
            assert_eq!(partition.base_offset, -1);
        }
    }
    assert_eq!(client.fetch(&topic, 0, 0).response.high_watermark, 0);
}

#[test]
fn unknown_topics_ids_and_partitions_have_their_codes() {
    let broker = broker::shared();
    let topic = broker.topic("produce-unknown", 1);
    let missing = Topic {
        name: "produce-missing".into(),
        id: Uuid([9; 16]),
    };
    let mut client = broker.client();
    let mut code = |version, topic: &Topic, partition| {
        let response = client.produce_as(version, topic, partition, batch(&["a"]));
        assert_eq!(response.base_offset, -1);
        response.error_code
    };
    assert_eq!(code(12, &missing, 0), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(13, &missing, 0), ErrorCode::UNKNOWN_TOPIC_ID);
    for version in [12, 13] {
        for partition in [1, -1, i32::MAX] {
            let error = code(version, &topic, partition);
            assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
}

#[test]
fn one_request_reaches_partitions_on_all_shards_and_answers_in_its_order() {
    let broker = broker::shared();
    let first = broker.topic("produce-wide-a", 8);
    let second = broker.topic("produce-wide-b", 8);
    let shards: BTreeSet<u16> = (0..8).map(|index| shard_of(&first, index, 4)).collect();
    assert_eq!(shards.len(), 4, "eight partitions lie on all shards");
    let mut client = broker.client();
    let order = [7, 2, 5, 99, 0, 1];
    let sets = |topic: &Topic| {
        let sets = order.iter().map(|index| {
            let value = format!("{}/{index}", topic.name);
            (*index, batch(&[value.as_str()]))
        });
        produce_topic(topic, sets.collect())
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![sets(&second), sets(&first)].into(),
        ..Default::default()
    };
    let response: ProduceResponse = client.call(PRODUCE, &request);
    let ids: Vec<_> = response
        .responses
        .iter()
        .map(|topic| topic.topic_id)
        .collect();
    assert_eq!(ids, [second.id, first.id]);
    for topic in &response.responses {
        let partitions: Vec<i32> = topic
            .partition_responses
            .iter()
            .map(|it| it.index)
            .collect();
        assert_eq!(partitions, order);
        for partition in &topic.partition_responses {
            let expected = match partition.index {
                99 => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
                _ => (ErrorCode::NONE, 0),
            };
            assert_eq!((partition.error_code, partition.base_offset), expected);
        }
    }
    for index in [7, 2, 5, 0, 1] {
        let fetched = client.fetch(&first, index, 0);
        assert_eq!(values(fetched.records), [format!("produce-wide-a/{index}")]);
    }
}

#[test]
fn a_request_without_topics_or_partitions_is_answered_empty() {
    let broker = broker::shared();
    let topic = broker.topic("produce-empty", 1);
    let mut client = broker.client();
    let nothing = ProduceRequest {
        acks: -1,
        ..Default::default()
    };
    let response: ProduceResponse = client.call(PRODUCE, &nothing);
    assert!(response.responses.is_empty());
    let response: ProduceResponse = client.call(PRODUCE, &produce_request(1, &topic, vec![]));
    assert!(response.responses[0].partition_responses.is_empty());
}

#[test]
fn a_null_record_set_is_an_invalid_record() {
    let broker = broker::shared();
    let topic = broker.topic("produce-null", 1);
    let mut request = produce_request(-1, &topic, vec![(0, Vec::new())]);
    request.topic_data[0].partition_data[0].records = Records::Null;
    let mut client = broker.client();
    let response: ProduceResponse = client.call(PRODUCE, &request);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ErrorCode::INVALID_RECORD);
}

#[test]
fn pipelined_produces_land_in_their_order() {
    let broker = broker::shared();
    let topic = broker.topic("produce-pipelined", 1);
    let mut client = broker.client();
    const REQUESTS: i32 = 100;
    for at in 0..REQUESTS {
        let value = at.to_string();
        let request = produce_request(-1, &topic, vec![(0, batch(&[value.as_str()]))]);
        client.send(PRODUCE, &request);
    }
    for at in 0..REQUESTS {
        let response: ProduceResponse = client.receive_earlier(PRODUCE, REQUESTS - 1 - at);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, i64::from(at));
    }
    let expected: Vec<String> = (0..REQUESTS).map(|at| at.to_string()).collect();
    assert_eq!(values(client.fetch(&topic, 0, 0).records), expected);
}

#[test]
fn the_same_partition_twice_in_a_request_gets_both_batches() {
    let broker = broker::shared();
    let topic = broker.topic("produce-twice", 1);
    let mut client = broker.client();
    let sets = vec![(0, batch(&["a"])), (0, batch(&["b"]))];
    let response: ProduceResponse = client.call(PRODUCE, &produce_request(-1, &topic, sets));
    let offsets: Vec<i64> = response.responses[0]
        .partition_responses
        .iter()
        .map(|partition| partition.base_offset)
        .collect();
    assert_eq!(offsets, [0, 1]);
}

// -- idempotent producers

/// An id that no other test uses; the broker takes any.
const PRODUCER: i64 = 1 << 40;

#[test]
fn a_gap_in_the_sequence_is_refused_and_leaves_no_trace() {
    let broker = broker::shared();
    let topic = broker.topic("idempotent-gap", 1);
    let mut client = broker.client();
    client.append(&topic, 0, sequenced(PRODUCER, 0, 0, 3));
    for sequence in [4, 1, 2, 100] {
        let gap = client.produce(&topic, 0, sequenced(PRODUCER, 0, sequence, 1));
        assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(gap.base_offset, -1);
    }
    assert_eq!(client.append(&topic, 0, sequenced(PRODUCER, 0, 3, 1)), 3);
}

#[test]
fn partitions_count_sequences_for_themselves() {
    let broker = broker::shared();
    let topic = broker.topic("idempotent-partitions", 2);
    let mut client = broker.client();
    client.append(&topic, 0, sequenced(PRODUCER, 0, 0, 3));
    assert_eq!(client.append(&topic, 1, sequenced(PRODUCER, 0, 0, 1)), 0);
}

// -- times

#[test]
fn a_wrong_largest_time_of_a_plain_batch_is_put_right() {
    let broker = broker::shared();
    let topic = broker.topic("produce-max-time", 1);
    let mut client = broker.client();
    let now = now_ms();
    let lying = crate::records::changed(
        crate::records::batch_at(Codec::None, &[now - 5, now - 9]),
        |batch| {
            let wrong = (now - 1000).to_be_bytes();
            crate::records::put(batch, millstream::batch::MAX_TIMESTAMP, &wrong);
        },
    );
    client.append(&topic, 0, lying);
    let fetched = client.fetch(&topic, 0, 0);
    let header = headers(fetched.records)[0];
    assert_eq!(header.max_timestamp.0, now - 5);
    let times: Vec<i64> = seen(fetched.records).iter().map(|it| it.time).collect();
    assert_eq!(times, [now - 5, now - 9]);
}

#[test]
fn what_is_produced_over_one_connection_is_read_over_another() {
    let broker = broker::shared();
    let topic = broker.topic("produce-read-other", 4);
    let mut clients: Vec<_> = (0..5).map(|_| broker.client()).collect();
    for round in 0..4i64 {
        for partition in 0..4 {
            let value = format!("{round}/{partition}");
            let producer = (round as usize + partition as usize) % 5;
            clients[producer].append(&topic, partition, batch(&[value.as_str()]));
            for client in &mut clients {
                let fetched = client.fetch(&topic, partition, round);
                assert_eq!(values(fetched.records), [value.as_str()]);
            }
        }
    }
    let all: Vec<(i32, i64)> = (0..4).map(|partition| (partition, 0)).collect();
    let request = fetch_request(&topic, &all);
    for fetched in clients[0].fetch_all(13, &request) {
        assert_eq!(fetched.response.high_watermark, 4);
    }
}

#[test]
fn several_topics_by_name_in_one_request() {
    let broker = broker::shared();
    let topics = [
        broker.topic("produce-two-a", 1),
        broker.topic("produce-two-b", 1),
    ];
    let data: Vec<ProduceTopic<'static>> = topics
        .iter()
        .map(|topic| produce_topic(topic, vec![(0, batch(&["x"]))]))
        .collect();
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 1000,
        topic_data: data.into(),
        ..Default::default()
    };
    let response: ProduceResponse = broker.client().call(7, &request);
    let names: Vec<_> = response
        .responses
        .iter()
        .map(|topic| &*topic.name)
        .collect();
    assert_eq!(names, ["produce-two-a", "produce-two-b"]);
}

#[test]
fn a_batch_of_more_parts_than_one_vectored_write_takes_is_written_whole() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["message.max.bytes=90000000"]);
    let topic = broker.topic("produce-70m", 1);
    let mut client = broker.client();
    // IOV_MAX is 1,024, a part 64 KiB at most.
    let sent = large(70 << 20);
    assert_eq!(client.append(&topic, 0, batch(&["before"])), 0);
    assert_eq!(client.append(&topic, 0, sent.clone()), 1);
    assert_eq!(client.append(&topic, 0, batch(&["behind"])), 2);
    let fetched = client.fetch(&topic, 0, 1);
    assert!(
        fetched.records == placed(sent, 1, 0),
        "the batch is not what was sent"
    );
    assert_eq!(values(client.fetch(&topic, 0, 2).records), ["behind"]);
    broker.stop();
}

#[test]
fn a_segment_rolls_by_size_and_by_time() {
    let broker = broker::shared();
    let mut client = broker.client();
    let segments = |topic: &Topic| {
        let entries =
            std::fs::read_dir(broker.partition(topic, 0)).expect("the partition is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut logs: Vec<String> = names
            .map(|name| name.into_string().expect("a plain name"))
            .filter(|name| name.ends_with(".log"))
            .collect();
        logs.sort();
        logs
    };

    let by_size = broker.topic_with("roll-size", 1, &[("segment.bytes", "1048576")]);
    for _ in 0..3 {
        client.append(&by_size, 0, large(700_000));
    }
    assert_eq!(
        segments(&by_size),
        [
            "00000000000000000000.log",
            "00000000000000000001.log",
            "00000000000000000002.log"
        ]
    );

    let by_time = broker.topic_with("roll-time", 1, &[("segment.ms", "300")]);
    client.append(&by_time, 0, batch(&["a"]));
    client.append(&by_time, 0, batch(&["b"]));
    std::thread::sleep(std::time::Duration::from_millis(400));
    client.append(&by_time, 0, batch(&["c"]));
    assert_eq!(
        segments(&by_time),
        ["00000000000000000000.log", "00000000000000000002.log"]
    );
    assert_eq!(values(client.fetch(&by_time, 0, 2).records), ["c"]);
}

/// What a topic with these settings makes of batches of every codec, mixed and pipelined: all are
/// stored in the codec that it wants, and in their order.
#[track_caller]
fn converts(name: &str, wanted: Codec, settings: &[(&str, &str)]) {
    let broker = broker::shared();
    let mut all = vec![("compression.type", name)];
    all.extend(settings);
    let topic = broker.topic_with(&format!("convert-{name}-{}", settings.len()), 1, &all);
    let mut client = broker.client();
    const ROUNDS: i32 = 8;
    let count = ROUNDS * CODECS.len() as i32;
    let value = |at: i32| format!("{at} {}", "abc".repeat(300));
    for at in 0..count {
        let codec = CODECS[at as usize % CODECS.len()];
        let request = produce_request(-1, &topic, vec![(0, batch_in(codec, &[&value(at), ""]))]);
        client.send(PRODUCE, &request);
    }
    for at in 0..count {
        let response: ProduceResponse = client.receive_earlier(PRODUCE, count - 1 - at);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            partition.error_code,
            ErrorCode::NONE,
            "{:?}",
            partition.error_message
        );
        assert_eq!(partition.base_offset, i64::from(at) * 2);
    }
    let fetched = client.fetch(&topic, 0, 0);
    let codecs: Vec<_> = headers(fetched.records)
        .iter()
        .map(|it| it.codec())
        .collect();
    assert_eq!(codecs, vec![Some(wanted); count as usize]);
    let expected: Vec<String> = (0..count)
        .flat_map(|at| [value(at), String::new()])
        .collect();
    assert_eq!(values(fetched.records), expected);
}

#[test]
fn a_topic_with_a_codec_of_its_own_stores_everything_in_it_and_in_order() {
    converts("gzip", Codec::Gzip, &[]);
    converts("gzip", Codec::Gzip, &[("compression.gzip.level", "9")]);
    converts("snappy", Codec::Snappy, &[]);
    converts("lz4", Codec::Lz4, &[]);
    converts("lz4", Codec::Lz4, &[("compression.lz4.level", "17")]);
    converts("zstd", Codec::Zstd, &[]);
    converts("zstd", Codec::Zstd, &[("compression.zstd.level", "-5")]);
    converts("uncompressed", Codec::None, &[]);
}

#[test]
fn a_higher_level_makes_smaller_batches() {
    let broker = broker::shared();
    let mut client = broker.client();
    let text: String = (0..20_000)
        .map(|at| format!("{} {}; ", at % 97, at * at % 1009))
        .collect();
    let mut size = |name: &str, setting: &str, level: &str| {
        let settings = [("compression.type", name), (setting, level)];
        let topic = broker.topic_with(&format!("level-{name}{level}"), 1, &settings);
        client.append(&topic, 0, batch(&[&text]));
        headers(client.fetch(&topic, 0, 0).records)[0].size()
    };
    for (name, low, high) in [
        ("gzip", "1", "9"),
        ("lz4", "9", "12"),
        ("zstd", "-100", "9"),
    ] {
        let setting = format!("compression.{name}.level");
        let (low, high) = (size(name, &setting, low), size(name, &setting, high));
        assert!(high < low, "{name}: {high} is not less than {low}");
    }
}

#[test]
fn a_topic_with_a_codec_looks_into_each_batch_and_its_sequences_hold() {
    let broker = broker::shared();
    let topic = broker.topic_with("convert-checks", 1, &[("compression.type", "zstd")]);
    let mut client = broker.client();
    // A stream that breaks off under a good CRC: elsewhere only consumers learn of it.
    let mut broken = batch_in(Codec::Gzip, &[&"abc".repeat(1000)]);
    broken.truncate(broken.len() - 12);
    let length = (broken.len() - 12) as i32;
    put(&mut broken, LENGTH, &length.to_be_bytes());
    let crc = crc32c(&broken[CRC_START..]);
    put(&mut broken, CRC, &crc.to_be_bytes());
    for (sequence, expected) in [(0, 0), (3, 3), (0, 0), (3, 3), (6, 6)] {
        let refused = client.produce(&topic, 0, broken.clone());
        assert_ne!(refused.error_code, ErrorCode::NONE);
        let response = client.produce(&topic, 0, sequenced(90_001, 0, sequence, 3));
        assert_eq!(
            response.error_code,
            ErrorCode::NONE,
            "{:?}",
            response.error_message
        );
        assert_eq!(response.base_offset, expected);
    }
    assert_eq!(client.fetch(&topic, 0, 0).response.high_watermark, 9);
}

#[test]
fn a_converted_batch_under_log_append_time_has_the_brokers_time() {
    let broker = broker::shared();
    let settings = [
        ("compression.type", "gzip"),
        ("message.timestamp.type", "LogAppendTime"),
    ];
    let topic = broker.topic_with("convert-append-time", 1, &settings);
    let mut client = broker.client();
    let response = client.produce(&topic, 0, batch_in(Codec::Lz4, &["a", "b"]));
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert!((now_ms() - response.log_append_time_ms).abs() < 60_000);
    let fetched = client.fetch(&topic, 0, 0);
    let header = headers(fetched.records)[0];
    assert!(header.is_log_append_time() && header.codec() == Some(Codec::Gzip));
    assert!(
        seen(fetched.records)
            .iter()
            .all(|it| it.time == response.log_append_time_ms)
    );
}
