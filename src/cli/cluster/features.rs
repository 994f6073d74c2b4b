//! `cluster features`: supported by the broker, finalized by the cluster (KIP-584).

use crate::cli::client::{Client, Connect, To};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::wire::{ApiVersionsRequest, ApiVersionsResponse};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The range that the broker supports and the level that the cluster has agreed on.
#[derive(Default)]
struct Feature {
    supported: Option<(i16, i16)>,
    finalized: Option<i16>,
}

/// Shows the features.
pub(super) fn run(connect: &Connect) -> Result<(), Failure> {
    let request = ApiVersionsRequest {
        client_software_name: "millstream".into(),
        client_software_version: env!("CARGO_PKG_VERSION").into(),
    };
    let reply = Client::new(connect).call(To::Any, &request)?;
    let response: ApiVersionsResponse = reply.body()?;
    let mut features: BTreeMap<&str, Feature> = BTreeMap::new();
    for it in &response.supported_features {
        let range = (it.min_version, it.max_version);
        features.entry(&it.name).or_default().supported = Some(range);
    }
    for it in &response.finalized_features {
        features.entry(&it.name).or_default().finalized = Some(it.max_version_level);
    }
    let mut out = Out::new(connect.json);
    if out.json {
        let features: Vec<Value> = features
            .iter()
            .map(|(name, feature)| {
                json!({
                    "name": name,
                    "min_supported": feature.supported.map(|(first, _)| first),
                    "max_supported": feature.supported.map(|(_, last)| last),
                    "finalized": feature.finalized,
                })
            })
            .collect();
        out.document(&json!({
            "epoch": response.finalized_features_epoch,
            "features": features,
        }))?;
        return out.flush();
    }
    let mut table = Table::new(&["FEATURE", ">SUPPORTED FROM", ">TO", ">FINALIZED"]);
    let level = |level: Option<i16>| level.map_or("-".to_owned(), |level| level.to_string());
    for (name, feature) in &features {
        table.row([
            (*name).to_owned(),
            level(feature.supported.map(|(first, _)| first)),
            level(feature.supported.map(|(_, last)| last)),
            level(feature.finalized),
        ]);
    }
    out.table(&table)?;
    out.flush()
}
