//! The `millstream` command.

fn main() -> std::process::ExitCode {
    millstream::cli::main()
}
