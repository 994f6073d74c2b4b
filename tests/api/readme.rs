//! README's table of APIs is made from what is served: a change of one without the other fails.
//! `BLESS=1 cargo test --test api readme` writes it.

use millstream::api::APIS as SERVED;
use millstream::wire::ApiKey;
use std::path::Path;

const BEGIN: &str = "<!-- APIs: made by tests/api/readme.rs -->\n";
const END: &str = "<!-- end of APIs -->\n";

#[test]
fn the_table_of_apis_is_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md");
    let start = readme.find(BEGIN).expect("the mark before the table") + BEGIN.len();
    let end = readme.find(END).expect("the mark behind the table");
    let table = table();
    if std::env::var_os("BLESS").is_some() {
        let blessed = format!("{}{table}{}", &readme[..start], &readme[end..]);
        std::fs::write(&path, blessed).expect("README.md is ours");
        return;
    }
    assert_eq!(&readme[start..end], table, "BLESS=1 writes it");
}

/// Key, name, versions, status: every API of Kafka's that a client may ask for.
fn table() -> String {
    let mut text = String::from("| key | API | versions | status |\n|--:|---|---|---|\n");
    for key in (0..).map(ApiKey) {
        let Some(known) = key.api() else { break };
        let served = SERVED.iter().find(|api| api.key == key);
        let (versions, status) = match served {
            Some(api) => {
                let (first, last) = api.advertised;
                let versions = if first == last {
                    format!("{first}")
                } else {
                    format!("{first}-{last}")
                };
                (versions, status(key))
            }
            None => match waits_for(key) {
                Some(what) => (String::new(), format!("not yet: {what}")),
                None => continue,
            },
        };
        text += &format!("| {} | {} | {versions} | {status} |\n", key.0, known.name);
    }
    text
}

fn status(key: ApiKey) -> String {
    match key {
        ApiKey::FIND_COORDINATOR => "served for groups; others have no coordinator yet".into(),
        ApiKey::PRODUCE => "served from version 3 on (0 is named for librdkafka)".into(),
        ApiKey::INIT_PRODUCER_ID => "served for idempotence; transactional ids are refused".into(),
        ApiKey::ALTER_REPLICA_LOG_DIRS => {
            "served, but a move to another directory is refused".into()
        }
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => {
            "served: a lone broker has nowhere to move a partition to".into()
        }
        ApiKey::UPDATE_FEATURES => "served, but kraft.version stays".into(),
        _ => "served".into(),
    }
}

/// What an API belongs to that is not served. Nothing for those that clients never call: between
/// brokers, or gone with ZooKeeper.
fn waits_for(key: ApiKey) -> Option<&'static str> {
    let what = match key.0 {
        24..=28 | 65 | 66 => "transactions",
        17 | 29..=31 | 36 | 38..=41 | 50 | 51 => "security",
        76..=79 | 90..=92 => "share groups",
        88 | 89 | 93 => "streams groups",
        80 | 81 | 94 => "clusters",
        71 | 72 => "client metrics",
        4..=7 | 52..=54 | 56 | 58 | 59 | 62 | 63 | 67 | 70 | 73 | 82..=87 => return None,
        _ => "administration",
    };
    Some(what)
}
