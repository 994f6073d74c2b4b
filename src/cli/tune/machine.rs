//! Where a check reads: the kernel's files under /proc and /sys, and `ethtool` where it is installed.

use super::finding::Unknown;
use crate::io::{Disk, Space};
use crate::sys::Files;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The most that is read of one file, bytes: /proc/self/mountinfo of a machine with thousands of mounts
/// has some hundred KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the machine says of itself.
pub(super) trait Machine {
    /// A file's text, without the white space at its ends.
    fn read(&self, path: &str) -> Result<String, Unknown>;
    /// A directory's names, sorted; none if it cannot be listed.
    fn list(&self, path: &str) -> Vec<String>;
    /// The room in the file system that holds `path`.
    fn space(&self, path: &Path) -> Result<Space, Unknown>;
    /// `path` without links; if it does not exist, its nearest parent that does.
    fn place(&self, path: &Path) -> PathBuf;
    /// What `ethtool OPTION CARD` prints.
    fn ethtool(&self, option: &str, card: &str) -> Result<String, Unknown>;
}

/// This machine, or a directory that holds copies of its files.
pub(super) struct Here {
    root: PathBuf,
}

impl Here {
    pub(super) fn new(root: &Path) -> Here {
        Here {
            root: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
        }
    }

    fn under_root(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Writes to a file that is there.
    pub(super) fn write(&self, path: &str, value: &str) -> std::io::Result<()> {
        let path = self.under_root(Path::new(path));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(path)?;
        file.write_all(value.as_bytes())
    }
}

impl Machine for Here {
    fn read(&self, path: &str) -> Result<String, Unknown> {
        let cannot =
            |error: std::io::Error| Unknown(format!("{path} cannot be read: {}", reason(&error)));
        let file = fs::File::open(self.under_root(Path::new(path))).map_err(cannot)?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.under_root(Path::new(path))) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn space(&self, path: &Path) -> Result<Space, Unknown> {
        let place = self.under_root(&self.place(path));
        Files
            .space(&place)
            .map_err(|error| Unknown(format!("{}: {}", path.display(), reason(&error))))
    }

    fn place(&self, path: &Path) -> PathBuf {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let found = path
            .ancestors()
            .find_map(|path| self.under_root(path).canonicalize().ok());
        match found.as_deref().map(|path| path.strip_prefix(&self.root)) {
            Some(Ok(inside)) => Path::new("/").join(inside),
            _ => path,
        }
    }

    fn ethtool(&self, option: &str, card: &str) -> Result<String, Unknown> {
        if self.root != Path::new("/") {
            return Err(Unknown("ethtool knows only the running machine".into()));
        }
        let ran = Command::new("ethtool")
            .args([option, card])
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .output();
        match ran {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.trim().replace('\n', ", ");
                Err(Unknown(format!("ethtool {option} {card}: {said}")))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Unknown("ethtool is not installed".into()))
            }
            Err(error) => Err(Unknown(format!("ethtool: {error}"))),
        }
    }
}

/// An error in words that say more than its number.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it is not there".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        // A virtual card's speed, one queue's XPS.
        ErrorKind::InvalidInput => "the driver has no answer".into(),
        _ => error.to_string(),
    }
}
