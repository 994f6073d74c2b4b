//! What is measured, by name.

mod goals;

use crate::contest::Case;

/// Cases that belong together.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub title: &'static str,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// All of them, in the report's order.
pub fn all() -> Vec<Scenario> {
    vec![goals::scenario()]
}
