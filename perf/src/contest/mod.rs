//! Systems under the same case, in turn, round by round; medians over the rounds.

mod case;
mod measure;
mod numbers;
mod rounds;
mod starts;

pub use case::{Bare, Case, Stall, Work};
pub use measure::{Measured, Setup, System, fresh_directory, on_address};
pub use numbers::{Quantity, Spread, spread};
pub use rounds::{CaseResult, Contest, Runs};
