//! AlterReplicaLogDirs: a partition can be told to stay where it is.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use millstream::wire::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse, ApiKey, ErrorCode,
};

const NEWEST: i16 = 2;

fn alter(client: &mut Client, version: i16, path: &str, topic: &str, partition: i32) -> ErrorCode {
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: path.to_string().into(),
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.to_string().into(),
                partitions: vec![partition],
            }],
        }],
    };
    let response: AlterReplicaLogDirsResponse = client.call(version, &request);
    assert_eq!(response.results[0].topic_name, topic);
    let result = &response.results[0].partitions[0];
    assert_eq!(result.partition_index, partition);
    result.error_code
}

#[test]
fn every_version_leaves_a_partition_where_it_is() {
    let broker = broker::shared();
    let topic = broker.topic("move-dirs", 4);
    let data = broker.partition(&topic, 0);
    let data = data.parent().unwrap().to_str().unwrap();
    let mut client = broker.client();
    for version in versions(ApiKey::ALTER_REPLICA_LOG_DIRS) {
        for partition in 0..4 {
            let error = alter(&mut client, version, data, &topic.name, partition);
            assert_eq!(error, ErrorCode::NONE);
        }
    }
    let error = alter(&mut client, NEWEST, data, &topic.name, 4);
    assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let error = alter(&mut client, NEWEST, data, "move-dirs-nowhere", 0);
    assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let error = alter(&mut client, NEWEST, "/no/such/dir", &topic.name, 0);
    assert_eq!(error, ErrorCode::LOG_DIR_NOT_FOUND);
    let error = alter(&mut client, NEWEST, data, &"n".repeat(249), 0);
    assert_eq!(error, ErrorCode::INVALID_TOPIC_EXCEPTION);
}

#[test]
fn a_move_to_another_directory_is_refused_and_nothing_moves() {
    let directory = Directory::new();
    let (first, second) = (directory.data(), directory.path().join("second"));
    let log_dirs = format!("log.dirs={},{}", first.display(), second.display());
    let broker = Broker::start(&directory, &[&log_dirs]);
    broker.topic("t", 2);
    let mut client = broker.client();
    for partition in 0..2 {
        let name = format!("t-{partition}");
        let (at, other) = match first.join(&name).is_dir() {
            true => (&first, &second),
            false => (&second, &first),
        };
        assert!(at.join(&name).is_dir());
        let mut error =
            |to: &std::path::Path| alter(&mut client, NEWEST, to.to_str().unwrap(), "t", partition);
        assert_eq!(error(at), ErrorCode::NONE);
        assert_eq!(error(other), ErrorCode::UNSUPPORTED_VERSION);
        assert!(at.join(&name).is_dir() && !other.join(&name).exists());
    }
}
