//! `millstream configs`: the properties of topics, brokers and the rest, shown and changed.

mod alter;
mod describe;

use super::client::{Client, Connect, To};
use super::failure::Failure;
use crate::types::NodeId;
use clap::{Args, Subcommand, ValueEnum};

/// Shows and changes the properties of topics, brokers, groups and client metrics.
#[derive(Args)]
pub(super) struct Configs {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Describe(describe::Describe),
    Alter(alter::Alter),
}

impl Configs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Describe(describe) => describe.run(&self.connect),
            Command::Alter(alter) => alter.run(&self.connect),
        }
    }
}

/// What has properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    Topic,
    /// By its id; `default` for what holds for all brokers.
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

/// The name under which people ask for what holds for all brokers; on the wire it is empty.
const ALL_BROKERS: &str = "default";

impl Kind {
    /// Kafka's number.
    fn wire(self) -> i8 {
        match self {
            Kind::Topic => 2,
            Kind::Broker => 4,
            Kind::BrokerLogger => 8,
            Kind::ClientMetrics => 16,
            Kind::Group => 32,
        }
    }

    /// The name of a resource on the wire.
    fn wire_name(self, name: &str) -> &str {
        match (self, name) {
            (Kind::Broker, ALL_BROKERS) => "",
            _ => name,
        }
    }

    /// For people.
    fn called(self, name: &str) -> String {
        match (self, name) {
            (Kind::Broker, "" | ALL_BROKERS) => "all brokers".to_owned(),
            (Kind::Topic, _) => format!("topic '{name}'"),
            (Kind::Broker, _) => format!("broker {name}"),
            (Kind::BrokerLogger, _) => format!("the loggers of broker {name}"),
            (Kind::ClientMetrics, _) => format!("client metrics '{name}'"),
            (Kind::Group, _) => format!("group '{name}'"),
        }
    }

    /// Which broker knows: of its own configuration only itself.
    fn home(self, name: &str) -> Result<To, Failure> {
        match self {
            Kind::Broker | Kind::BrokerLogger if name != ALL_BROKERS => {
                name.parse().map(|id| To::Node(NodeId(id))).map_err(|_| {
                    Failure::new(format!("'{name}' is not a broker's id")).advise(format!(
                        "give the id, or {ALL_BROKERS} for what holds for all brokers"
                    ))
                })
            }
            _ => Ok(To::Any),
        }
    }
}

/// The names given, or all there are of topics and brokers.
fn names(client: &mut Client, kind: Kind, given: &[String]) -> Result<Vec<String>, Failure> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    Ok(match kind {
        Kind::Topic => {
            let topics = client.topics(None, false)?;
            topics.into_iter().map(|topic| topic.name).collect()
        }
        Kind::Broker | Kind::BrokerLogger => {
            client.brokers()?.iter().map(ToString::to_string).collect()
        }
        Kind::ClientMetrics | Kind::Group => {
            return Err(Failure::new("which one?").advise("name it"));
        }
    })
}
