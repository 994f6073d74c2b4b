//! A client that blocks: it finds the cluster by a list of brokers, agrees on versions, and takes each
//! request to the broker that has to have it. It speaks to Millstream and to Apache Kafka.
//!
//! One request at a time per broker; nothing runs in the background.

mod connection;
pub(super) mod groups;
mod offsets;
mod times;
mod topics;

pub(super) use connection::{Deadline, Reply};
pub(super) use groups::{Committer, Group, GroupMember, Part, Parts, unknown_group};
pub(super) use offsets::{At, OffsetAt, is_stale};
pub(super) use topics::{TopicState, unknown};

use super::failure::Failure;
use crate::types::NodeId;
use crate::wire::{
    ApiKey, Body, DescribeClusterRequest, DescribeClusterResponse, MetadataResponse,
};
use clap::Args;
use connection::Connection;
use std::collections::BTreeMap;
use std::time::Duration;

/// No bound on a version beyond what both sides have.
pub(super) const NEWEST: i16 = i16::MAX;

/// How the cluster is found, and how results are shown.
#[derive(Args, Clone, Debug)]
pub(super) struct Connect {
    /// Brokers to find the cluster by, host:port, separated by commas.
    #[arg(
        short = 'b',
        long = "bootstrap-server",
        env = "MILLSTREAM_BOOTSTRAP_SERVER",
        default_value = "127.0.0.1:9092",
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        value_parser = address,
        global = true
    )]
    bootstrap: Vec<String>,

    /// How long to wait for a broker, in seconds.
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = seconds, global = true)]
    pub(super) timeout: Duration,

    /// What to call ourselves, for the broker's logs and quotas.
    #[arg(long, default_value = "millstream", value_name = "NAME", global = true)]
    client_id: String,

    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Which broker a request goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum To {
    /// Whichever answers.
    Any,
    /// The one that metadata names as controller.
    Controller,
    /// This one.
    Node(NodeId),
}

/// The cluster.
pub(super) struct Client {
    options: Connect,
    /// Open connections by address.
    connections: BTreeMap<String, Connection>,
    /// Where each broker listens.
    nodes: BTreeMap<NodeId, String>,
    controller: Option<NodeId>,
    /// Who coordinates which group, as far as it was asked for.
    coordinators: BTreeMap<String, NodeId>,
}

/// A request that was sent, and whose answer is awaited.
pub(super) struct Sent {
    address: String,
    key: ApiKey,
    version: i16,
}

impl Client {
    /// A client that has not connected yet.
    pub(super) fn new(options: &Connect) -> Client {
        Client {
            options: options.clone(),
            connections: BTreeMap::new(),
            nodes: BTreeMap::new(),
            controller: None,
            coordinators: BTreeMap::new(),
        }
    }

    /// How long a request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// The same for a request that tells the broker, in ms.
    pub(super) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.options.timeout.as_millis()).unwrap_or(i32::MAX)
    }

    /// Sends a request and waits for its answer.
    pub(super) fn call<'a, Q: Body<'a>>(&mut self, to: To, request: &Q) -> Result<Reply, Failure> {
        let sent = self.send(to, request, NEWEST)?;
        self.receive(sent)
    }

    /// Sends a request of version `cap` or lower.
    pub(super) fn send<'a, Q: Body<'a>>(
        &mut self,
        to: To,
        request: &Q,
        cap: i16,
    ) -> Result<Sent, Failure> {
        let address = self.reach(to)?;
        let connection = self.connections.get_mut(&address).expect("just reached");
        match connection.send(request, cap) {
            Ok(version) => Ok(Sent {
                address,
                key: Q::KEY,
                version,
            }),
            Err(failure) => Err(self.drop_broken(&address, failure)),
        }
    }

    /// Waits for the answer. Answers of one broker come in the order of its requests, one at a time.
    pub(super) fn receive(&mut self, sent: Sent) -> Result<Reply, Failure> {
        let connection = self.connections.get_mut(&sent.address);
        let connection = connection.ok_or_else(|| {
            Failure::connection(format!("the connection to {} is gone", sent.address))
        })?;
        match connection.receive(sent.key, sent.version) {
            Ok(reply) => Ok(reply),
            Err(failure) => Err(self.drop_broken(&sent.address, failure)),
        }
    }

    /// The versions of each API that a broker serves.
    pub(super) fn apis(&mut self, to: To) -> Result<BTreeMap<i16, (i16, i16)>, Failure> {
        let address = self.reach(to)?;
        Ok(self.connections[&address].apis().clone())
    }

    /// The newest version of a request that both sides have.
    pub(super) fn newest<'a, Q: Body<'a>>(&mut self, to: To, _: &Q) -> Result<i16, Failure> {
        let range = self.apis(to)?.get(&Q::KEY.0).copied();
        Ok(range.map_or(0, |(_, last)| last.min(Q::VERSIONS.last)))
    }

    /// Whether a broker serves an API.
    pub(super) fn serves(&mut self, to: To, key: ApiKey) -> Result<bool, Failure> {
        let address = self.reach(to)?;
        Ok(self.connections[&address].apis().contains_key(&key.0))
    }

    /// The live brokers, ascending.
    pub(super) fn brokers(&mut self) -> Result<Vec<NodeId>, Failure> {
        self.topics(Some(&[]), false)?;
        Ok(self.nodes.keys().copied().collect())
    }

    /// Opens a connection if there is none, and says to where.
    fn reach(&mut self, to: To) -> Result<String, Failure> {
        let node = match to {
            To::Any => None,
            To::Node(node) => Some(node),
            To::Controller => {
                if self.nodes.is_empty() {
                    self.topics(Some(&[]), false)?;
                }
                self.controller
            }
        };
        let Some(node) = node else {
            return self.reach_any();
        };
        if !self.nodes.contains_key(&node) {
            self.topics(Some(&[]), false)?;
        }
        let Some(address) = self.nodes.get(&node).cloned() else {
            let known: Vec<String> = self.nodes.keys().map(ToString::to_string).collect();
            return Err(Failure::new(format!("there is no broker {node}"))
                .advise(format!("there is {}", known.join(", "))));
        };
        if !self.connections.contains_key(&address) {
            let opened = self.open(&address).map_err(|failure| {
                failure.advise(format!(
                    "broker {node} tells clients this address: see its advertised.listeners"
                ))
            })?;
            self.connections.insert(address.clone(), opened);
        }
        Ok(address)
    }

    /// An open connection, else the first of the list that answers.
    fn reach_any(&mut self) -> Result<String, Failure> {
        if let Some(address) = self.connections.keys().next() {
            return Ok(address.clone());
        }
        let mut failures = Vec::new();
        let known = self.nodes.values().cloned();
        let addresses: Vec<String> = self
            .options
            .bootstrap
            .iter()
            .cloned()
            .chain(known)
            .collect();
        for address in addresses {
            match self.open(&address) {
                Ok(connection) => {
                    self.connections.insert(address.clone(), connection);
                    return Ok(address);
                }
                Err(failure) if failure.is_connection() => failures.push(failure.to_string()),
                Err(failure) => return Err(failure),
            }
        }
        failures.dedup();
        Err(
            Failure::connection(format!("no broker answers: {}", failures.join(", "))).advise(
                "start one (`millstream serve`) or name one with --bootstrap-server host:port",
            ),
        )
    }

    fn open(&self, address: &str) -> Result<Connection, Failure> {
        Connection::open(address, &self.options.client_id, self.options.timeout)
    }

    /// A connection that failed is of no use any more.
    fn drop_broken(&mut self, address: &str, failure: Failure) -> Failure {
        if failure.is_connection() {
            self.connections.remove(address);
        }
        failure
    }

    /// Takes note of the brokers.
    fn learn(&mut self, response: &MetadataResponse<'_>) {
        self.nodes = response
            .brokers
            .iter()
            .map(|broker| {
                let host = match broker.host.contains(':') {
                    true => format!("[{}]", broker.host),
                    false => broker.host.to_string(),
                };
                (NodeId(broker.node_id), format!("{host}:{}", broker.port))
            })
            .collect();
        let controller = NodeId(response.controller_id);
        self.controller = self.nodes.contains_key(&controller).then_some(controller);
    }

    /// What DescribeCluster says; fenced brokers too, where the broker can tell.
    pub(super) fn describe_cluster(&mut self) -> Result<Reply, Failure> {
        let mut request = DescribeClusterRequest::default();
        request.include_fenced_brokers = self.newest(To::Any, &request)? >= 2;
        let reply = self.call(To::Any, &request)?;
        let response: DescribeClusterResponse = reply.body()?;
        if !response.error_code.is_none() {
            let message = response.error_message.as_deref();
            return Err(Failure::refused(
                "the cluster",
                response.error_code,
                message,
            ));
        }
        Ok(reply)
    }
}

fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("not of the form host:port".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time >= Duration::from_millis(1) => Ok(time),
        _ => Err("at least a millisecond".into()),
    }
}
