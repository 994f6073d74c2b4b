//! DescribeLogDirs: what lies where, how large it is, and what room is left.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::{Client, versions};
use crate::records::large;
use millstream::wire::{
    ApiKey, DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, ErrorCode,
};
use std::collections::BTreeMap;

const NEWEST: i16 = 5;

fn request(topics: Option<&[(&Topic, &[i32])]>) -> DescribeLogDirsRequest<'static> {
    DescribeLogDirsRequest {
        topics: topics.map(|topics| {
            topics
                .iter()
                .map(|(topic, partitions)| DescribableLogDirTopic {
                    topic: topic.name.clone().into(),
                    partitions: partitions.to_vec(),
                })
                .collect()
        }),
    }
}

fn describe(
    client: &mut Client,
    version: i16,
    request: &DescribeLogDirsRequest<'static>,
) -> Vec<DescribeLogDirsResult<'static>> {
    let response: DescribeLogDirsResponse = client.call(version, request);
    assert_eq!(response.error_code, ErrorCode::NONE);
    for result in &response.results {
        assert_eq!(result.error_code, ErrorCode::NONE);
    }
    response.results
}

/// Size by topic and partition.
fn sizes(result: &DescribeLogDirsResult<'_>) -> BTreeMap<(String, i32), i64> {
    let topics = result.topics.iter();
    topics
        .flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
                let key = (topic.name.to_string(), partition.partition_index);
                (key, partition.partition_size)
            })
        })
        .collect()
}

#[test]
fn every_version_tells_the_size_of_each_partition_of_every_shard() {
    let broker = broker::shared();
    let topic = broker.topic("log-dirs", 8);
    let mut client = broker.client();
    for partition in 0..8 {
        client.append(&topic, partition, large(1000 * (partition as usize + 1)));
    }
    for version in versions(ApiKey::DESCRIBE_LOG_DIRS) {
        let results = describe(&mut client, version, &request(None));
        assert_eq!(results.len(), 1);
        let directory = broker.partition(&topic, 0);
        let directory = directory.parent().unwrap();
        assert_eq!(&*results[0].log_dir, directory.to_str().unwrap());
        let sizes = sizes(&results[0]);
        for partition in 0..8 {
            let log = broker
                .partition(&topic, partition)
                .join("00000000000000000000.log");
            let bytes = std::fs::metadata(log).unwrap().len() as i64;
            assert_eq!(sizes[&(topic.name.clone(), partition)], bytes);
        }
        assert!(sizes.keys().all(|(name, _)| name != "__cluster_metadata"));
        if version >= 4 {
            let volume = nix::sys::statvfs::statvfs(directory).unwrap();
            let total = volume.blocks() * volume.fragment_size();
            assert_eq!(results[0].total_bytes, total as i64);
            assert!(results[0].usable_bytes > 0 && results[0].usable_bytes <= total as i64);
        } else {
            assert_eq!((results[0].total_bytes, results[0].usable_bytes), (-1, -1));
        }
        assert!(!results[0].is_cordoned);
    }
}

#[test]
fn only_what_was_asked_about_is_told_and_what_is_not_there_is_passed_over() {
    let broker = broker::shared();
    let topic = broker.topic("log-dirs-some", 4);
    let other = Topic {
        name: "log-dirs-none".into(),
        ..topic.clone()
    };
    let mut client = broker.client();
    let some = request(Some(&[(&topic, &[1, 3, 9]), (&other, &[0])]));
    let results = describe(&mut client, NEWEST, &some);
    let keys: Vec<_> = sizes(&results[0]).into_keys().collect();
    assert_eq!(keys, [(topic.name.clone(), 1), (topic.name.clone(), 3)]);
    let results = describe(&mut client, NEWEST, &request(Some(&[])));
    assert_eq!(results.len(), 1, "the directory is told without partitions");
    assert!(results[0].topics.is_empty() && results[0].total_bytes > 0);
}

#[test]
fn each_log_directory_has_its_own_partitions() {
    let directory = Directory::new();
    let (first, second) = (directory.data(), directory.path().join("second"));
    let log_dirs = format!("log.dirs={},{}", first.display(), second.display());
    let broker = Broker::start(&directory, &[&log_dirs, "num.shards=2"]);
    let topic = broker.topic("t", 6);
    let mut client = broker.client();
    let results = describe(&mut client, NEWEST, &request(None));
    let paths: Vec<&str> = results.iter().map(|it| &*it.log_dir).collect();
    assert_eq!(paths, [first.to_str().unwrap(), second.to_str().unwrap()]);
    let mut all = Vec::new();
    for result in &results {
        for (name, partition) in sizes(result).into_keys() {
            let path = format!("{}/{name}-{partition}", result.log_dir);
            assert!(std::path::Path::new(&path).is_dir(), "{path}");
            all.push(partition);
        }
    }
    all.sort();
    assert_eq!(all, (0..6).collect::<Vec<_>>());
    assert_eq!(topic.name, "t");
}
