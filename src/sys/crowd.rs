//! Whether many connections are active and keep the shard at work: then requests wait for each other
//! and not for a shard that wakes up, there is always something soon, and looking around for it costs
//! processor time that brings nothing.
//!
//! How many come at once does not tell: requests that a busy client sends one after the other are each
//! dealt with before the next one is there.

use crate::io::Token;

/// Time that is judged as a whole, microseconds.
const WINDOW_US: u64 = 5_000;

/// From so many connections on there is no gain in looking around.
const CONNECTIONS_MIN: u32 = 8;

/// Who was active of late, and how much of the time there was nothing to do.
#[derive(Default)]
pub(super) struct Crowd {
    began_us: u64,
    /// A bit for each connection that something has come for, by the last bits of its id.
    connections: u64,
    waited_us: u64,
    is_busy: bool,
}

impl Crowd {
    /// Something has come.
    pub(super) fn came(&mut self, token: Token) {
        if let Token::Connection(id) = token {
            self.connections |= 1 << (id % u64::from(u64::BITS));
        }
    }

    /// The shard had nothing to do for so long, microseconds.
    pub(super) fn waited(&mut self, us: u64) {
        self.waited_us += us;
    }

    /// Whether it is many, as of the last window: eight connections or more, and at least a third of the
    /// time at work. To be asked whenever there is nothing to do, with the time.
    pub(super) fn is_busy(&mut self, now_us: u64) -> bool {
        let passed_us = now_us - self.began_us;
        if passed_us >= WINDOW_US {
            *self = Crowd {
                began_us: now_us,
                connections: 0,
                waited_us: 0,
                is_busy: self.connections.count_ones() >= CONNECTIONS_MIN
                    && self.waited_us * 3 <= passed_us * 2,
            };
        }
        self.is_busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second in which each request takes `work_us` and the next one comes `wait_us` after it.
    fn second(
        crowd: &mut Crowd,
        began_us: u64,
        connections: u64,
        (work_us, wait_us): (u64, u64),
    ) -> bool {
        let requests = 1_000_000 / (work_us + wait_us);
        let mut is_busy = false;
        for request in 0..requests {
            crowd.came(Token::Connection(1_000 + request % connections));
            let now_us = began_us + request * (work_us + wait_us) + work_us;
            is_busy = crowd.is_busy(now_us);
            crowd.waited(wait_us);
        }
        is_busy
    }

    #[test]
    fn many_connections_that_leave_little_time_are_a_crowd() {
        let mut crowd = Crowd::default();
        assert!(second(&mut crowd, 0, 16, (30, 15)));
        assert!(second(&mut crowd, 1_000_000, 5_000, (8, 0)));
        assert!(second(&mut crowd, 2_000_000, 16, (30, 55)));
    }

    #[test]
    fn one_connection_however_busy_is_none() {
        assert!(!second(&mut Crowd::default(), 0, 1, (90, 1)));
    }

    #[test]
    fn many_connections_that_leave_much_time_are_none() {
        assert!(!second(&mut Crowd::default(), 0, 16, (8, 42)));
    }

    #[test]
    fn it_is_forgotten_when_it_has_gone() {
        let mut crowd = Crowd::default();
        assert!(second(&mut crowd, 0, 16, (30, 15)));
        crowd.waited(2_000_000);
        let after_a_silence = crowd.is_busy(3_000_000);
        assert!(!after_a_silence);
        assert!(second(&mut crowd, 3_000_000, 16, (30, 15)));
        assert!(!second(&mut crowd, 4_000_000, 1, (30, 15)));
    }

    #[test]
    fn what_is_not_of_a_connection_does_not_count() {
        let mut crowd = Crowd::default();
        for ticket in 0..1_000 {
            crowd.came(Token::Ticket(ticket));
            crowd.came(Token::Listener(0));
        }
        assert!(!crowd.is_busy(1_000_000));
    }
}
