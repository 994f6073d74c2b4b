//! What of the command line reads bytes that others wrote, as functions for those who feed it bytes of
//! their own: `tests/fuzz`.

use super::log::LogFiles;
use super::produce::{lines_of, record_of};
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;

/// Runs `millstream log` with these arguments (`dump --json FILE`) and prints to `writer`.
///
/// # Errors
/// What the command would have said on stderr.
pub fn log(
    arguments: impl IntoIterator<Item = OsString>,
    writer: Box<dyn Write>,
) -> Result<(), String> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Arguments {
        #[command(flatten)]
        files: LogFiles,
    }
    let arguments = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let done = arguments.files.print(writer);
    done.map_err(|failure| failure.to_string())
}

/// The lines that `millstream produce` makes of an input that comes in these parts.
///
/// # Errors
/// Why it cannot be read.
pub fn produce_lines(
    parts: Vec<Vec<u8>>,
    delimiter: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, String> {
    lines_of(parts, delimiter)
}

/// What `millstream produce` makes of a line: a JSON object, or headers, a key and a value.
///
/// # Errors
/// Why it is no record.
pub fn produce_line(line: &[u8], json: bool) -> Result<(), String> {
    record_of(line, json)
}
