//! The directories of the logs: their file systems and the devices under them.

use super::finding::{Asked, Finding, Unknown};
use super::parse::{chosen, number, size};
use std::path::{Path, PathBuf};

/// Room that a directory should have left: this share, percent.
const FREE_PERCENT_MIN: u64 = 10;
/// Read-ahead, KiB: cold records are read 256 KiB at a time, and the next ones should be under way.
const READ_AHEAD_KIB: std::ops::RangeInclusive<i64> = 256..=16_384;
const READ_AHEAD_KIB_SET: i64 = 1024;

/// Where a directory is mounted.
struct Mount {
    /// `major:minor`; major 0 if no block device is behind it.
    device: String,
    point: PathBuf,
    file_system: String,
    /// The mount's own options and the file system's.
    options: Vec<String>,
}

impl Mount {
    /// A line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    fn parse(line: &str) -> Option<Mount> {
        let (mount, source) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let device = mount.next()?.to_owned();
        let point = unescape(mount.nth(1)?);
        let own = mount.next()?;
        let mut source = source.split(' ');
        let file_system = source.next()?.to_owned();
        let options = own.split(',').chain(source.nth(1)?.split(','));
        Some(Mount {
            device,
            point: PathBuf::from(point),
            file_system,
            options: options.map(str::to_owned).collect(),
        })
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|set| set == option)
    }
}

/// `\040` and its like stand for blanks in mountinfo.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => out.extend([char::from(code).to_string().as_str(), &part[3..]]),
            None => out.extend(["\\", part]),
        }
    }
    out
}

/// The directories of the logs and of the metadata log.
fn directories(asked: &Asked) -> Vec<PathBuf> {
    let mut found = asked.config.log_dirs.clone();
    if !found.contains(&asked.config.metadata_log_dir) {
        found.push(asked.config.metadata_log_dir.clone());
    }
    found
}

fn mount(asked: &Asked, directory: &Path) -> Result<Mount, Unknown> {
    let place = asked.machine.place(directory);
    let text = asked.machine.read("/proc/self/mountinfo")?;
    text.lines()
        .filter_map(Mount::parse)
        .filter(|mount| place.starts_with(&mount.point))
        // Of two at the same point the later hides the earlier.
        .max_by_key(|mount| mount.point.components().count())
        .ok_or_else(|| Unknown("/proc/self/mountinfo does not say where it is mounted".into()))
}

/// A finding for each directory.
fn each(
    asked: &Asked,
    judge: impl Fn(&Path) -> Result<Finding, Unknown>,
) -> Result<Vec<Finding>, Unknown> {
    let judged = directories(asked).into_iter().map(|directory| {
        let finding = judge(&directory).unwrap_or_else(Finding::from);
        finding.of(directory.display().to_string())
    });
    Ok(judged.collect())
}

pub(super) fn file_system(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |directory| {
        let found = mount(asked, directory)?.file_system;
        Ok(match found.as_str() {
            "xfs" => Finding::ok(found, "xfs"),
            "ext4" | "btrfs" => Finding::advice(
                found,
                "xfs",
                "This one serves well; for a new disk choose XFS, where large appends hold up a shard least.",
            )
            .by_hand("mkfs.xfs NEW_DEVICE, and a directory on it in log.dirs"),
            _ => Finding::advice(
                found,
                "xfs",
                "Logs belong on a local disk with a file system that keeps what fdatasync promises.",
            )
            .by_hand("log.dirs=DIRECTORY in server.properties"),
        })
    })
}

pub(super) fn mount_options(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    /// An option, what a remount takes instead of it, and what it does.
    const AVOIDED: &[(&str, Option<&str>, &str)] = &[
        (
            "sync",
            Some("async"),
            "sync makes every append wait for the disk: flush.messages does that by topic",
        ),
        (
            "dirsync",
            None,
            "dirsync makes every new segment wait for the disk",
        ),
        (
            "nobarrier",
            Some("barrier"),
            "nobarrier breaks what fdatasync promises after a power loss",
        ),
        (
            "barrier=0",
            Some("barrier=1"),
            "barrier=0 breaks what fdatasync promises after a power loss",
        ),
        (
            "data=journal",
            None,
            "data=journal writes every record twice",
        ),
        (
            "discard",
            Some("nodiscard"),
            "discard trims at each deletion: fstrim.timer does it once a week",
        ),
    ];
    const STRICT: (&str, Option<&str>, &str) = (
        "strictatime",
        Some("noatime"),
        "strictatime writes an inode for each read",
    );
    each(asked, |directory| {
        let mount = mount(asked, directory)?;
        let avoided = AVOIDED.iter().filter(|(name, ..)| mount.has(name));
        let mut wrong: Vec<_> = avoided.copied().collect();
        if !mount.has("noatime") && !mount.has("relatime") {
            wrong.push(STRICT);
        }
        let wanted = "noatime or relatime, none of the costly ones";
        if wrong.is_empty() {
            let atime = match mount.has("noatime") {
                true => "noatime",
                false => "relatime",
            };
            return Ok(Finding::ok(atime, wanted));
        }
        let names: Vec<&str> = wrong.iter().map(|(name, ..)| *name).collect();
        let reasons: Vec<&str> = wrong.iter().map(|(.., why)| *why).collect();
        let say = format!("{}; change /etc/fstab, too.", reasons.join("; "));
        let mut finding = Finding::advice(names.join(", "), wanted, say);
        let point = mount.point.display();
        let instead: Vec<&str> = wrong.iter().filter_map(|(_, it, _)| *it).collect();
        if !instead.is_empty() {
            finding = finding.by_hand(format!("mount -o remount,{} {point}", instead.join(",")));
        }
        if instead.len() < wrong.len() {
            finding = finding.by_hand(format!("umount {point} && mount {point}"));
        }
        Ok(finding)
    })
}

pub(super) fn free_space(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |directory| {
        let space = asked.machine.space(directory)?;
        if space.total == 0 {
            return Err(Unknown("the file system tells no size".into()));
        }
        let percent = (u128::from(space.usable) * 100 / u128::from(space.total)) as u64;
        let now = format!("{percent} % ({})", size(space.usable));
        let wanted = format!("{FREE_PERCENT_MIN} % or more");
        Ok(match percent >= FREE_PERCENT_MIN {
            true => Finding::ok(now, wanted),
            false => Finding::advice(
                now,
                wanted,
                "Make room before produces fail; file systems also grow slower and fragment when nearly full.",
            )
            .by_hand("shorten retention.ms or retention.bytes, or add a directory to log.dirs"),
        })
    })
}

/// The directory of a device's queue: a partition's is its disk's.
fn queue(asked: &Asked, directory: &Path) -> Result<String, Unknown> {
    let mount = mount(asked, directory)?;
    let device = &mount.device;
    let own = [
        format!("/sys/dev/block/{device}/queue"),
        format!("/sys/dev/block/{device}/../queue"),
    ];
    own.into_iter()
        .find(|path| !asked.machine.list(path).is_empty())
        .ok_or_else(|| {
            Unknown(format!(
                "{} on {device} shows no block device of its own",
                mount.file_system
            ))
        })
}

pub(super) fn scheduler(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |directory| {
        let queue = queue(asked, directory)?;
        let path = format!("{queue}/scheduler");
        let text = asked.machine.read(&path)?;
        let now = chosen(&text);
        let turns = number(asked.machine, &format!("{queue}/rotational"))? != 0;
        let (fine, set): (&[&str], &str) = match turns {
            true => (&["mq-deadline", "bfq"], "mq-deadline"),
            false => (&["none", "mq-deadline", "kyber"], "none"),
        };
        let wanted = fine.join(", ");
        Ok(match fine.contains(&now) {
            true => Finding::ok(now, wanted),
            false => Finding::advice(
                now,
                wanted,
                match turns {
                    true => "A disk that turns needs its requests in order.",
                    false => "A fast device sorts its requests itself.",
                },
            )
            .change(path, set),
        })
    })
}

pub(super) fn read_ahead(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |directory| {
        let path = format!("{}/read_ahead_kb", queue(asked, directory)?);
        let now = number(asked.machine, &path)?;
        let wanted = format!("{} to {} KiB", READ_AHEAD_KIB.start(), READ_AHEAD_KIB.end());
        Ok(match READ_AHEAD_KIB.contains(&now) {
            true => Finding::ok(format!("{now} KiB"), wanted),
            false => Finding::advice(
                format!("{now} KiB"),
                wanted,
                "A consumer of old records reads in order, 256 KiB at a time: have the next ones under way, but do not read what nobody asks for.",
            )
            .change(path, READ_AHEAD_KIB_SET),
        })
    })
}

pub(super) fn write_cache(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |directory| {
        let path = format!("{}/write_cache", queue(asked, directory)?);
        match asked.machine.read(&path)?.as_str() {
            "write back" => Ok(Finding::ok(
                "write back",
                "write back: fdatasync flushes it",
            )),
            "write through" => Err(Unknown(format!(
                "{path} says write through, so that fdatasync sends no flush: right if the device has no volatile cache or a protected one, which the kernel cannot know; otherwise echo 'write back' > {path}"
            ))),
            other => Err(Unknown(format!("{path} holds {other:?}"))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_from_its_line() {
        let mount = Mount::parse(
            "27 1 254:0 / /srv/my\\040logs rw,noatime shared:1 - xfs /dev/vda rw,attr2",
        )
        .unwrap();
        assert_eq!(mount.point, Path::new("/srv/my logs"));
        assert_eq!(
            (mount.device.as_str(), mount.file_system.as_str()),
            ("254:0", "xfs")
        );
        assert!(mount.has("noatime") && mount.has("attr2") && !mount.has("shared:1"));
        for garbage in [
            "",
            " - ",
            "27 1 254:0 / /srv",
            "1 2 3 4 5 6 - xfs",
            "\\ - \\",
        ] {
            assert!(Mount::parse(garbage).is_none(), "{garbage}");
        }
        assert_eq!(unescape("a\\"), "a\\");
        assert_eq!(unescape("a\\04é"), "a\\04é");
    }
}
