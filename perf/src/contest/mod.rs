//! Systems under the same case, in turn, round by round; medians over the rounds.

mod case;
mod measure;
mod numbers;
mod rounds;

pub use case::{Bare, Case, Fill, Work};
pub use measure::{Measured, Setup, System, measure};
pub use numbers::{Numbers, Quantity, Spread, spread};
pub use rounds::{CaseResult, Contest, Runs};
