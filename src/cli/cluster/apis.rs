//! `cluster api-versions`: which APIs a broker serves, and which version this client would use.

use crate::cli::client::{Client, Connect, To};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::types::NodeId;
use crate::wire::ApiKey;
use clap::Args;
use serde_json::{Value, json};

/// Lists the APIs that a broker serves and their versions.
#[derive(Args)]
pub(super) struct ApiVersions {
    /// The broker; the first of the bootstrap list that answers if not given.
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
}

impl ApiVersions {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let to = self.broker.map_or(To::Any, |id| To::Node(NodeId(id)));
        let apis = Client::new(connect).apis(to)?;
        let mut out = Out::new(connect.json);
        if out.json {
            let apis: Vec<Value> = apis
                .iter()
                .map(|(key, (first, last))| {
                    json!({
                        "key": key,
                        "name": ApiKey(*key).name(),
                        "min_version": first,
                        "max_version": last,
                    })
                })
                .collect();
            out.document(&json!({ "apis": apis }))?;
            return out.flush();
        }
        let mut table = Table::new(&[">KEY", "API", ">FIRST", ">LAST"]);
        for (key, (first, last)) in apis {
            table.row([
                key.to_string(),
                ApiKey(key).name().to_owned(),
                first.to_string(),
                last.to_string(),
            ]);
        }
        out.table(&table)?;
        out.flush()
    }
}
