//! What a check is and what it finds. Pure: a check reads a [`Machine`] and a configuration and changes
//! neither.

use super::machine::Machine;
use crate::config::BrokerConfig;

/// One line of the table [`super::checks::CHECKS`].
pub(super) struct Check {
    /// Its name: the sysctl's, the property's, or one of ours.
    pub(super) id: &'static str,
    /// The heading in tuning.md under which the setting is explained.
    pub(super) section: &'static str,
    /// Where the present value is read.
    pub(super) reads: &'static str,
    /// Why it matters to a broker.
    pub(super) why: &'static str,
    /// Looks at the machine: a finding for each thing of the kind (each network card, each directory).
    pub(super) judge: fn(&Asked) -> Result<Vec<Finding>, Unknown>,
}

impl Check {
    /// What it finds; what cannot be read is a finding as well.
    pub(super) fn findings(&self, asked: &Asked) -> Vec<Finding> {
        (self.judge)(asked).unwrap_or_else(|unknown| vec![unknown.into()])
    }
}

/// What a check is asked about.
pub(super) struct Asked<'a> {
    pub(super) machine: &'a dyn Machine,
    pub(super) config: &'a BrokerConfig,
}

/// How a setting stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    /// As wanted.
    Ok,
    /// Not as wanted: there is something to do.
    Advice,
    /// It cannot be read or understood here.
    Unknown,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Advice => "advice",
            Status::Unknown => "unknown",
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    pub(super) status: Status,
    /// The card, directory or device that it is about; empty if it is about the machine.
    pub(super) subject: String,
    /// The present value; empty if unknown.
    pub(super) now: String,
    /// The wanted value; empty if unknown.
    pub(super) wanted: String,
    /// What to do, or why the value is not known; empty if there is nothing to say.
    pub(super) say: String,
    /// What `--apply` writes.
    pub(super) changes: Vec<Change>,
    /// Commands for what `--apply` leaves alone.
    pub(super) by_hand: Vec<String>,
}

impl Finding {
    fn new(status: Status, now: String, wanted: String, say: String) -> Finding {
        Finding {
            status,
            subject: String::new(),
            now,
            wanted,
            say,
            changes: Vec::new(),
            by_hand: Vec::new(),
        }
    }

    pub(super) fn ok(now: impl ToString, wanted: impl ToString) -> Finding {
        Finding::new(
            Status::Ok,
            now.to_string(),
            wanted.to_string(),
            String::new(),
        )
    }

    pub(super) fn advice(
        now: impl ToString,
        wanted: impl ToString,
        say: impl Into<String>,
    ) -> Finding {
        Finding::new(
            Status::Advice,
            now.to_string(),
            wanted.to_string(),
            say.into(),
        )
    }

    /// Names what it is about.
    pub(super) fn of(mut self, subject: impl Into<String>) -> Finding {
        self.subject = subject.into();
        self
    }

    /// Adds a write that brings the wanted value.
    pub(super) fn change(mut self, path: impl Into<String>, value: impl ToString) -> Finding {
        self.changes.push(Change {
            path: path.into(),
            value: value.to_string(),
        });
        self
    }

    /// Adds a command that is left to the reader.
    pub(super) fn by_hand(mut self, command: impl Into<String>) -> Finding {
        self.by_hand.push(command.into());
        self
    }

    /// Every command that the advice comes to.
    pub(super) fn commands(&self) -> Vec<String> {
        let changes = self.changes.iter().map(Change::command);
        changes.chain(self.by_hand.iter().cloned()).collect()
    }

    /// Whether there is something to do that `--apply` does not.
    pub(super) fn is_left_to_the_reader(&self) -> bool {
        self.status == Status::Advice && (self.changes.is_empty() || !self.by_hand.is_empty())
    }
}

/// Why something is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unknown(pub(super) String);

impl From<Unknown> for Finding {
    fn from(Unknown(why): Unknown) -> Finding {
        Finding::new(Status::Unknown, String::new(), String::new(), why)
    }
}

/// A value written to a file of the kernel's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) value: String,
}

impl Change {
    /// The sysctl's name, if it is one.
    pub(super) fn sysctl(&self) -> Option<String> {
        Some(self.path.strip_prefix("/proc/sys/")?.replace('/', "."))
    }

    /// The command that does the same.
    pub(super) fn command(&self) -> String {
        match self.sysctl() {
            Some(name) => format!("sysctl -w {name}='{}'", self.value),
            None => format!("echo '{}' > {}", self.value, self.path),
        }
    }

    /// The file under /etc that would repeat it at each start of the machine, and the line for it.
    pub(super) fn lasting(&self) -> (&'static str, String) {
        match self.sysctl() {
            Some(name) => (
                "/etc/sysctl.d/90-millstream.conf",
                format!("{name} = {}", self.value),
            ),
            None => (
                "/etc/tmpfiles.d/millstream.conf",
                format!("w {} - - - - {}", self.path, self.value),
            ),
        }
    }
}
