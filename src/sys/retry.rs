//! System calls that a signal may interrupt.

use std::io::{Error, Result};

/// Calls until it is not interrupted (EINTR): the count it returned, or its error.
pub(super) fn retry(mut call: impl FnMut() -> isize) -> Result<usize> {
    loop {
        let result = call();
        if result >= 0 {
            return Ok(result as usize);
        }
        let error = Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}
