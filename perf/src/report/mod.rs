//! What is printed and kept of a run: raw data, plots, a report in Markdown, and the goals.

mod files;
mod goals;
mod machine;
mod markdown;
mod plots;
mod results;
mod table;

pub use files::write as write_raw;
pub use machine::Machine;
pub use markdown::{Report, goals};
pub use results::Results;
pub use table::{Table, case, number, percentiles};
