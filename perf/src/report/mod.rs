//! What is printed and kept.

mod table;

pub use table::{Table, case};
