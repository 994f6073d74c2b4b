//! Subscriptions by regular expression. The expressions of a group are looked up together, all topics
//! against each, a part in every turn; what they stand for is written down, and the group goes by that
//! until it is looked up again: when members bring new expressions, when there are new topics, and from
//! time to time; at most every ten seconds. As in Kafka, internal topics are topics like others, and a
//! name must match as a whole.
//!
//! The syntax is RE2's, as the `regex` crate has it. It takes a little more (the flag `x`, operations on
//! classes) and has no `\C`. No expression takes more than linear time, and how large its program may
//! be is bounded.

use super::plan::Plan;
use super::target::TopicHashes;
use super::{Consumer, ConsumerEntry, Refusal};
use crate::group::config::GroupConfig;
use crate::limits::{
    GROUP_REGEXES_MAX, REGEX_BYTES_MAX, REGEX_MATCHES_PER_TURN, REGEX_PROGRAM_BYTES_MAX,
    REGEX_REFRESH_MS_MIN,
};
use crate::metadata::Image;
use crate::types::Timestamp;
use crate::wire::ErrorCode;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a regular expression stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Resolved {
    pub(in crate::group) topics: BTreeSet<Arc<str>>,
    /// The offset of the metadata record up to which topics were looked at.
    pub(in crate::group) version: i64,
    /// When.
    pub(in crate::group) timestamp: Timestamp,
}

/// How a member's regular expression has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// Not.
    Nothing,
    /// What the new one stands for is to be looked up.
    Unresolved,
    /// What the new one stands for is known, or there is none any more.
    Resolved,
}

/// A look-up under way.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    /// What is looked up yet, the last one first.
    left: Vec<Arc<str>>,
    /// The program of that one, and the topic up to which it is done.
    program: Option<(Regex, Option<Arc<str>>)>,
    found: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    version: i64,
    timestamp: Timestamp,
}

/// Makes the program of a regular expression that has to match a name as a whole.
///
/// # Errors
/// Why it is none, for people.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > REGEX_BYTES_MAX {
        return Err(format!("it is longer than {REGEX_BYTES_MAX} bytes"));
    }
    let pattern = unquote(pattern);
    // Alone it must be an expression, too: `a)(b` is none.
    build(&pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}

/// Names of topics are ASCII, for which programs without Unicode are smaller by far. Some expressions
/// cannot do without.
fn build(pattern: &str) -> Result<Regex, String> {
    let with = |unicode| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(REGEX_PROGRAM_BYTES_MAX)
            .dfa_size_limit(REGEX_PROGRAM_BYTES_MAX)
            .build()
    };
    let built = with(false).or_else(|_| with(true));
    built.map_err(|error| error.to_string())
}

/// RE2's `\Q...\E`, which the crate does not know, as escaped characters.
fn unquote(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        match after.strip_prefix('Q') {
            Some(quoted) => {
                let (quoted, behind) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                plain.push_str(&regex::escape(quoted));
                rest = behind;
            }
            None => {
                let escaped = after.chars().next().map_or(0, char::len_utf8);
                plain.push_str(&rest[at..at + 1 + escaped]);
                rest = &after[escaped..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

impl Plan<'_> {
    /// What comes of a member's having another regular expression, which is written already.
    pub(super) fn change_regex(
        &mut self,
        before: Option<&Arc<str>>,
        after: Option<&Arc<str>>,
    ) -> Result<Change, Refusal> {
        if before == after {
            return Ok(Change::Nothing);
        }
        if let Some(before) = before
            && self.group().regex_members(before) == 0
        {
            self.write(ConsumerEntry::Regex(before.clone(), None));
        }
        let Some(after) = after else {
            return Ok(Change::Resolved);
        };
        if self.group().regex_members(after) > 1 {
            return Ok(match self.group().regexes.contains_key(after) {
                true => Change::Resolved,
                false => Change::Unresolved,
            });
        }
        let invalid = |why: &str| {
            let message = format!("{after} is not a regular expression: {why}.");
            Refusal::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message)
        };
        if self.group().named.len() > GROUP_REGEXES_MAX {
            return Err(invalid("the group has too many of them"));
        }
        compile(after).map_err(|why| invalid(&why))?;
        Ok(Change::Unresolved)
    }
}

impl Consumer {
    /// A new look-up, if it is time for one. `self` is the group as it is in the log.
    pub(super) fn plan_lookup(
        &self,
        plan: &Plan<'_>,
        image_offset: i64,
        hashes: &mut TopicHashes,
        now: Timestamp,
        config: &GroupConfig,
    ) -> Option<Lookup> {
        let wanted = &plan.group().named;
        if wanted.is_empty() || self.lookup.is_some() {
            return None;
        }
        let last = self.regexes.values().next();
        let since_ms = |then: Timestamp| now.0.saturating_sub(then.0);
        let last_ms = last.map(|resolved| since_ms(resolved.timestamp));
        let last_ms = last_ms.filter(|ms| *ms >= 0);
        let failed_ms = self.failed_lookup.map(since_ms);
        let is_recent = |ms: i64| (0..=REGEX_REFRESH_MS_MIN).contains(&ms);
        if last_ms.is_some_and(is_recent) || failed_ms.is_some_and(is_recent) {
            return None;
        }
        let newest = hashes.newest(image_offset);
        let is_known = |regex: &Arc<str>| plan.group().regexes.contains_key(regex);
        let is_due = !wanted.keys().all(is_known)
            || last.is_none_or(|resolved| resolved.version < newest)
            || last_ms.is_none_or(|ms| ms > i64::from(config.regex_refresh_interval_ms));
        is_due.then(|| Lookup {
            left: wanted.keys().cloned().collect(),
            program: None,
            found: BTreeMap::new(),
            version: image_offset,
            timestamp: now,
        })
    }

    /// Goes on with the look-up under way. Returns what it has found when it is done.
    pub(super) fn continue_lookup(&mut self, image: &Image) -> Option<Vec<(Arc<str>, Resolved)>> {
        let lookup = self.lookup.as_mut()?;
        if !lookup.take_turn(image) {
            return None;
        }
        let Lookup {
            found,
            version,
            timestamp,
            ..
        } = self.lookup.take()?;
        let found = found.into_iter().map(|(regex, topics)| {
            let resolved = Resolved {
                topics,
                version,
                timestamp,
            };
            (regex, resolved)
        });
        Some(found.collect())
    }

    /// What is to be written when a look-up has found this.
    pub(super) fn resolve(
        &self,
        found: Vec<(Arc<str>, Resolved)>,
        image: &Image,
        hashes: &mut TopicHashes,
    ) -> Result<Vec<ConsumerEntry>, Refusal> {
        let mut plan = Plan::of(self);
        let mut raise = false;
        for (regex, resolved) in found {
            // Meanwhile nobody may want it any more.
            if self.regex_members(&regex) == 0 {
                continue;
            }
            let before = self.regexes.get(&regex).map(|before| &before.topics);
            raise |= before.unwrap_or(&BTreeSet::new()) != &resolved.topics;
            plan.write(ConsumerEntry::Regex(regex, Some(resolved)));
        }
        let hash = plan.group().hash(hashes, image);
        if raise || hash != self.metadata_hash {
            plan.raise_epoch(hash)?;
        }
        Ok(plan.finish())
    }
}

impl Lookup {
    /// Matches some names. Returns whether it is done.
    fn take_turn(&mut self, image: &Image) -> bool {
        let Some(regex) = self.left.last().cloned() else {
            return true;
        };
        let found = self.found.entry(regex.clone()).or_default();
        let (program, after) = match self.program.take() {
            Some(under_way) => under_way,
            None => match compile(&regex) {
                Ok(program) => (program, None),
                // It was one when a member brought it; a Kafka that takes more may have written it.
                Err(_) => {
                    self.left.pop();
                    return self.left.is_empty();
                }
            },
        };
        let mut last = None;
        let topics = image.topics_after(after.as_deref().unwrap_or(""));
        for topic in topics.take(REGEX_MATCHES_PER_TURN) {
            let name: Arc<str> = topic.name.clone();
            if program.is_match(name.as_bytes()) {
                found.insert(name.clone());
            }
            last = Some(name);
        }
        match last {
            Some(last) => self.program = Some((program, Some(last))),
            None => {
                self.left.pop();
            }
        }
        self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        compile(pattern)
            .expect("an expression")
            .is_match(name.as_bytes())
    }

    #[test]
    fn a_name_matches_as_a_whole() {
        assert!(matches("a|ab", "ab") && matches("a|ab", "a"));
        assert!(!matches("a", "ab") && !matches("b", "ab"));
        assert!(matches("(?i)foo.*", "FOO-1") && matches("^foo$", "foo"));
        assert!(matches("", "") && !matches("", "a"));
    }

    #[test]
    fn quoted_characters_stand_for_themselves() {
        assert!(matches(r"\Qa.b\E", "a.b") && !matches(r"\Qa.b\E", "axb"));
        assert!(matches(r"\Qa.b\E.*", "a.bc") && matches(r"x\Q.", "x."));
        assert!(matches(r"\\Q", r"\Q") && matches(r"a\.b", "a.b"));
    }

    #[test]
    fn what_is_no_expression_is_none() {
        for pattern in ["(", "a)(b", r"\", "a(?=b)", r"(a)\1", "[b-a]", "*"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_program_is_bounded_and_so_is_its_text() {
        assert!(compile(r"(\w{1000}){1000}").is_err());
        assert!(compile(&"a".repeat(REGEX_BYTES_MAX)).is_ok());
        assert!(compile(&"a".repeat(REGEX_BYTES_MAX + 1)).is_err());
        assert!(compile(r"\w{1,249}").is_ok());
        assert!(compile(r"\p{Greek}+").is_ok());
    }
}
