//! Why a shard's kernel could not be made, in one line that says what to do.

use super::rlimit::locked_memory_bytes;
use std::fmt;
use std::io::Error;

/// A ring, or what belongs to it, could not be made. Displays as one line for the administrator.
#[derive(Debug)]
pub struct KernelError {
    step: &'static str,
    errno: i32,
    machine: Machine,
}

/// What the explanation depends on, read when the error happens.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Machine {
    /// `uname -r`.
    release: String,
    /// RLIMIT_MEMLOCK, bytes; `None` if unlimited.
    locked_memory_bytes: Option<u64>,
    /// sysctl `kernel.io_uring_disabled` (Linux 6.6): 0 no, 1 for the unprivileged, 2 for all.
    io_uring_disabled: Option<u8>,
}

impl KernelError {
    pub(super) fn new(step: &'static str, error: Error) -> KernelError {
        KernelError {
            step,
            errno: error.raw_os_error().unwrap_or(0),
            machine: Machine {
                release: kernel_release().unwrap_or_else(|| "unknown".into()),
                locked_memory_bytes: locked_memory_bytes(),
                io_uring_disabled: read_line("/proc/sys/kernel/io_uring_disabled")
                    .and_then(|line| line.parse().ok()),
            },
        }
    }
}

impl std::error::Error for KernelError {}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {}: {}",
            self.step,
            explain(self.errno, &self.machine)
        )
    }
}

/// The meaning of io_uring_setup(2)'s and io_uring_register(2)'s errors on this machine.
fn explain(errno: i32, machine: &Machine) -> String {
    let release = &machine.release;
    match errno {
        // The call does not exist: an old or trimmed kernel, or a seccomp filter that says so.
        libc::ENOSYS => format!(
            "this kernel ({release}) has no io_uring; use Linux 6.1 or later, or, in a container, a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register"
        ),
        // Switched off by sysctl, or filtered: Docker's default seccomp profile answers EPERM.
        libc::EPERM => match machine.io_uring_disabled {
            Some(2) => "io_uring is switched off on this machine; set sysctl kernel.io_uring_disabled=0".into(),
            Some(1) => "io_uring is kept from unprivileged processes; set sysctl kernel.io_uring_disabled=0, or put the broker's group into kernel.io_uring_group".into(),
            _ => "io_uring is refused to this process, most likely by a container's seccomp profile; allow io_uring_setup, io_uring_enter and io_uring_register in it (Docker: --security-opt seccomp=...)".into(),
        },
        // A security module's verdict.
        libc::EACCES => "a security module (SELinux, AppArmor) refuses io_uring to this process; allow it in the broker's policy".into(),
        // A flag that this kernel does not know: SINGLE_ISSUER is of 6.0, DEFER_TASKRUN of 6.1.
        libc::EINVAL => format!(
            "this kernel ({release}) lacks what the broker needs of io_uring; use Linux 6.1 or later"
        ),
        // Ring memory counts against RLIMIT_MEMLOCK (before 5.12, and for some memory since) or
        // against the memory cgroup.
        libc::ENOMEM => match machine.locked_memory_bytes {
            Some(bytes) => format!(
                "no memory for it: RLIMIT_MEMLOCK is {} KiB; raise it (ulimit -l unlimited, systemd LimitMEMLOCK=infinity) or the memory limit of the cgroup",
                bytes / 1024
            ),
            None => "no memory for it; raise the memory limit of the cgroup".into(),
        },
        // This process's or the system's table of descriptors is full.
        libc::EMFILE => "too many open files in this process; raise RLIMIT_NOFILE (ulimit -n, systemd LimitNOFILE=)".into(),
        libc::ENFILE => "too many open files on this machine; raise sysctl fs.file-max".into(),
        // None of the documented reasons: the system's own words.
        other => format!("{} (Linux {release})", Error::from_raw_os_error(other)),
    }
}

/// `uname -r`.
pub(super) fn kernel_release() -> Option<String> {
    read_line("/proc/sys/kernel/osrelease")
}

fn read_line(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(disabled: Option<u8>, locked: Option<u64>) -> Machine {
        Machine {
            release: "5.15.0".into(),
            locked_memory_bytes: locked,
            io_uring_disabled: disabled,
        }
    }

    #[test]
    fn every_reason_is_one_line_that_names_its_cure() {
        for (errno, disabled, words) in [
            (libc::ENOSYS, None, "6.1"),
            (libc::ENOSYS, None, "seccomp"),
            (libc::EPERM, Some(2), "kernel.io_uring_disabled=0"),
            (libc::EPERM, Some(1), "kernel.io_uring_group"),
            (libc::EPERM, Some(0), "seccomp"),
            (libc::EPERM, None, "seccomp"),
            (libc::EACCES, None, "SELinux"),
            (libc::EINVAL, None, "5.15.0"),
            (libc::EINVAL, None, "6.1"),
            (libc::ENOMEM, None, "RLIMIT_MEMLOCK is 64 KiB"),
            (libc::EMFILE, None, "RLIMIT_NOFILE"),
            (libc::ENFILE, None, "fs.file-max"),
            (libc::EIO, None, "os error 5"),
        ] {
            let text = explain(errno, &machine(disabled, Some(65536)));
            assert!(text.contains(words), "{text}");
            assert!(!text.contains('\n'));
        }
        assert!(explain(libc::ENOMEM, &machine(None, None)).contains("cgroup"));
    }

    #[test]
    fn the_line_says_what_failed() {
        let error = KernelError::new("make an io_uring", Error::from_raw_os_error(libc::EPERM));
        assert!(
            error
                .to_string()
                .starts_with("cannot make an io_uring: io_uring is ")
        );
    }
}
