//! Incremental fetch sessions (KIP-227): the client names what changes and hears what has changed.

use crate::broker::{self, Topic};
use crate::client::{Client, FETCH, Fetched, fetch_request, fetch_topic, fetched};
use crate::records::{batch, values};
use millstream::types::Uuid;
use millstream::wire::{ErrorCode, FetchForgotten, FetchRequest, FetchResponse};

const VERSIONS: [i16; 4] = [7, 11, 13, FETCH];

/// An open session over one topic.
struct Session {
    client: Client,
    version: i16,
    topic: Topic,
    id: i32,
    epoch: i32,
}

impl Session {
    /// Opens one with a full request for these partitions from offset 0.
    fn open(name: &str, version: i16, partitions: i32) -> (Session, Vec<Fetched>) {
        let broker = broker::shared();
        let topic = broker.topic(&format!("{name}-{version}"), partitions);
        let mut session = Session {
            client: broker.client(),
            version,
            topic,
            id: 0,
            epoch: 0,
        };
        let wanted: Vec<(i32, i64)> = (0..partitions).map(|partition| (partition, 0)).collect();
        let (error, id, all) = session.ask(&wanted, &[]);
        assert_eq!(error, ErrorCode::NONE);
        assert!(id > 0, "a session has an id");
        session.id = id;
        (session, all)
    }

    /// The next request of the session.
    fn ask(&mut self, changed: &[(i32, i64)], forgotten: &[i32]) -> (ErrorCode, i32, Vec<Fetched>) {
        let mut request = fetch_request(&self.topic, changed);
        if changed.is_empty() {
            request.topics.clear();
        }
        if !forgotten.is_empty() {
            request.forgotten_topics_data = vec![FetchForgotten {
                topic: self.named(),
                topic_id: if self.version >= 13 {
                    self.topic.id
                } else {
                    Uuid::ZERO
                },
                partitions: forgotten.to_vec(),
            }];
        }
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        self.epoch = self.epoch.wrapping_add(1);
        self.exchange(&request)
    }

    fn exchange(&mut self, request: &FetchRequest<'static>) -> (ErrorCode, i32, Vec<Fetched>) {
        self.client.send(self.version, request);
        let (response, frame) = self.client.receive::<FetchResponse>(self.version);
        let (error, id) = (response.error_code, response.session_id);
        (error, id, fetched(response, frame))
    }

    /// The topic's name where the version has names.
    fn named(&self) -> std::borrow::Cow<'static, str> {
        if self.version >= 13 {
            "".into()
        } else {
            self.topic.name.clone().into()
        }
    }

    /// Asks and expects only these partitions, with these values.
    fn expect(&mut self, changed: &[(i32, i64)], forgotten: &[i32], news: &[(i32, &[&str])]) {
        let (error, id, all) = self.ask(changed, forgotten);
        assert_eq!((error, id), (ErrorCode::NONE, self.id));
        let mut told: Vec<(i32, Vec<String>)> = all
            .iter()
            .map(|it| (it.response.partition_index, values(it.records)))
            .collect();
        told.sort();
        let news: Vec<(i32, Vec<String>)> = news
            .iter()
            .map(|(partition, values)| {
                (
                    *partition,
                    values.iter().map(|value| value.to_string()).collect(),
                )
            })
            .collect();
        assert_eq!(told, news, "version {}", self.version);
    }

    fn append(&self, partition: i32, value: &str) {
        broker::shared()
            .client()
            .append(&self.topic, partition, batch(&[value]));
    }
}

#[test]
fn a_session_tells_only_what_has_changed() {
    for version in VERSIONS {
        let (mut session, all) = Session::open("session-changes", version, 6);
        assert_eq!(all.len(), 6, "the first answer tells all");
        session.expect(&[], &[], &[]);
        session.append(4, "news");
        session.expect(&[], &[], &[(4, &["news"])]);
        // As long as the client does not move on, it is told again.
        session.expect(&[], &[], &[(4, &["news"])]);
        session.expect(&[(4, 1)], &[], &[]);
        session.append(1, "b");
        session.append(4, "a");
        session.expect(&[], &[], &[(1, &["b"]), (4, &["a"])]);
    }
}

#[test]
fn a_forgotten_partition_is_not_told_any_more() {
    for version in VERSIONS {
        let (mut session, _) = Session::open("session-forget", version, 3);
        session.append(0, "a");
        session.append(1, "b");
        session.expect(&[], &[0], &[(1, &["b"])]);
        session.expect(&[], &[1], &[]);
        // Named again, it is told as if it were new.
        session.expect(&[(0, 0)], &[], &[(0, &["a"])]);
    }
}

#[test]
fn a_partition_can_be_added_later() {
    for version in VERSIONS {
        let (mut session, _) = Session::open("session-add", version, 3);
        let broker = broker::shared();
        let other = broker.topic(&format!("session-added-{version}"), 1);
        broker.client().append(&other, 0, batch(&["other"]));
        let mut request = fetch_request(&other, &[(0, 0)]);
        request.session_id = session.id;
        request.session_epoch = 1;
        let (error, _, all) = session.exchange(&request);
        assert_eq!(error, ErrorCode::NONE);
        assert_eq!(all.len(), 1);
        assert_eq!(values(all[0].records), ["other"]);
    }
}

#[test]
fn a_wrong_epoch_is_refused_and_the_right_one_still_works() {
    for version in VERSIONS {
        let (mut session, _) = Session::open("session-epoch", version, 1);
        for epoch in [2, 5, i32::MAX] {
            session.epoch = epoch;
            let (error, id, all) = session.ask(&[], &[]);
            assert_eq!(error, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
            assert_eq!(id, 0);
            assert!(all.is_empty());
            session.epoch = 0;
        }
        session.epoch = 1;
        session.expect(&[], &[], &[]);
        session.epoch = 1;
        let (error, ..) = session.ask(&[], &[]);
        assert_eq!(
            error,
            ErrorCode::INVALID_FETCH_SESSION_EPOCH,
            "it is used up"
        );
    }
}

#[test]
fn an_unknown_session_is_refused() {
    for version in VERSIONS {
        let (mut session, _) = Session::open("session-unknown", version, 1);
        session.id += 1;
        let (error, id, _) = session.ask(&[], &[]);
        assert_eq!(error, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(id, 0);
        // On another connection, without any session.
        session.client = broker::shared().client();
        let (error, ..) = session.ask(&[], &[]);
        assert_eq!(error, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
}

#[test]
fn a_closed_session_is_unknown() {
    for version in VERSIONS {
        let (mut session, _) = Session::open("session-close", version, 1);
        session.append(0, "a");
        session.epoch = -1;
        let (error, id, all) = session.ask(&[(0, 0)], &[]);
        assert_eq!((error, id), (ErrorCode::NONE, 0));
        assert_eq!(
            values(all[0].records),
            ["a"],
            "the closing request is a full one"
        );
        session.epoch = 1;
        let (error, ..) = session.ask(&[], &[]);
        assert_eq!(error, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
}

#[test]
fn a_new_session_replaces_the_one_before() {
    for version in VERSIONS {
        let (mut session, _) = Session::open("session-reopen", version, 2);
        let before = session.id;
        session.epoch = 0;
        let (error, id, all) = session.ask(&[(0, 0), (1, 0)], &[]);
        assert_eq!(error, ErrorCode::NONE);
        assert_eq!(all.len(), 2);
        assert_ne!(id, before);
        session.id = id;
        session.expect(&[], &[], &[]);
    }
}

#[test]
fn an_error_is_told_each_time_until_it_is_over() {
    let (mut session, _) = Session::open("session-error", FETCH, 1);
    let (error, _, all) = session.ask(&[(0, 7)], &[]);
    assert_eq!(error, ErrorCode::NONE);
    assert_eq!(all[0].response.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    let (_, _, all) = session.ask(&[], &[]);
    assert_eq!(all[0].response.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    session.expect(&[(0, 0)], &[], &[(0, &[])]);
    session.expect(&[], &[], &[]);
}

#[test]
fn an_unknown_topic_id_is_told_within_a_session() {
    let (mut session, _) = Session::open("session-unknown-id", FETCH, 1);
    let missing = Topic {
        name: String::new(),
        id: Uuid([3; 16]),
    };
    let mut request = fetch_request(&missing, &[(0, 0)]);
    request.session_id = session.id;
    request.session_epoch = 1;
    let (error, _, all) = session.exchange(&request);
    assert_eq!(error, ErrorCode::NONE);
    assert_eq!(all[0].response.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
}

#[test]
fn a_topic_made_anew_is_another_topic_to_the_session() {
    let (mut session, _) = Session::open("session-recreated", FETCH, 1);
    crate::delete_topics::delete(&session.topic.name);
    let (_, _, all) = session.ask(&[], &[]);
    assert_eq!(all[0].response.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let again = broker::shared().topic(&session.topic.name, 1);
    let (_, _, all) = session.ask(&[], &[]);
    assert_eq!(all[0].response.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let mut request = fetch_request(&again, &[(0, 0)]);
    request.topics.push(fetch_topic(&session.topic, &[(0, 0)]));
    request.session_id = session.id;
    request.session_epoch = session.epoch;
    let (_, _, all) = session.exchange(&request);
    let codes: Vec<ErrorCode> = all.iter().map(|it| it.response.error_code).collect();
    assert!(codes.contains(&ErrorCode::NONE) && codes.contains(&ErrorCode::UNKNOWN_TOPIC_ID));
}
