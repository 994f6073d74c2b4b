//! `millstream stats`: what a broker does at the moment. It asks the broker's `/stats` again and again
//! and shows what came in between: rates, and quantiles of the times of each API and stage.

mod page;
mod view;

use super::client::{Client, Connect, To};
use super::failure::Failure;
use super::output::Out;
use crate::config::Address;
use crate::console::stats::Stats as Figures;
use crate::types::NodeId;
use crate::wire::{
    DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeConfigsResponse,
};
use clap::Args;
use serde_json::Value;
use std::io::IsTerminal;
use std::time::Duration;

/// Kafka's type of a broker's configuration.
const BROKER: i8 = 4;

/// Shows what a broker does at the moment: rates, and how long requests and their stages take.
#[derive(Args)]
#[command(after_help = "Times are in milliseconds. The stages:\n\
    \x20 queue        from a request's arrival to its handler\n\
    \x20 crc          one check of a record set (one in 32 is timed)\n\
    \x20 append       one write of a partition\n\
    \x20 acknowledge  from a batch's way to its log to its commit\n\
    \x20 fetch_wait   how long a fetch waits for records\n\
    \x20 send         from an answer to its last byte in the socket\n\
    \x20 throttle     for how long clients over their quota are held back")]
pub(super) struct Stats {
    #[command(flatten)]
    connect: Connect,

    /// Where the broker answers for its metrics. Without it the broker is asked for its
    /// millstream.metrics.listener.
    #[arg(long, value_name = "HOST:PORT", value_parser = metrics_address)]
    at: Option<Address>,

    /// Which broker, by its id. Without it the only one, or the first.
    #[arg(long, value_name = "ID", conflicts_with = "at")]
    node: Option<i32>,

    /// Seconds between two looks.
    #[arg(short, long, default_value = "1", value_name = "SECONDS", value_parser = interval)]
    interval: Duration,

    /// Ends after so many looks; without it, when it is interrupted.
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<u64>,

    /// Topics to show, the busiest first; JSON has all.
    #[arg(long, default_value = "10", value_name = "COUNT")]
    topics: usize,
}

/// Whose figures are wanted.
pub(in crate::cli) struct Wanted {
    address: Address,
    /// The cluster's id and the broker's, where they are known.
    identity: Option<(String, i32)>,
}

impl Stats {
    pub(super) fn run(self) -> Result<(), Failure> {
        let wanted = match &self.at {
            Some(address) => Wanted {
                address: address.clone(),
                identity: None,
            },
            None => find(&mut Client::new(&self.connect), self.node.map(NodeId))?,
        };
        let mut before = self.look(&wanted)?;
        let mut out = Out::new(self.connect.json);
        let clears = !out.json && std::io::stdout().is_terminal();
        let mut looks = 0;
        while self.count.is_none_or(|count| looks < count) {
            std::thread::sleep(self.interval);
            let now = self.look(&wanted)?;
            let change = view::Change::between(&before, &now);
            if out.json {
                out.object(&change.json())?;
            } else {
                if clears {
                    // To the upper left corner, and nothing below it.
                    out.bytes(b"\x1b[H\x1b[J")?;
                } else if looks > 0 {
                    out.line("")?;
                }
                change.show(&mut out, &wanted.address, self.topics)?;
            }
            out.flush()?;
            before = now;
            looks += 1;
        }
        Ok(())
    }

    fn look(&self, wanted: &Wanted) -> Result<Figures, Failure> {
        let document = wanted.page("/stats", self.connect.timeout)?;
        Figures::read(&document).ok_or_else(|| wanted.is_other())
    }
}

/// Asks the cluster which brokers there are, and one of them, the first if it is not said which, where
/// it answers for its metrics.
///
/// # Errors
/// When there is no such broker, it is no Millstream, or it does not answer for them.
pub(in crate::cli) fn find(client: &mut Client, node: Option<NodeId>) -> Result<Wanted, Failure> {
    let reply = client.describe_cluster()?;
    let cluster: DescribeClusterResponse<'_> = reply.body()?;
    let brokers = &cluster.brokers;
    let broker = match node {
        None => brokers.iter().min_by_key(|it| it.broker_id),
        Some(node) => brokers.iter().find(|it| it.broker_id == node.0),
    };
    let broker = broker.ok_or_else(|| {
        Failure::new("there is no such broker").advise("`millstream cluster describe` lists them")
    })?;
    let node = broker.broker_id;
    const NAME: &str = "millstream.metrics.listener";
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: BROKER,
            resource_name: node.to_string().into(),
            configuration_keys: Some(vec![NAME.into()]),
        }],
        ..Default::default()
    };
    let described = client.call(To::Node(NodeId(node)), &request)?;
    let described: DescribeConfigsResponse<'_> = described.body()?;
    let value = described
        .results
        .iter()
        .flat_map(|result| &result.configs)
        .find(|config| config.name == NAME)
        .and_then(|config| config.value.as_deref());
    let Some(value) = value else {
        return Err(Failure::new(format!("broker {node} is not a Millstream"))
            .advise("Kafka's own tools read its JMX"));
    };
    let mut address = Address::parse(value).ok_or_else(|| {
        Failure::new(format!("broker {node} does not answer for its metrics"))
            .advise(format!("set {NAME} to host:port and start it again"))
    })?;
    if matches!(address.host.as_str(), "" | "0.0.0.0" | "::") {
        address.host = broker.host.to_string();
    }
    Ok(Wanted {
        address,
        identity: Some((cluster.cluster_id.to_string(), node)),
    })
}

impl Wanted {
    /// Fetches a page of JSON, of the broker that is meant and no other.
    pub(in crate::cli) fn page(&self, path: &str, timeout: Duration) -> Result<Value, Failure> {
        let address = &self.address;
        let document = page::get(address, path, timeout)?;
        let cluster_id = document["cluster_id"].as_str();
        let node = document["node"].as_i64();
        let (Some(found_cluster), Some(found_node)) = (cluster_id, node) else {
            return Err(self.is_other());
        };
        match &self.identity {
            Some((cluster, node))
                if (found_cluster, found_node) != (cluster.as_str(), i64::from(*node)) =>
            {
                let found = format!("node {found_node} of cluster {found_cluster}");
                Err(
                    Failure::new(format!("{found} answers at {address}")).advise(
                        "give each broker of a machine a millstream.metrics.listener of its own, \
                         or say where with --at",
                    ),
                )
            }
            _ => Ok(document),
        }
    }

    fn is_other(&self) -> Failure {
        let address = &self.address;
        Failure::new(format!(
            "what answers at {address} is no Millstream of this version"
        ))
    }
}

fn metrics_address(text: &str) -> Result<Address, String> {
    Address::parse(text)
        .filter(|address| address.port > 0 && !address.host.is_empty())
        .ok_or_else(|| "not of the form host:port".into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number")?;
    match (0.1..=3600.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err("from 0.1 to 3600".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        let read = |text| metrics_address(text).map(|address| address.to_string());
        assert_eq!(read("a:1").as_deref(), Ok("a:1"));
        assert_eq!(read("[::1]:9644").as_deref(), Ok("[::1]:9644"));
        for bad in ["", "a", ":1", "a:0", "a:x", "::1:9"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_interval_is_neither_nothing_nor_for_ever() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "nan", "1e9", "x"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
