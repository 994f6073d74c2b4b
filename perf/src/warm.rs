//! Before a run: memory that the host has not taken back, and, where a scenario says so, a page cache
//! without the log.
//!
//! A virtual machine gives memory that idles back to its host, and touching it again costs a fault each:
//! the same append of 1 GiB ran at 0.36 GB/s after a pause and at 9.7 GB/s right after as much had been
//! freed. So before every run, whoever's it is, at least what it will write is written and unlinked.

use std::fs::{File, read_dir};
use std::io::{ErrorKind, Result, Write};
use std::path::Path;

/// Writes so many bytes to a file in `directory` and unlinks it.
pub fn memory(directory: &Path, bytes: u64) -> Result<()> {
    let path = directory.join(format!("perf-warm-{}", std::process::id()));
    let mut file = File::create(&path)?;
    let mebibyte = vec![1u8; 1 << 20];
    let written = (0..bytes.div_ceil(1 << 20)).try_for_each(|_| file.write_all(&mebibyte));
    std::fs::remove_file(&path)?;
    written
}

/// Takes all files below `directory` out of the page cache. A running broker may remove some meanwhile.
pub fn drop_page_cache(directory: &Path) -> Result<()> {
    for entry in read_dir(directory)? {
        let path = entry?.path();
        let dropped = match path.is_dir() {
            true => drop_page_cache(&path),
            false => drop_pages(&path),
        };
        match dropped {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn drop_pages(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    // Dirty pages would stay where they are.
    file.sync_all()?;
    Ok(rustix::fs::fadvise(
        &file,
        0,
        None,
        rustix::fs::Advice::DontNeed,
    )?)
}
