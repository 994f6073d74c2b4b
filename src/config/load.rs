//! From the text of `server.properties` and the overrides to a [`BrokerConfig`]. Whatever is wrong is
//! named with its place: file and line, or `--override`.

use super::broker::BrokerConfig;
use super::java_properties::{self, BadEscape};
use super::properties::{FAMILIES, REMOVED, SECURITY};
use super::property::{Property, Scope, Support};
use super::{PROPERTIES, broker_property};
use std::collections::BTreeMap;
use std::fmt;

/// Reads a configuration: `file` is the name to show and the bytes of a `server.properties`, and each
/// of `overrides` is a name and a value that goes before it. Without either the broker serves
/// 127.0.0.1:9092 with its data in `./data`.
pub fn load(
    file: Option<(&str, &[u8])>,
    overrides: &[(String, String)],
    machine: &Machine,
) -> Result<Loaded, ConfigError> {
    let mut settings = Settings::default();
    let mut notes = Vec::new();
    if let Some((name, text)) = file {
        let pairs = java_properties::parse(text).map_err(|BadEscape { line }| ConfigError {
            place: Place::File(name.to_owned(), line),
            property: None,
            reason: "\\u needs four hexadecimal digits".into(),
        })?;
        for pair in pairs {
            let place = Place::File(name.to_owned(), pair.line);
            settings.set(place, pair.key, pair.value);
        }
    }
    for (name, value) in overrides {
        settings.set(Place::Override, name.clone(), value.clone());
    }
    settings.normalise(&mut notes)?;
    let config = BrokerConfig::from_settings(settings, machine, &mut notes)?;
    Ok(Loaded { config, notes })
}

/// What the configuration cannot know by itself.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Finds the name under which other machines reach this one, advertised for a listener without a
    /// host. Asked only then: it may take a while.
    pub host_name: fn() -> String,
    /// The cores this process may use, at least 1: the default of `num.shards`.
    pub cores: usize,
}

/// A configuration, and what its owner should be told about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: BrokerConfig,
    /// In the order of the file, then of the broker's conclusions.
    pub notes: Vec<Note>,
}

/// A line for the log at start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// Something is probably not as its owner thinks.
    Warn(String),
    /// Worth knowing.
    Info(String),
}

/// Why a configuration cannot be served: one line, with the place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    pub(super) place: Place,
    pub(super) property: Option<String>,
    pub(super) reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(name, line) => write!(f, "{name}:{line}: ")?,
            Place::Override => write!(f, "--override ")?,
            Place::Default | Place::Topic => {}
        }
        if let Some(property) = &self.property {
            write!(f, "{property}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigError {}

/// Where a value was set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    File(String, usize),
    Override,
    Default,
    Topic,
}

/// What was set, later settings over earlier ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    values: BTreeMap<String, (Place, String)>,
}

impl Settings {
    fn set(&mut self, place: Place, name: String, value: String) {
        self.values.insert(name, (place, value));
    }

    /// Brings every known value into its normal form and notes what has no effect.
    fn normalise(&mut self, notes: &mut Vec<Note>) -> Result<(), ConfigError> {
        let mut in_order: Vec<_> = self.values.iter_mut().collect();
        in_order.sort_by_key(|(_, (place, _))| match place {
            Place::File(_, line) => *line,
            _ => usize::MAX,
        });
        for (name, (place, value)) in in_order {
            let Some(property) = broker_property(name) else {
                notes.push(Note::Warn(format!("{}{}", shown(place), unknown(name))));
                continue;
            };
            *value = property.normalise(value).map_err(|refusal| ConfigError {
                place: place.clone(),
                property: Some(name.clone()),
                reason: refusal.to_user(property, value),
            })?;
            let is_default = Some(value.as_str()) == property.default;
            match property.support {
                Support::Later(reason) if !is_default => {
                    let note = format!(
                        "{}{name} has no effect in this release: {reason}",
                        shown(place)
                    );
                    // Whoever counts on being protected must hear that nothing protects.
                    notes.push(match reason {
                        SECURITY => Note::Warn(note),
                        _ => Note::Info(note),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The value of a broker property: as set, else its default, else null.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some((_, value)) => Some(value),
            None => known(name).default,
        }
    }

    /// The value, if it was set.
    pub(super) fn explicit(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value)| value.as_str())
    }

    /// A number that is set or has a default, of whatever type fits its bounds.
    pub(super) fn number<T: TryFrom<i64>>(&self, name: &str) -> T {
        self.number_or_null(name)
            .unwrap_or_else(|| panic!("{name} has a default"))
    }

    /// A number, or nothing if it is null.
    pub(super) fn number_or_null<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        let text = self.get(name)?;
        let number: i64 = text.parse().expect("normalised");
        match T::try_from(number) {
            Ok(number) => Some(number),
            Err(_) => panic!("{name}={number}: its bounds in the table do not fit its field"),
        }
    }

    /// A boolean; every one has a default.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// An error about a property that is well-formed but cannot be served.
    pub(super) fn refuse(&self, name: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError {
            place: match self.values.get(name) {
                Some((place, _)) => place.clone(),
                None => Place::Default,
            },
            property: Some(name.to_owned()),
            reason: reason.into(),
        }
    }

    /// What was set, for DescribeConfigs.
    pub(super) fn into_values(self) -> BTreeMap<String, String> {
        self.values
            .into_iter()
            .map(|(name, (_, value))| (name, value))
            .collect()
    }
}

fn known(name: &str) -> &'static Property {
    broker_property(name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

fn shown(place: &Place) -> String {
    match place {
        Place::File(name, line) => format!("{name}:{line}: "),
        Place::Override => "--override ".into(),
        Place::Default | Place::Topic => String::new(),
    }
}

/// A word on a property that the table does not hold.
fn unknown(name: &str) -> String {
    let of = |list: &'static [(&str, &str)]| {
        list.iter()
            .find(|(entry, _)| *entry == name || entry.ends_with('.') && name.starts_with(entry))
    };
    if let Some((_, reason)) = of(REMOVED) {
        return format!("{name} is ignored: {reason}");
    }
    if let Some((_, reason)) = of(FAMILIES) {
        return format!("{name} has no effect in this release: {reason}");
    }
    match closest(name) {
        Some(close) => format!("{name} is not a known property; did you mean {close}?"),
        None => format!("{name} is not a known property"),
    }
}

/// The broker property whose name differs least, if that is little enough to be a slip.
fn closest(name: &str) -> Option<&'static str> {
    const SLIPS_MAX: usize = 3;
    if name.len() > 100 {
        return None;
    }
    PROPERTIES
        .iter()
        .filter(|property| property.scope == Scope::Broker)
        .map(|property| (distance(name, property.name), property.name))
        .min()
        .filter(|(slips, close)| *slips <= SLIPS_MAX && *slips * 3 < close.len())
        .map(|(_, close)| close)
        .or_else(|| {
            // A topic's name in a broker's file.
            let property = PROPERTIES.iter().find(|property| property.name == name)?;
            match property.scope {
                Scope::Topic(synonyms) => synonyms.first().copied(),
                Scope::Broker | Scope::Group(_) | Scope::ClientMetrics => None,
            }
        })
}

/// The number of characters to change, insert or drop (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
