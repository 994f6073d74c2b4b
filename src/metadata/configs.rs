//! The controller's decisions about settings: changes in, ConfigRecords out.
//!
//! Checks and their order are those of Apache Kafka 4.2's ConfigurationControlManager. What a setting
//! means is not known here: [`ConfigRules`] says which are lists and judges what a resource would have.

use super::image::{ELR_VERSION, Image, Resource};
use super::topics::{Decision, Refusal};
use crate::limits;
use crate::types::NodeId;
use crate::wire::{ClearElrRecord, ConfigRecord, ErrorCode, MetadataRecord};
use std::collections::BTreeMap;

/// What somebody wants of one resource's settings. A resource is changed as a whole or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigChange {
    /// Whose.
    pub resource: Resource,
    /// What.
    pub edit: ConfigEdit,
}

/// How settings change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigEdit {
    /// These, and no others (AlterConfigs).
    Replace(BTreeMap<String, String>),
    /// One by one (IncrementalAlterConfigs); each name stands once.
    Each(Vec<(String, ConfigStep)>),
}

/// What happens to one setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigStep {
    /// It gets this value.
    Set(String),
    /// It gets its default back.
    Delete,
    /// A list gets these elements, separated by commas, where it lacks them.
    Append(String),
    /// A list loses these elements.
    Subtract(String),
}

/// What the decisions need to know of the settings' meaning.
pub struct ConfigRules<'a> {
    /// The default of a setting that is a list; nothing if it is none. By the resource's kind and the
    /// setting's name.
    pub list: &'a dyn Fn(i8, &str) -> Option<&'static str>,
    /// Judges all settings that a resource would have.
    pub check: &'a SettingsCheck<'a>,
}

/// Judges all settings of a resource together.
pub type SettingsCheck<'a> =
    dyn Fn(&Resource, &BTreeMap<String, String>) -> Result<(), Refusal> + 'a;

/// Kafka's longest value of a setting, UTF-16 units there, bytes here.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

/// Decides about changes of settings, one answer per change, in their order; no resource stands twice.
pub fn alter_configs(
    image: &Image,
    changes: &[ConfigChange],
    validate_only: bool,
    rules: &ConfigRules<'_>,
) -> Decision<Vec<(Resource, Result<(), Refusal>)>> {
    let mut records = Vec::new();
    let mut outcome = Vec::with_capacity(changes.len());
    for change in changes {
        let result = alter_one(image, change, rules).and_then(|new| {
            // Each may clear eligible leaders besides.
            if records.len() + 2 * new.len() > limits::METADATA_BATCH_RECORDS_MAX {
                return Err(Refusal::new(
                    ErrorCode::POLICY_VIOLATION,
                    "Unable to perform excessively large batch operation.",
                ));
            }
            records.extend(new);
            Ok(())
        });
        outcome.push((change.resource.clone(), result));
    }
    if validate_only {
        records.clear();
    }
    if image.keeps_elr() {
        let cleared: Vec<_> = records.iter().filter_map(clear_elr).collect();
        records.extend(cleared);
    }
    Decision { records, outcome }
}

fn alter_one(
    image: &Image,
    change: &ConfigChange,
    rules: &ConfigRules<'_>,
) -> Result<Vec<MetadataRecord<'static>>, Refusal> {
    let resource = &change.resource;
    let none = BTreeMap::new();
    let current = image.config(resource).map_or(&none, |set| &**set);
    let (explicit, implicit) = match &change.edit {
        ConfigEdit::Replace(wanted) => {
            let gone = current.keys().filter(|name| !wanted.contains_key(*name));
            (
                wanted
                    .iter()
                    .map(|(name, value)| (name.clone(), Some(value.clone())))
                    .collect(),
                gone.cloned().collect(),
            )
        }
        ConfigEdit::Each(steps) => (edited(resource, current, steps, rules)?, Vec::new()),
    };
    let mut then = current.clone();
    for (name, value) in explicit
        .iter()
        .map(|(name, value)| (name, value.as_ref()))
        .chain(implicit.iter().map(|name| (name, None)))
    {
        check_transition(image, resource, name, value)?;
        match value {
            None => then.remove(name),
            Some(value) => then.insert(name.clone(), value.clone()),
        };
    }
    (rules.check)(resource, &then)?;
    check_exists(image, resource)?;
    let changed = explicit
        .into_iter()
        // A broker's settings are written even if nothing changes: a sign to load files anew.
        .filter(|(name, value)| {
            resource.kind == Resource::BROKER || current.get(name) != value.as_ref()
        })
        .chain(implicit.into_iter().map(|name| (name, None)));
    let records = changed.map(|(name, value)| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.kind,
            resource_name: resource.name.clone().into(),
            name: name.into(),
            value: value.map(Into::into),
        })
    });
    Ok(records.collect())
}

/// The values that the steps lead to.
fn edited(
    resource: &Resource,
    current: &BTreeMap<String, String>,
    steps: &[(String, ConfigStep)],
    rules: &ConfigRules<'_>,
) -> Result<Vec<(String, Option<String>)>, Refusal> {
    let elements = |name: &str, verb: &str| match (rules.list)(resource.kind, name) {
        None => Err(Refusal::new(
            ErrorCode::INVALID_CONFIG,
            format!("Can't {verb} to key {name} because its type is not LIST."),
        )),
        Some(default) => {
            let list = current.get(name).map_or(default, String::as_str);
            let elements = list.split(',').filter(|element| !element.is_empty());
            Ok(elements.map(str::to_owned).collect::<Vec<_>>())
        }
    };
    let mut values = Vec::with_capacity(steps.len());
    for (name, step) in steps {
        let value = match step {
            ConfigStep::Set(value) => Some(value.clone()),
            ConfigStep::Delete => None,
            ConfigStep::Append(more) => {
                let mut list = elements(name, "APPEND")?;
                for element in more.split(',') {
                    if list.iter().all(|known| known != element) {
                        list.push(element.to_owned());
                    }
                }
                Some(list.join(","))
            }
            ConfigStep::Subtract(less) => {
                let mut list = elements(name, "SUBTRACT")?;
                for element in less.split(',') {
                    if let Some(at) = list.iter().position(|known| known == element) {
                        list.remove(at);
                    }
                }
                Some(list.join(","))
            }
        };
        values.push((name.clone(), value));
    }
    Ok(values)
}

fn check_transition(
    image: &Image,
    resource: &Resource,
    name: &str,
    value: Option<&String>,
) -> Result<(), Refusal> {
    let refuse = |why: String| Err(Refusal::new(ErrorCode::INVALID_CONFIG, why));
    let is_broker_min_isr = resource.kind == Resource::BROKER && name == MIN_ISR;
    if is_broker_min_isr && image.feature(ELR_VERSION) > 0 {
        if !resource.name.is_empty() {
            return refuse(format!(
                "Broker-level {MIN_ISR} cannot be altered while ELR is enabled."
            ));
        }
        if value.is_none() {
            return refuse(format!(
                "Cluster-level {MIN_ISR} cannot be removed while ELR is enabled."
            ));
        }
    }
    if value.is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
        return refuse(format!(
            "The configuration value cannot be added because it exceeds the maximum value size of \
             {VALUE_BYTES_MAX} bytes."
        ));
    }
    Ok(())
}

fn check_exists(image: &Image, resource: &Resource) -> Result<(), Refusal> {
    let name = &resource.name;
    match resource.kind {
        Resource::TOPIC if image.topic(name).is_none() => Err(Refusal::new(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            format!("The topic '{name}' does not exist."),
        )),
        Resource::BROKER if !name.is_empty() => {
            let known = name.parse().is_ok_and(|id| {
                let id = NodeId(id);
                image.broker(id).is_some() || image.controllers().any(|it| it.id == id)
            });
            match known {
                true => Ok(()),
                false => Err(Refusal::new(
                    ErrorCode::BROKER_ID_NOT_REGISTERED,
                    format!("No node with id {name} found."),
                )),
            }
        }
        _ => Ok(()),
    }
}

const MIN_ISR: &str = "min.insync.replicas";

/// Where min.insync.replicas changes, who is eligible is found out anew (KIP-966).
fn clear_elr(record: &MetadataRecord<'static>) -> Option<MetadataRecord<'static>> {
    let MetadataRecord::Config(config) = record else {
        return None;
    };
    if config.name != MIN_ISR {
        return None;
    }
    let topic_name = match config.resource_type {
        Resource::TOPIC => config.resource_name.clone(),
        _ => "".into(), // all topics
    };
    Some(MetadataRecord::ClearElr(ClearElrRecord { topic_name }))
}
