//! One property: its name, type, default, bounds, documentation and what Millstream does with it; and
//! how a text becomes a value of its type, in Kafka's words where a client will read them.

/// The types of Kafka's `ConfigDef`, with the codes of DescribeConfigs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
#[allow(missing_docs)]
pub enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

/// What a value of the right type must satisfy besides.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Check {
    /// Anything of its type.
    Any,
    /// A number, or each element of a list, with this lower bound.
    AtLeast(i64),
    /// A number within these bounds, both included.
    Between(i64, i64),
    /// A number within these bounds, or -1.
    BetweenOrMinusOne(i64, i64),
    /// A string, or each element of a list, of these.
    OneOf(&'static [&'static str]),
    /// A string of these, in capitals or not.
    OneOfAnyCase(&'static [&'static str]),
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// `latest`, `earliest`, or `by_duration:` and a duration of ISO 8601 in days, hours, minutes and
    /// seconds.
    OffsetReset,
}

/// How much a reader should care, as Kafka ranks it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether Kafka lets the property change while the broker runs. DescribeConfigs marks the others
/// read-only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker, or as the default of all.
    ClusterWide,
}

/// Whom the property belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// A broker: `server.properties` and `--override`.
    Broker,
    /// A topic: CreateTopics and the like. Its default comes from the first of these broker properties
    /// that is set; hours and minutes are converted (Kafka's `ServerTopicConfigSynonyms`).
    Topic(&'static [&'static str]),
    /// A group: its default is that broker property's value.
    Group(&'static str),
    /// A client metrics subscription (KIP-714).
    ClientMetrics,
}

/// What Millstream does with the property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It has the effect its documentation says.
    Used,
    /// It is accepted and described, and has no effect in this release: the reason.
    Later(&'static str),
    /// It is accepted and described, and needs none: the reason.
    NotNeeded(&'static str),
}

/// A property of Kafka's, or one of the few that are Millstream's own.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// As it stands in `server.properties`.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// Kafka 4.2's default; `None` is Kafka's null: not set, something else decides.
    pub default: Option<&'static str>,
    /// Bounds and valid values.
    pub check: Check,
    /// How much a reader should care.
    pub importance: Importance,
    /// Whether it may change while the broker runs.
    pub update: Update,
    /// Broker or topic.
    pub scope: Scope,
    /// Whether Millstream uses it.
    pub support: Support,
    /// Accepted but never described: for tests and experts.
    pub internal: bool,
    /// What it means, in one line.
    pub doc: &'static str,
}

// The table is written with these: a kind and a name, then what differs from the usual.
macro_rules! kinds {
    ($($constructor:ident $kind:ident),*) => {$(
        pub(super) const fn $constructor(name: &'static str) -> Property {
            Property {
                name,
                kind: Kind::$kind,
                default: None,
                check: Check::Any,
                importance: Importance::Medium,
                update: Update::ReadOnly,
                scope: Scope::Broker,
                support: Support::Used,
                internal: false,
                doc: "",
            }
        }
    )*};
}
kinds!(
    boolean Boolean,
    string String,
    int Int,
    short Short,
    long Long,
    double Double,
    list List,
    class Class,
    password Password
);

impl Property {
    pub(super) const fn default(mut self, value: &'static str) -> Property {
        self.default = Some(value);
        self
    }
    pub(super) const fn at_least(mut self, bound: i64) -> Property {
        self.check = Check::AtLeast(bound);
        self
    }
    pub(super) const fn between(mut self, low: i64, high: i64) -> Property {
        self.check = Check::Between(low, high);
        self
    }
    pub(super) const fn check(mut self, check: Check) -> Property {
        self.check = check;
        self
    }
    pub(super) const fn one_of(mut self, valid: &'static [&'static str]) -> Property {
        self.check = Check::OneOf(valid);
        self
    }
    pub(super) const fn high(mut self) -> Property {
        self.importance = Importance::High;
        self
    }
    pub(super) const fn low(mut self) -> Property {
        self.importance = Importance::Low;
        self
    }
    pub(super) const fn per_broker(mut self) -> Property {
        self.update = Update::PerBroker;
        self
    }
    pub(super) const fn cluster_wide(mut self) -> Property {
        self.update = Update::ClusterWide;
        self
    }
    pub(super) const fn topic(mut self, broker_synonyms: &'static [&'static str]) -> Property {
        self.scope = Scope::Topic(broker_synonyms);
        self
    }
    pub(super) const fn group(mut self, broker_name: &'static str) -> Property {
        self.scope = Scope::Group(broker_name);
        self
    }
    pub(super) const fn client_metrics(mut self) -> Property {
        self.scope = Scope::ClientMetrics;
        self
    }
    pub(super) const fn later(mut self, reason: &'static str) -> Property {
        self.support = Support::Later(reason);
        self
    }
    pub(super) const fn not_needed(mut self, reason: &'static str) -> Property {
        self.support = Support::NotNeeded(reason);
        self
    }
    pub(super) const fn internal(mut self) -> Property {
        self.internal = true;
        self
    }
    pub(super) const fn doc(mut self, doc: &'static str) -> Property {
        self.doc = doc;
        self
    }

    /// Whether the value must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// The value in its normal form, which DescribeConfigs shows: numbers without sign or blanks,
    /// booleans in lower case, lists without blanks. Refuses what has not the type or breaks a bound.
    pub fn normalise(&self, text: &str) -> Result<String, Refusal> {
        let trimmed = text.trim();
        let not_a_number = || Refusal::NotA(self.kind);
        match self.kind {
            Kind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                "true" => Ok("true".into()),
                "false" => Ok("false".into()),
                _ => Err(Refusal::NotA(self.kind)),
            },
            Kind::Int | Kind::Short | Kind::Long => {
                let number: i64 = trimmed.parse().map_err(|_| not_a_number())?;
                let fits = match self.kind {
                    Kind::Int => i32::try_from(number).is_ok(),
                    Kind::Short => i16::try_from(number).is_ok(),
                    _ => true,
                };
                if !fits {
                    return Err(not_a_number());
                }
                self.check.number(number)?;
                Ok(number.to_string())
            }
            Kind::Double => {
                let number: f64 = trimmed.parse().map_err(|_| not_a_number())?;
                if !number.is_finite() {
                    return Err(not_a_number());
                }
                match self.check {
                    Check::Between(low, _) if number < low as f64 => Err(Refusal::Below(low)),
                    Check::Between(_, high) if number > high as f64 => Err(Refusal::Above(high)),
                    _ => Ok(format!("{number:?}").replace('e', "E")),
                }
            }
            Kind::String | Kind::Class | Kind::Password => {
                self.check.string(text)?;
                Ok(text.to_owned())
            }
            Kind::List => {
                let elements = list_elements(trimmed);
                if self.check == Check::ThrottledReplicas {
                    throttled_replicas(&elements)?;
                }
                for element in &elements {
                    self.check.string(element)?;
                }
                Ok(elements.join(","))
            }
        }
    }

    /// What a value may be, for messages and `--help`: `bytes, at least 1048576`. Empty if any value of
    /// the type will do.
    pub fn bounds(&self) -> String {
        let unit = match self.name.rsplit('.').next() {
            Some("bytes") => "bytes",
            Some("ms") => "milliseconds",
            Some("us") => "microseconds",
            Some("hours") => "hours",
            Some("minutes") => "minutes",
            _ => "",
        };
        let check = match self.check {
            Check::Any => String::new(),
            Check::AtLeast(bound) => format!("at least {bound}"),
            Check::Between(low, high) => format!("{low} to {high}"),
            Check::BetweenOrMinusOne(low, high) => format!("{low} to {high}, or -1"),
            Check::OneOf(valid) => format!("of: {}", valid.join(", ")),
            Check::OneOfAnyCase(valid) => format!("of: {}", valid.join(", ")),
            Check::ThrottledReplicas => "* or partition:broker, ...".into(),
            Check::OffsetReset => "latest, earliest or by_duration:PnDTnHnMn.nS".into(),
        };
        match (unit, check.as_str()) {
            ("", _) => check,
            (_, "") => unit.into(),
            _ => format!("{unit}, {check}"),
        }
    }
}

/// Why a text is no value of a property. [`Refusal::to_kafka`] and [`Refusal::to_user`] word it.
#[derive(Clone, PartialEq, Debug)]
pub enum Refusal {
    /// Not of the type.
    NotA(Kind),
    /// Smaller than this.
    Below(i64),
    /// Larger than this.
    Above(i64),
    /// Neither within these nor -1.
    OutsideOrMinusOne(i64, i64),
    /// None of these.
    NoneOf(&'static [&'static str]),
    /// None of these in any case.
    NoneOfAnyCase(&'static [&'static str]),
    /// Not a list of replicas.
    NotReplicas,
    /// Not where to begin.
    NotOffsetReset,
}

impl Refusal {
    /// As Kafka tells a client: `Invalid value abc for configuration segment.bytes: Not a number of
    /// type INT`.
    pub fn to_kafka(&self, property: &Property, value: &str) -> String {
        let name = property.name;
        let reason = match self {
            Refusal::NotA(Kind::Boolean) => "Expected value to be either true or false".into(),
            Refusal::NotA(kind) => {
                format!(
                    "Not a number of type {}",
                    format!("{kind:?}").to_uppercase()
                )
            }
            Refusal::Below(bound) => format!("Value must be at least {bound}"),
            Refusal::Above(bound) => format!("Value must be no more than {bound}"),
            Refusal::OutsideOrMinusOne(low, high) => {
                format!("Value must be between {low} and {high} or equal to -1")
            }
            Refusal::NoneOf(valid) => format!("String must be one of: {}", valid.join(", ")),
            Refusal::NoneOfAnyCase(valid) => format!(
                "String must be one of (case insensitive): {}",
                valid.join(", ")
            ),
            Refusal::NotOffsetReset => {
                "Must be latest, earliest or by_duration:PnDTnHnMn.nS".into()
            }
            Refusal::NotReplicas => {
                "Must be '*' or a list of [partitionId]:[brokerId] separated by commas".into()
            }
        };
        format!("Invalid value {value} for configuration {name}: {reason}")
    }

    /// As the command line tells a person: `'abc' is not a number (bytes, at least 1048576)`.
    pub fn to_user(&self, property: &Property, value: &str) -> String {
        let bounds = match property.bounds() {
            bounds if bounds.is_empty() => bounds,
            bounds => format!(" ({bounds})"),
        };
        match self {
            Refusal::NotA(Kind::Boolean) => format!("'{value}' is neither true nor false"),
            Refusal::NotA(kind) => {
                let largest = match kind {
                    _ if value.trim().parse::<f64>().is_err() => "a number",
                    Kind::Short => "a whole number below 2^15",
                    Kind::Int => "a whole number below 2^31",
                    _ => "a whole number below 2^63",
                };
                format!("'{value}' is not {largest}{bounds}")
            }
            Refusal::Below(_) => format!("{value} is too small{bounds}"),
            Refusal::Above(_) => format!("{value} is too large{bounds}"),
            Refusal::OutsideOrMinusOne(..) => format!("{value} is out of bounds{bounds}"),
            Refusal::NoneOf(_)
            | Refusal::NoneOfAnyCase(_)
            | Refusal::NotReplicas
            | Refusal::NotOffsetReset => {
                format!("'{value}' is not valid{bounds}")
            }
        }
    }
}

impl Check {
    fn number(&self, number: i64) -> Result<(), Refusal> {
        match *self {
            Check::AtLeast(low) if number < low => Err(Refusal::Below(low)),
            Check::Between(low, _) if number < low => Err(Refusal::Below(low)),
            Check::Between(_, high) if number > high => Err(Refusal::Above(high)),
            Check::BetweenOrMinusOne(low, high)
                if number != -1 && !(low..=high).contains(&number) =>
            {
                Err(Refusal::OutsideOrMinusOne(low, high))
            }
            _ => Ok(()),
        }
    }

    fn string(&self, text: &str) -> Result<(), Refusal> {
        match self {
            Check::OneOf(valid) if !valid.contains(&text) => Err(Refusal::NoneOf(valid)),
            Check::OneOfAnyCase(valid) if !valid.iter().any(|it| it.eq_ignore_ascii_case(text)) => {
                Err(Refusal::NoneOfAnyCase(valid))
            }
            Check::OffsetReset if !is_offset_reset(text) => Err(Refusal::NotOffsetReset),
            _ => Ok(()),
        }
    }
}

fn is_offset_reset(text: &str) -> bool {
    match text.split_once(':') {
        None => text == "latest" || text == "earliest",
        Some((by, duration)) => by == "by_duration" && is_duration(duration),
    }
}

/// `PnDTnHnMn.nS`: each part may be missing, but not all, and none after a bare `T`.
fn is_duration(text: &str) -> bool {
    let Some(parts) = text
        .to_ascii_uppercase()
        .strip_prefix('P')
        .map(str::to_owned)
    else {
        return false;
    };
    let (days, time) = match parts.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return false,
        None => (parts.as_str(), ""),
    };
    let mut rest = time;
    for unit in ['H', 'M', 'S'] {
        if let Some((number, after)) = rest.split_once(unit) {
            let digits = number.replacen('.', "", usize::from(unit == 'S'));
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            rest = after;
        }
    }
    let is_days = |days: &str| {
        days.strip_suffix('D')
            .is_some_and(|days| !days.is_empty() && days.bytes().all(|it| it.is_ascii_digit()))
    };
    rest.is_empty() && (is_days(days) || (days.is_empty() && !time.is_empty()))
}

/// The elements of a list as Kafka splits it: at commas, blanks around them dropped.
pub(super) fn list_elements(text: &str) -> Vec<&str> {
    match text.trim() {
        "" => Vec::new(),
        text => text.split(',').map(str::trim).collect(),
    }
}

fn throttled_replicas(elements: &[&str]) -> Result<(), Refusal> {
    let is_replica = |element: &&str| {
        element.split_once(':').is_some_and(|(partition, broker)| {
            partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok()
        })
    };
    if elements == ["*"] || elements.iter().all(is_replica) {
        return Ok(());
    }
    Err(Refusal::NotReplicas)
}
