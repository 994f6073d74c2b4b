//! What clients do wrong is said in the broker's log, but not as often as they do it.
//!
//! A line is said once while the same client keeps getting the same error from the same API; and
//! whoever they are, only so many lines within a window.

use crate::types::Now;
use crate::wire::{ApiKey, ErrorCode};
use std::collections::BTreeSet;

/// Lines within one window.
const LINES: u32 = 10;
const WINDOW_US: u64 = 10_000_000;

/// How long a refusal that was said is not said again.
const MEMORY_US: u64 = 600_000_000;

/// Refusals remembered; beyond these all are forgotten, and the bound of lines alone holds.
const REMEMBERED_MAX: usize = 1_024;

/// Lets the first lines of each window through and counts the others.
#[derive(Default)]
pub(super) struct Complaints {
    until_us: u64,
    said: u32,
    kept_back: u64,
    remembered: BTreeSet<(Option<Box<str>>, ApiKey, ErrorCode)>,
    forget_us: u64,
}

impl Complaints {
    /// Whether one more may be said now. The first of a window says how many before were not.
    pub(super) fn may_say(&mut self, now: Now) -> bool {
        if now.monotonic_us >= self.until_us {
            self.until_us = now.monotonic_us + WINDOW_US;
            self.said = 0;
            let kept_back = std::mem::take(&mut self.kept_back);
            if kept_back > 0 {
                tracing::warn!("{kept_back} more complaints about clients were not logged");
            }
        }
        self.said += 1;
        self.kept_back += u64::from(self.said > LINES);
        self.said <= LINES
    }

    /// Whether this client is told for the first time in a while that this API refused it so.
    pub(super) fn is_news(
        &mut self,
        now: Now,
        client: Option<&str>,
        api: ApiKey,
        code: ErrorCode,
    ) -> bool {
        if now.monotonic_us >= self.forget_us || self.remembered.len() >= REMEMBERED_MAX {
            self.forget_us = now.monotonic_us + MEMORY_US;
            self.remembered.clear();
        }
        self.remembered.insert((client.map(Box::from), api, code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    fn at(monotonic_us: u64) -> Now {
        Now {
            monotonic_us,
            wall: Timestamp(0),
        }
    }

    #[test]
    fn a_flood_of_complaints_is_a_few_lines_per_window() {
        let mut complaints = Complaints::default();
        let said = |complaints: &mut Complaints, from: u64| {
            let times = from..from + 1000;
            times.filter(|us| complaints.may_say(at(*us))).count()
        };
        assert_eq!(said(&mut complaints, 5), 10);
        assert_eq!(said(&mut complaints, 2000), 0);
        assert_eq!(complaints.kept_back, 1990);
        assert_eq!(said(&mut complaints, 5 + WINDOW_US), 10);
        assert_eq!(complaints.kept_back, 990);
    }

    #[test]
    fn the_same_refusal_of_the_same_client_is_said_once() {
        let mut complaints = Complaints::default();
        let mut is_news =
            |us, client, code| complaints.is_news(at(us), Some(client), ApiKey::PRODUCE, code);
        assert!(is_news(5, "a", ErrorCode::MESSAGE_TOO_LARGE));
        assert!(!is_news(6, "a", ErrorCode::MESSAGE_TOO_LARGE));
        assert!(is_news(6, "b", ErrorCode::MESSAGE_TOO_LARGE));
        assert!(is_news(6, "a", ErrorCode::INVALID_RECORD));
        assert!(is_news(5 + MEMORY_US, "a", ErrorCode::MESSAGE_TOO_LARGE));
    }

    #[test]
    fn what_is_remembered_of_clients_that_change_their_names_is_bounded() {
        let mut complaints = Complaints::default();
        for client in 0..10 * REMEMBERED_MAX {
            let name = client.to_string();
            complaints.is_news(
                at(5),
                Some(&name),
                ApiKey::FETCH,
                ErrorCode::INVALID_REQUEST,
            );
        }
        assert!(complaints.remembered.len() <= REMEMBERED_MAX);
    }
}
