//! What goes wrong in a command: one line that says what, and what to do about it.

use crate::wire::{DecodeError, EncodeError, ErrorCode};
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command ended without having done what it was asked.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    advice: Option<String>,
    kind: Kind,
}

/// What a caller may do about a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The command failed: exit code 1.
    Failed,
    /// The connection failed: another broker, or the same one later, may answer. Exit code 1.
    Connection,
    /// Whoever read our output has had enough: nothing to say, exit code 0.
    Unread,
}

impl Failure {
    /// The command failed.
    pub(super) fn new(what: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            advice: None,
            kind: Kind::Failed,
        }
    }

    /// The connection to a broker failed.
    pub(super) fn connection(what: impl Into<String>) -> Failure {
        Failure {
            kind: Kind::Connection,
            ..Failure::new(what)
        }
    }

    /// A broker's refusal of `subject`, with its own words and ours.
    pub(super) fn refused(subject: &str, code: ErrorCode, message: Option<&str>) -> Failure {
        let words = match message {
            Some(message) if !message.is_empty() => message,
            _ => code.message(),
        };
        let name = match code.name() {
            "UNKNOWN_CODE" => format!("error {}", code.0),
            name => name.to_owned(),
        };
        let failure = Failure::new(format!(
            "{subject}: {name}: {}",
            words.trim_end_matches('.')
        ));
        match advice(code) {
            Some(advice) => failure.advise(advice),
            None => failure,
        }
    }

    /// Adds what to do.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Failure {
        self.advice = Some(advice.into());
        self
    }

    /// Whether another broker, or a later attempt, may do better.
    pub(super) fn is_connection(&self) -> bool {
        self.kind == Kind::Connection
    }

    /// Says it on stderr and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        match self.kind {
            Kind::Unread => ExitCode::SUCCESS,
            Kind::Failed | Kind::Connection => {
                eprintln!("millstream: {self}");
                ExitCode::FAILURE
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Failure {
        Failure::new(what)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Failure {
        Failure::new(format!("an answer cannot be read: {error}"))
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Failure {
        Failure::new(format!("the broker is too old for this: {error}"))
    }
}

/// Errors of writing our output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure {
            kind: match error.kind() {
                io::ErrorKind::BrokenPipe => Kind::Unread,
                _ => Kind::Failed,
            },
            ..Failure::new(format!("the output cannot be written: {error}"))
        }
    }
}

/// What to do about an error code, where there is something.
fn advice(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => {
            "`millstream topics list` shows what there is"
        }
        ErrorCode::TOPIC_ALREADY_EXISTS => "--if-not-exists takes it as it is",
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            "a name has up to 249 letters, digits, dots, underscores and dashes"
        }
        ErrorCode::INVALID_REPLICATION_FACTOR | ErrorCode::INVALID_REPLICA_ASSIGNMENT => {
            "`millstream cluster describe` shows which brokers there are"
        }
        ErrorCode::INVALID_PARTITIONS => "partitions can be added, never taken away",
        ErrorCode::INVALID_CONFIG => {
            "`millstream configs describe ... --all --documentation` lists names, types and meanings"
        }
        ErrorCode::GROUP_ID_NOT_FOUND => "`millstream groups list` shows what there is",
        ErrorCode::NON_EMPTY_GROUP | ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => {
            "stop its consumers first: `millstream groups members` shows them"
        }
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::REBALANCE_IN_PROGRESS => {
            "is the group in use? `millstream groups members` shows who is in it"
        }
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "the group's other members assign in another way: see `millstream groups describe --state`"
        }
        ErrorCode::GROUP_AUTHORIZATION_FAILED => "ask for an ACL that allows it",
        ErrorCode::OFFSET_OUT_OF_RANGE => "`millstream topics offsets` shows the range",
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => {
            "lower --batch-bytes or raise the topic's max.message.bytes"
        }
        ErrorCode::INVALID_TIMESTAMP => {
            "see the topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms"
        }
        ErrorCode::INVALID_RECORD => {
            "a compacted topic needs a key in every record: --key-separator"
        }
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "wait for the replicas, or lower the topic's min.insync.replicas"
        }
        ErrorCode::LEADER_NOT_AVAILABLE | ErrorCode::NOT_LEADER_OR_FOLLOWER => {
            "`millstream topics describe` shows the leaders"
        }
        ErrorCode::TOPIC_DELETION_DISABLED => "the broker has delete.topic.enable=false",
        ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            "ask for an ACL that allows it"
        }
        ErrorCode::KAFKA_STORAGE_ERROR => "the broker's log says which disk failed",
        ErrorCode::REQUEST_TIMED_OUT => "try again, or give it longer with --timeout",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_and_what_to_do() {
        let failure = Failure::refused("topic 'a'", ErrorCode::TOPIC_ALREADY_EXISTS, None);
        assert_eq!(
            failure.to_string(),
            "topic 'a': TOPIC_ALREADY_EXISTS: A topic of this name exists; --if-not-exists takes it as it is"
        );
        let failure = Failure::refused("x", ErrorCode(4711), Some("so it is."));
        assert_eq!(failure.to_string(), "x: error 4711: so it is");
    }
}
