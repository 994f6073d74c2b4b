//! `millstream completion`: what a shell needs to complete our commands, made from their grammar.

use super::Cli;
use super::failure::Failure;
use super::output::Out;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

/// Prints a shell's completion script: `source <(millstream completion bash)`.
#[derive(Args)]
pub(super) struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "millstream", &mut script);
        let mut out = Out::new(false);
        out.bytes(&script)?;
        out.flush()
    }
}
