//! The small text files around the metadata log: their contents, not their places on a disk.
//!
//! | file | kept in | says |
//! |---|---|---|
//! | `meta.properties` | every log directory | whose directory it is |
//! | `quorum-state` | `__cluster_metadata-0` | the epoch, and who was voted for in it |
//! | `.kafka_cleanshutdown` | every log directory | all logs in it were closed in order |
//!
//! All are replaced as a whole (tmp, fsync, rename, fsync of the directory).

use super::json::{Json, quote};
use crate::types::{NodeId, Uuid};
use std::fmt;

/// Why a file's text could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileFault {
    /// Which file.
    pub file: &'static str,
    /// What is wrong with it, in a few words.
    pub why: String,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.why)
    }
}

impl std::error::Error for FileFault {}

/// `meta.properties`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaProperties {
    /// The cluster that the directory belongs to: the only guard against a directory that strayed.
    pub cluster_id: String,
    /// The node that it belongs to.
    pub node_id: NodeId,
    /// The directory's own id; Kafka makes one if it is missing, and so do we.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// The file's name.
    pub const NAME: &'static str = "meta.properties";

    /// Reads Java properties: `key=value` lines, `#` comments. Versions 0 (`broker.id`) and 1.
    ///
    /// # Errors
    /// When a line is none, a value is missing or malformed, or the version is another.
    pub fn parse(text: &str) -> Result<MetaProperties, FileFault> {
        let fault = |why: String| FileFault {
            file: MetaProperties::NAME,
            why,
        };
        let (mut version, mut cluster_id, mut node_id, mut directory_id) = (None, None, None, None);
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let (key, value) = line
                .split_once(['=', ':'])
                .ok_or_else(|| fault(format!("no \"=\" in \"{line}\"")))?;
            let (key, value) = (key.trim(), value.trim());
            // Java writes the characters "=", ":", "#" and "!" with a backslash before them.
            let value = value.replace('\\', "");
            match key {
                "version" => version = Some(value),
                "cluster.id" => cluster_id = Some(value),
                "node.id" | "broker.id" => {
                    let id: i32 =
                        value.parse().ok().filter(|id| *id >= 0).ok_or_else(|| {
                            fault(format!("{key} is \"{value}\", not a node's id"))
                        })?;
                    node_id = Some(NodeId(id));
                }
                "directory.id" => {
                    let id = Uuid::parse(&value)
                        .ok_or_else(|| fault(format!("directory.id is \"{value}\", not an id")))?;
                    directory_id = Some(id);
                }
                _ => {}
            }
        }
        match version.as_deref() {
            Some("0" | "1") => {}
            Some(other) => return Err(fault(format!("version is {other}, not 0 or 1"))),
            None => return Err(fault("there is no version".into())),
        }
        Ok(MetaProperties {
            cluster_id: cluster_id.ok_or_else(|| fault("there is no cluster.id".into()))?,
            node_id: node_id.ok_or_else(|| fault("there is no node.id".into()))?,
            directory_id,
        })
    }

    /// The file's text, version 1.
    pub fn format(&self) -> String {
        let mut text = format!(
            "#\nversion=1\ncluster.id={}\nnode.id={}\n",
            self.cluster_id, self.node_id
        );
        if let Some(id) = self.directory_id {
            text += &format!("directory.id={id}\n");
        }
        text
    }
}

/// `quorum-state`: what a voter must not forget about elections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuorumState {
    /// The leader of the epoch, if known.
    pub leader: Option<NodeId>,
    /// The highest epoch seen. The log may know a higher one.
    pub epoch: i32,
    /// Whom this node has voted for in the epoch.
    pub voted: Option<NodeId>,
    /// The directory of the node voted for; zero at kraft.version 0.
    pub voted_directory: Uuid,
    /// The voters, kept here at kraft.version 0 only; `None` writes the form of kraft.version 1,
    /// which keeps them in the log.
    pub voters: Option<Vec<NodeId>>,
}

impl QuorumState {
    /// The file's name.
    pub const NAME: &'static str = "quorum-state";

    /// Reads data versions 0 and 1.
    ///
    /// # Errors
    /// When it is not JSON, a field is missing or malformed, or the version is another.
    pub fn parse(text: &str) -> Result<QuorumState, FileFault> {
        let fault = |why: &str| FileFault {
            file: QuorumState::NAME,
            why: why.to_string(),
        };
        let json = Json::parse(text).ok_or_else(|| fault("not JSON"))?;
        let number = |key: &str| json.get(key).and_then(Json::number);
        let int32 = |key: &str| number(key).and_then(|number| i32::try_from(number).ok());
        let node = |key| int32(key).map(|id| if id < 0 { None } else { Some(NodeId(id)) });
        let voters = match number("data_version") {
            Some(1) => None,
            Some(0) => {
                let mut voters = Vec::new();
                for voter in json
                    .get("currentVoters")
                    .and_then(Json::array)
                    .unwrap_or_default()
                {
                    let id = voter.get("voterId").and_then(Json::number);
                    let id = id.and_then(|id| i32::try_from(id).ok());
                    voters.push(NodeId(id.ok_or_else(|| fault("a voter has no voterId"))?));
                }
                Some(voters)
            }
            Some(_) => return Err(fault("data_version is not 0 or 1")),
            None => return Err(fault("there is no data_version")),
        };
        let voted_directory = match json.get("votedDirectoryId").and_then(Json::string) {
            None => Uuid::ZERO,
            Some(id) => Uuid::parse(id).ok_or_else(|| fault("votedDirectoryId is not an id"))?,
        };
        Ok(QuorumState {
            leader: node("leaderId").ok_or_else(|| fault("there is no leaderId"))?,
            epoch: int32("leaderEpoch").ok_or_else(|| fault("there is no leaderEpoch"))?,
            voted: node("votedId").ok_or_else(|| fault("there is no votedId"))?,
            voted_directory,
            voters,
        })
    }

    /// The file's text, byte for byte as Kafka writes it.
    pub fn format(&self) -> String {
        let id = |node: Option<NodeId>| node.map_or(-1, |node| node.0);
        let (leader, voted, epoch) = (id(self.leader), id(self.voted), self.epoch);
        match &self.voters {
            None => format!(
                "{{\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\
                 \"votedDirectoryId\":{},\"data_version\":1}}",
                quote(&self.voted_directory.to_string())
            ),
            Some(voters) => {
                let voters: Vec<String> = voters
                    .iter()
                    .map(|voter| format!("{{\"voterId\":{voter}}}"))
                    .collect();
                format!(
                    "{{\"clusterId\":\"\",\"leaderId\":{leader},\"leaderEpoch\":{epoch},\
                     \"votedId\":{voted},\"appliedOffset\":0,\"currentVoters\":[{}],\
                     \"data_version\":0}}",
                    voters.join(",")
                )
            }
        }
    }
}

/// `.kafka_cleanshutdown`: that it exists is what counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanShutdown {
    /// The broker's last epoch, -1 if the file does not say.
    pub broker_epoch: i64,
}

impl CleanShutdown {
    /// The file's name.
    pub const NAME: &'static str = ".kafka_cleanshutdown";

    /// Reads the file; anything unreadable, emptiness included, says only that the stop was clean.
    pub fn parse(text: &str) -> CleanShutdown {
        let epoch = Json::parse(text)
            .and_then(|json| json.get("brokerEpoch").and_then(Json::number))
            .unwrap_or(-1);
        CleanShutdown {
            broker_epoch: epoch,
        }
    }

    /// The file's text.
    pub fn format(&self) -> String {
        format!("{{\"version\":0,\"brokerEpoch\":{}}}", self.broker_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_properties_of_kafka_are_read_and_ours_come_back() {
        let text = "#\n#Sun Nov 22 10:00:00 UTC 2026\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAZA\nversion=1\ncluster.id=5L6g3nShT-eMCtK--X86sw\n";
        let meta = MetaProperties::parse(text).expect("good");
        assert_eq!(meta.node_id, NodeId(1));
        assert_eq!(meta.cluster_id, "5L6g3nShT-eMCtK--X86sw");
        assert_eq!(meta.directory_id.map(|id| id.0[15]), Some(100));
        assert_eq!(MetaProperties::parse(&meta.format()), Ok(meta));
        let older = MetaProperties::parse("version=0\nbroker.id=3\ncluster.id=a\\=b");
        assert_eq!(older.as_ref().map(|meta| meta.node_id), Ok(NodeId(3)));
        assert_eq!(older.map(|meta| meta.cluster_id), Ok("a=b".to_string()));
    }

    #[test]
    fn meta_properties_without_their_ids_are_refused() {
        for text in [
            "",
            "version=1\nnode.id=1",
            "version=1\ncluster.id=x",
            "version=2\ncluster.id=x\nnode.id=1",
            "version=1\ncluster.id=x\nnode.id=-1",
            "version=1\ncluster.id=x\nnode.id=1\ndirectory.id=short",
            "words",
        ] {
            assert!(MetaProperties::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quorum_state_has_the_bytes_of_kafka() {
        for text in [
            r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#,
            r#"{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#,
            r#"{"leaderId":-1,"leaderEpoch":7,"votedId":2,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAZA","data_version":1}"#,
        ] {
            let state = QuorumState::parse(text).expect("good");
            assert_eq!(state.format(), text);
        }
        for text in ["", "{}", r#"{"data_version":2}"#, r#"{"data_version":1}"#] {
            assert!(QuorumState::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_clean_shutdown_names_the_broker_epoch_if_it_can() {
        let clean = CleanShutdown::parse("{\"version\":0,\"brokerEpoch\":12}");
        assert_eq!(clean, CleanShutdown { broker_epoch: 12 });
        assert_eq!(clean.format(), "{\"version\":0,\"brokerEpoch\":12}");
        assert_eq!(CleanShutdown::parse("").broker_epoch, -1);
    }
}
