//! The real broker on the simulated machine: its workers as nodes, its configuration from a plan.

use crate::disk::SimDisk;
use crate::scenario::Plan;
use crate::world::{Boot, Event, Node, Outbox};
use millstream::api::Endpoint;
use millstream::config::BrokerConfig;
use millstream::io::Disk;
use millstream::server::{self, Listening, Progress, Worker};
use millstream::shard::{self, Mail};
use millstream::store::Task;
use millstream::types::Now;
use std::path::Path;
use std::sync::Arc;

impl Node for Worker {
    type Task = Task;
    type Mail = Mail;

    fn start(&mut self, now: Now, out: &mut Outbox<Self>) {
        with_outbox(out, |inner| Worker::start(self, now, inner));
    }

    fn handle(&mut self, now: Now, event: Event<Self>, out: &mut Outbox<Self>) {
        let event = match event {
            Event::Completion(completion) => server::Event::Completion(completion),
            Event::Mail(from, mail) => server::Event::Mail(from, mail),
            Event::Timeout => server::Event::Timeout,
            Event::Stop => server::Event::Stop,
        };
        with_outbox(out, |inner| {
            Worker::begin_round(self, now);
            Worker::handle(self, now, event, inner);
            Worker::end_round(self, now, inner);
        });
    }

    fn poll_timeout(&self) -> Option<u64> {
        Worker::poll_timeout(self)
    }

    fn is_stopped(&self) -> bool {
        Worker::is_stopped(self)
    }
}

fn with_outbox(out: &mut Outbox<Worker>, act: impl FnOnce(&mut shard::Outbox)) {
    let mut inner = shard::Outbox::default();
    act(&mut inner);
    out.operations.extend(inner.operations);
    out.mail.extend(inner.mail);
}

/// Boots the broker of a plan.
pub fn boot(plan: &Plan) -> Boot<Worker> {
    let shards = plan.shards.to_string();
    let mut settings = vec![
        ("num.shards", shards.as_str()),
        ("log.dirs", "/data"),
        ("auto.create.topics.enable", "false"),
        ("listeners", "PLAINTEXT://127.0.0.1:9092"),
    ];
    let drawn = plan.settings.iter();
    settings.extend(drawn.map(|(name, value)| (name.as_str(), value.as_str())));
    let config = BrokerConfig::of(&settings).unwrap_or_else(|error| panic!("{error}"));
    let config = Arc::new(config);
    Box::new(move |disk: &Arc<SimDisk>, sockets, seed, now| {
        // Where log.dirs points has to exist, as for Kafka's own.
        let exists = disk.list(Path::new("/data")).is_ok();
        let made = match exists {
            true => Ok(()),
            false => disk.create_directory(Path::new("/data")),
        };
        // Also where a crash came between the two.
        let durable = made.and_then(|()| disk.sync_directory(Path::new("/")));
        durable.map_err(|error| format!("/data: {error}"))?;
        let listeners = sockets
            .into_iter()
            .map(|socket| Listening {
                socket,
                advertised: Endpoint {
                    host: "127.0.0.1".to_owned(),
                    port: 9092,
                },
            })
            .collect();
        server::boot(
            &config,
            &**disk,
            1,
            listeners,
            seed,
            now,
            &Progress::default(),
        )
        .map_err(|error| error.to_string())
    })
}
