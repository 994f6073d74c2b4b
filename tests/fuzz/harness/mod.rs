//! What is fed to the code that reads bytes of others: one function per target, from any bytes to a
//! verdict by panic. `cargo fuzz` calls them with bytes that coverage leads it to, the test beside
//! this directory with seeds and mutations of them; `README.md` says how.

pub mod allocation;
mod batches;
mod broker;
mod command_line;
mod compression;
mod connection;
pub mod disk;
mod groups;
mod input;
mod logs;
pub mod machine;
mod make;
mod messages;
mod metadata_log;
mod settings;
mod start;
mod state_files;

#[allow(dead_code)] // tests/wire uses all of it
#[path = "../../wire/generate.rs"]
pub mod generate;
#[allow(dead_code)] // tests/wire uses all of it
#[path = "../../wire/subjects.rs"]
mod subjects;

/// A surface, and what is known to lead into it.
pub struct Target {
    /// As its file in `targets/` is called.
    pub name: &'static str,
    /// Panics if the code under it does, or breaks one of its promises.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(
            Target {
                name: stringify!($name),
                run: $name::run,
                seeds: $name::seeds,
            },
        )*];
    };
}

targets! {
    messages,
    broker,
    connection,
    batches,
    compression,
    logs,
    state_files,
    metadata_log,
    groups,
    start,
    settings,
    command_line,
}

/// Runs a target on an input.
///
/// Panics if there is none of that name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(input);
}
