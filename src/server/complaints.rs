//! What clients do wrong is said in the broker's log, but not as often as they do it.

use crate::types::Now;

/// Lines within one window.
const LINES: u32 = 10;
const WINDOW_US: u64 = 10_000_000;

/// Lets the first lines of each window through and counts the others.
#[derive(Default)]
pub(super) struct Complaints {
    until_us: u64,
    said: u32,
    kept_back: u64,
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    #[test]
    fn a_flood_of_complaints_is_a_few_lines_per_window() {
        let mut complaints = Complaints::default();
        let at = |monotonic_us| Now {
            monotonic_us,
            wall: Timestamp(0),
        };
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
}
