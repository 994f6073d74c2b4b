//! `listeners`, `advertised.listeners` and the protocols behind their names.

use super::load::{ConfigError, Machine, Note, Settings};
use super::property::list_elements;
use std::collections::BTreeMap;
use std::fmt;

/// Where a broker listens, or tells clients to connect to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Its name, in upper case.
    pub name: String,
    /// A name or an address, without the brackets of IPv6. Empty: every address of the machine; never
    /// empty in an advertised listener.
    pub host: String,
    /// The port; 0 lets the kernel choose one, which is then the advertised one too.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Listener { name, host, port } = self;
        match host.contains(':') {
            true => write!(f, "{name}://[{host}]:{port}"),
            false => write!(f, "{name}://{host}:{port}"),
        }
    }
}

/// The listeners of a broker, resolved.
pub(super) struct Listeners {
    /// Those that are opened.
    pub opened: Vec<Listener>,
    /// What clients are told, in the order of `opened` and with the same names.
    pub advertised: Vec<Listener>,
    /// The listeners meant for controllers, which are not opened.
    pub controller: Vec<Listener>,
    /// The listener between brokers.
    pub inter_broker: String,
}

/// Resolves the listeners as Kafka does, except that those for controllers stay closed.
pub(super) fn resolve(
    settings: &Settings,
    machine: &Machine,
    notes: &mut Vec<Note>,
) -> Result<Listeners, ConfigError> {
    let controller_names: Vec<String> =
        list_elements(settings.get("controller.listener.names").unwrap_or(""))
            .into_iter()
            .map(str::to_ascii_uppercase)
            .collect();
    let is_controller = |listener: &Listener| controller_names.contains(&listener.name);

    let all = parse(settings, "listeners")?;
    distinct_ports(settings, &all)?;
    let (controller, opened): (Vec<_>, Vec<_>) = all.into_iter().partition(is_controller);
    if opened.is_empty() {
        return Err(settings.refuse("listeners", "names no listener for clients"));
    }
    protocols(settings, &opened)?;

    let advertised = match settings.get("advertised.listeners") {
        Some(_) => advertised(settings, &opened, &controller)?,
        None => opened
            .iter()
            .map(|listener| Listener {
                host: match listener.host.as_str() {
                    "" => (machine.host_name)(),
                    host => host.to_owned(),
                },
                ..listener.clone()
            })
            .collect(),
    };
    for listener in &advertised {
        if matches!(listener.host.as_str(), "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0") {
            let set = settings.explicit("advertised.listeners").is_some();
            let name = if set {
                "advertised.listeners"
            } else {
                "listeners"
            };
            let reason = "clients cannot connect to it: set advertised.listeners to an address that they can reach";
            return Err(settings.refuse(name, format!("{listener}: {reason}")));
        }
    }
    for listener in &controller {
        notes.push(Note::Info(format!(
            "{listener} is not opened: this process is its own and only controller"
        )));
    }

    let inter_broker = match settings.explicit("inter.broker.listener.name") {
        Some(name) => {
            if settings
                .explicit("security.inter.broker.protocol")
                .is_some()
            {
                return Err(settings.refuse(
                    "inter.broker.listener.name",
                    "cannot be set together with security.inter.broker.protocol",
                ));
            }
            let name = name.trim().to_ascii_uppercase();
            if !advertised.iter().any(|listener| listener.name == name) {
                return Err(settings.refuse(
                    "inter.broker.listener.name",
                    format!("{name} is none of the advertised listeners"),
                ));
            }
            name
        }
        None => match settings.get("security.inter.broker.protocol") {
            Some(name) if advertised.iter().any(|listener| listener.name == name) => name.into(),
            // Alone, the broker talks to no other.
            _ => advertised[0].name.clone(),
        },
    };
    Ok(Listeners {
        opened,
        advertised,
        controller,
        inter_broker,
    })
}

fn advertised(
    settings: &Settings,
    opened: &[Listener],
    controller: &[Listener],
) -> Result<Vec<Listener>, ConfigError> {
    let named = parse(settings, "advertised.listeners")?;
    for listener in &named {
        if listener.host.is_empty() {
            return Err(settings.refuse("advertised.listeners", format!("{listener} has no host")));
        }
        let same = |other: &Listener| other.name == listener.name;
        if !opened.iter().any(same) && !controller.iter().any(same) {
            let reason = format!("{} is not among the listeners", listener.name);
            return Err(settings.refuse("advertised.listeners", reason));
        }
    }
    opened
        .iter()
        .map(|open| {
            named
                .iter()
                .find(|listener| listener.name == open.name)
                .cloned()
                .ok_or_else(|| {
                    settings.refuse("advertised.listeners", format!("{} is missing", open.name))
                })
        })
        .collect()
}

fn parse(settings: &Settings, property: &str) -> Result<Vec<Listener>, ConfigError> {
    let mut listeners: Vec<Listener> = Vec::new();
    for text in list_elements(settings.get(property).unwrap_or("")) {
        let listener = parse_one(text).ok_or_else(|| {
            let reason = format!("'{text}' is not NAME://host:port");
            settings.refuse(property, reason)
        })?;
        if listeners.iter().any(|other| other.name == listener.name) {
            return Err(settings.refuse(property, format!("{} stands twice", listener.name)));
        }
        listeners.push(listener);
    }
    if listeners.is_empty() {
        return Err(settings.refuse(property, "names no listener"));
    }
    Ok(listeners)
}

fn parse_one(text: &str) -> Option<Listener> {
    let (name, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let address = |byte: u8| word(byte) || matches!(byte, b':' | b'%');
    let valid = !name.is_empty() && name.bytes().all(word) && host.bytes().all(address);
    valid.then_some(())?;
    Some(Listener {
        name: name.to_ascii_uppercase(),
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// Two listeners share a port only as the IPv4 and the IPv6 side of one (KIP-797).
fn distinct_ports(settings: &Settings, listeners: &[Listener]) -> Result<(), ConfigError> {
    let is_v4 = |listener: &Listener| listener.host.parse::<std::net::Ipv4Addr>().is_ok();
    let is_v6 = |listener: &Listener| listener.host.parse::<std::net::Ipv6Addr>().is_ok();
    for (at, one) in listeners.iter().enumerate() {
        for other in &listeners[..at] {
            let two_sides = is_v4(one) && is_v6(other) || is_v6(one) && is_v4(other);
            if one.port != 0 && one.port == other.port && !two_sides {
                return Err(settings.refuse("listeners", format!("port {} stands twice", one.port)));
            }
        }
    }
    Ok(())
}

/// Every opened listener must be mapped to PLAINTEXT.
fn protocols(settings: &Settings, opened: &[Listener]) -> Result<(), ConfigError> {
    const MAP: &str = "listener.security.protocol.map";
    let mut map = BTreeMap::new();
    for text in list_elements(settings.get(MAP).unwrap_or("")) {
        let Some((name, protocol)) = text.split_once(':') else {
            return Err(settings.refuse(MAP, format!("'{text}' is not NAME:PROTOCOL")));
        };
        let protocol = protocol.trim().to_ascii_uppercase();
        if !matches!(
            protocol.as_str(),
            "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL"
        ) {
            let reason = format!("{protocol} is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL");
            return Err(settings.refuse(MAP, reason));
        }
        map.insert(name.trim().to_ascii_uppercase(), protocol);
    }
    for listener in opened {
        let name = &listener.name;
        match map.get(name).map(String::as_str) {
            Some("PLAINTEXT") => {}
            Some(protocol) => {
                let reason = format!(
                    "{listener} needs {protocol}, which this release does not serve: only PLAINTEXT"
                );
                return Err(settings.refuse("listeners", reason));
            }
            None => {
                return Err(settings.refuse("listeners", format!("{name} is not in {MAP}")));
            }
        }
    }
    Ok(())
}
