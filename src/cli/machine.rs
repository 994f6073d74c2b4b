//! What the machine says of itself: the cores this process may use and the name others know it by.

use crate::config::Machine;
use std::net::ToSocketAddrs;

/// This machine.
pub(super) fn this() -> Machine {
    Machine {
        host_name,
        // Counts the affinity mask and the cgroup's quota.
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
    }
}

/// The machine's name, if it resolves; a name that nobody can resolve would strand every client, so
/// then it is the loopback address, with a warning.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if !name.is_empty()
        && (name, 0)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.next().is_some())
    {
        return name.to_owned();
    }
    tracing::warn!(
        "this machine's name '{name}' does not resolve: 127.0.0.1 is advertised; set advertised.listeners"
    );
    "127.0.0.1".into()
}
