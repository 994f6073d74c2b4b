//! `configs describe`.

use super::{Kind, names};
use crate::cli::client::{Client, Connect};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::wire::{
    DescribeConfigsProperty, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeConfigsResponse,
};
use clap::Args;
use serde_json::{Value, json};

/// A property that nobody has set.
const DEFAULT: i8 = 5;

/// Shows properties: those that differ from their default, or all.
#[derive(Args)]
pub(super) struct Describe {
    /// What to show the properties of.
    kind: Kind,

    /// Its name, a broker's id, or `default` for what holds for all brokers. Without one: all topics,
    /// or all brokers.
    name: Vec<String>,

    /// Defaults too.
    #[arg(short, long)]
    all: bool,

    /// Only these properties.
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    property: Vec<String>,

    /// Say what each property does.
    #[arg(short, long)]
    documentation: bool,

    /// Show where else the value could come from.
    #[arg(short, long)]
    synonyms: bool,
}

impl Describe {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let names = names(&mut client, self.kind, &self.name)?;
        let mut out = Out::new(connect.json);
        let mut documents = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let request = DescribeConfigsRequest {
                resources: vec![DescribeConfigsResource {
                    resource_type: self.kind.wire(),
                    resource_name: self.kind.wire_name(name).into(),
                    configuration_keys: (!self.property.is_empty())
                        .then(|| self.property.iter().map(Into::into).collect()),
                }],
                include_synonyms: self.synonyms || connect.json,
                include_documentation: self.documentation || connect.json,
            };
            let to = self.kind.home(name)?;
            let reply = client.call(to, &request)?;
            let response: DescribeConfigsResponse = reply.body()?;
            for result in &response.results {
                if !result.error_code.is_none() {
                    let message = result.error_message.as_deref();
                    let subject = self.kind.called(name);
                    return Err(Failure::refused(&subject, result.error_code, message));
                }
                let mut properties: Vec<&DescribeConfigsProperty<'_>> = result
                    .configs
                    .iter()
                    .filter(|it| {
                        self.all || !self.property.is_empty() || it.config_source != DEFAULT
                    })
                    .collect();
                properties.sort_by(|a, b| a.name.cmp(&b.name));
                if out.json {
                    let properties: Vec<Value> = properties.iter().map(|it| document(it)).collect();
                    documents.push(json!({ "name": name, "properties": properties }));
                    continue;
                }
                if at > 0 {
                    out.line("")?;
                }
                self.show(&mut out, name, &properties)?;
            }
        }
        if out.json {
            out.document(&json!({ "configs": documents }))?;
        }
        out.flush()
    }

    fn show(
        &self,
        out: &mut Out,
        name: &str,
        properties: &[&DescribeConfigsProperty<'_>],
    ) -> Result<(), Failure> {
        out.line(self.kind.called(name))?;
        if properties.is_empty() {
            return out.line("everything is as by default; --all shows it");
        }
        let mut table = Table::new(&["PROPERTY", "VALUE", "SOURCE"]);
        for it in properties {
            let read_only = if it.read_only { ", read-only" } else { "" };
            table.row([
                it.name.to_string(),
                value(it).to_owned(),
                format!("{}{read_only}", source(it.config_source)),
            ]);
        }
        let text = table.text();
        let mut lines = text.lines();
        out.line(lines.next().unwrap_or_default())?;
        for (line, it) in lines.zip(properties) {
            out.line(line)?;
            if self.synonyms {
                for synonym in &it.synonyms {
                    let value = synonym.value.as_deref().unwrap_or("(hidden)");
                    let source = source(synonym.source);
                    out.line(format!("    {}={value} from {source}", synonym.name))?;
                }
            }
            if self.documentation
                && let Some(text) = it.documentation.as_deref()
            {
                out.line(format!("    {} ({})", text, kind(it.config_type)))?;
            }
        }
        Ok(())
    }
}

fn document(it: &DescribeConfigsProperty<'_>) -> Value {
    let synonyms = it.synonyms.iter().map(|synonym| {
        json!({
            "name": synonym.name,
            "value": synonym.value,
            "source": source(synonym.source),
        })
    });
    json!({
        "name": it.name,
        "value": it.value,
        "source": source(it.config_source),
        "type": kind(it.config_type),
        "read_only": it.read_only,
        "sensitive": it.is_sensitive,
        "documentation": it.documentation,
        "synonyms": synonyms.collect::<Vec<Value>>(),
    })
}

fn value<'a>(it: &'a DescribeConfigsProperty<'_>) -> &'a str {
    match &it.value {
        Some(value) => value,
        None if it.is_sensitive => "(hidden)",
        None => "(none)",
    }
}

fn source(number: i8) -> &'static str {
    match number {
        1 => "topic",
        2 => "broker",
        3 => "all brokers",
        4 => "file",
        DEFAULT => "default",
        6 => "logger",
        7 => "client metrics",
        8 => "group",
        _ => "unknown",
    }
}

fn kind(number: i8) -> &'static str {
    match number {
        1 => "boolean",
        2 => "string",
        3 => "int",
        4 => "short",
        5 => "long",
        6 => "double",
        7 => "list",
        8 => "class",
        9 => "password",
        _ => "unknown",
    }
}
