//! The table of checks, in the order of tuning.md. The command, its JSON and the test that holds
//! tuning.md against it all read it, so a check that is not here does not exist, and one that is here
//! is explained there.

use super::finding::{Asked, Check, Finding, Unknown};
use super::{memory, network, processors, storage};

/// Every check.
#[rustfmt::skip] // one check per three lines reads as a table
pub(super) static CHECKS: &[Check] = &[
    // -- Millstream's own
    check("num.shards", "Shards", "server.properties, /proc/self/status", processors::shards,
        "A shard is a thread that wants a core of its own."),
    check("log.append.mode", "Appends", "server.properties", processors::append_mode,
        "Which way is faster depends on the file system and on how busy the disk is."),
    // -- the kernel
    check("kernel.osrelease", "Kernel and io_uring", "/proc/sys/kernel/osrelease", memory::kernel_release,
        "A shard's ring needs IORING_SETUP_DEFER_TASKRUN."),
    check("kernel.io_uring_disabled", "Kernel and io_uring", "/proc/sys/kernel/io_uring_disabled, /proc/self/status", memory::io_uring,
        "Without io_uring the broker does not start."),
    check("vm.dirty_background_bytes", "Dirty pages", "/proc/sys/vm/dirty_background_bytes, dirty_background_ratio", memory::dirty_background,
        "Where the kernel begins to write back, and log.append.mode=auto to leave appends to the ring on ext4."),
    check("vm.dirty_bytes", "Dirty pages", "/proc/sys/vm/dirty_bytes, dirty_ratio", memory::dirty_limit,
        "Where the kernel makes writers wait."),
    check("vm.dirty_expire_centisecs", "Dirty pages", "/proc/sys/vm/dirty_expire_centisecs", memory::dirty_expire,
        "How long a record that nobody flushes may be in memory only."),
    check("vm.dirty_writeback_centisecs", "Dirty pages", "/proc/sys/vm/dirty_writeback_centisecs", memory::dirty_writeback,
        "How often the kernel looks for old dirty pages."),
    check("vm.swappiness", "Swapping", "/proc/sys/vm/swappiness, /proc/meminfo", memory::swappiness,
        "A shard whose memory was swapped out stops until it is back."),
    check("thp.enabled", "Transparent huge pages", "/sys/kernel/mm/transparent_hugepage/enabled", memory::huge_pages,
        "Huge pages for everybody cost memory and time to find."),
    check("thp.defrag", "Transparent huge pages", "/sys/kernel/mm/transparent_hugepage/defrag", memory::huge_page_defrag,
        "Whether a page fault waits for memory to be compacted."),
    check("kernel.numa_balancing", "NUMA", "/proc/sys/kernel/numa_balancing, /sys/devices/system/node/online", memory::numa_balancing,
        "It unmaps pages to learn who uses them."),
    check("vm.zone_reclaim_mode", "NUMA", "/proc/sys/vm/zone_reclaim_mode, /sys/devices/system/node/online", memory::zone_reclaim,
        "It drops cached pages of one node while another has room."),
    check("limits.nofile", "Open files, mappings and locked memory", "/proc/self/limits", memory::open_files,
        "Each segment in use, index in use and connection is an open file."),
    check("limits.memlock", "Open files, mappings and locked memory", "/proc/self/limits", memory::locked_memory,
        "Rings counted against it before Linux 5.12."),
    // -- processors
    check("cpu.governor", "Frequency and idle states", "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor", processors::governor,
        "A core that is asleep or slow answers late."),
    check("cpu.isolated", "Isolated cores", "/sys/devices/system/cpu/isolated, nohz_full; /proc/self/status", processors::isolated,
        "Isolated cores serve only those that ask for them."),
    check("irq.balance", "Interrupts", "/proc/*/comm", processors::balancing,
        "Shards are pinned; interrupts that wander are not."),
    check("irq.affinity", "Interrupts", "/sys/class/net/*/device/msi_irqs, /proc/irq/*/effective_affinity_list", processors::affinity,
        "Interrupts take their time from whoever runs on their core."),
    // -- TCP
    check("net.core.somaxconn", "Listening", "/proc/sys/net/core/somaxconn", network::somaxconn,
        "It bounds the queue of connections that wait to be accepted."),
    check("net.ipv4.tcp_max_syn_backlog", "Listening", "/proc/sys/net/ipv4/tcp_max_syn_backlog", network::syn_backlog,
        "It bounds the connections that are half open."),
    check("net.core.rmem_max", "Socket buffers", "/proc/sys/net/core/rmem_max", network::receive_buffer,
        "It bounds socket.receive.buffer.bytes."),
    check("net.core.wmem_max", "Socket buffers", "/proc/sys/net/core/wmem_max", network::send_buffer,
        "It bounds socket.send.buffer.bytes."),
    check("net.ipv4.tcp_rmem", "Socket buffers", "/proc/sys/net/ipv4/tcp_rmem", network::tcp_receive,
        "What a producer may have under way on a long path."),
    check("net.ipv4.tcp_wmem", "Socket buffers", "/proc/sys/net/ipv4/tcp_wmem", network::tcp_send,
        "What a consumer may have under way on a long path."),
    check("net.core.busy_read", "Busy polling", "/proc/sys/net/core/busy_read", network::busy_read,
        "It makes receives poll the card."),
    check("net.core.busy_poll", "Busy polling", "/proc/sys/net/core/busy_poll", network::busy_poll,
        "It makes poll(2) and select(2) spin."),
    check("net.ipv4.tcp_congestion_control", "Congestion control", "/proc/sys/net/ipv4/tcp_congestion_control", network::congestion_control,
        "It decides how fast a connection sends on a path with loss or delay."),
    check("net.core.default_qdisc", "Congestion control", "/proc/sys/net/core/default_qdisc", network::queue_discipline,
        "bbr paces packets, which fq does best."),
    check("net.ipv4.tcp_slow_start_after_idle", "Idle connections", "/proc/sys/net/ipv4/tcp_slow_start_after_idle", network::slow_start,
        "Clients' connections live long and pause often."),
    // -- the card
    check("nic.speed", "Speed", "/sys/class/net/*/speed", network::speed,
        "The card is usually the limit."),
    check("nic.rings", "Rings", "ethtool -g", network::rings,
        "A full ring drops packets."),
    check("nic.coalescing", "Interrupt coalescing", "ethtool -c", network::coalescing,
        "Packets for each interrupt against delay for each packet."),
    check("nic.offloads", "Offloads", "ethtool -k", network::offloads,
        "What the card does not do, the shard's core does."),
    check("nic.rps", "Queues and steering", "/sys/class/net/*/queues/rx-*/rps_cpus", network::receive_steering,
        "With fewer queues than cores a few cores receive for all."),
    check("nic.rfs", "Queues and steering", "/proc/sys/net/core/rps_sock_flow_entries, /sys/class/net/*/queues/rx-*/rps_flow_cnt", network::flow_steering,
        "A connection's packets are best handled on its shard's core."),
    check("nic.xps", "Queues and steering", "/sys/class/net/*/queues/tx-*/xps_cpus", network::send_steering,
        "Cores that share a queue wait for each other's lock."),
    // -- the disk
    check("fs.type", "File system", "/proc/self/mountinfo", storage::file_system,
        "Buffered writes by io_uring run inline on XFS and go to worker threads on ext4."),
    check("fs.options", "Mount options", "/proc/self/mountinfo", storage::mount_options,
        "Some options cost a write for each read, append or deletion, or break fdatasync."),
    check("fs.space", "Free space", "statvfs(3)", storage::free_space,
        "A full disk refuses every produce."),
    check("disk.scheduler", "I/O scheduler", "/sys/dev/block/*/queue/scheduler", storage::scheduler,
        "Sorting requests helps disks that turn and costs the others."),
    check("disk.read_ahead", "Read-ahead", "/sys/dev/block/*/queue/read_ahead_kb", storage::read_ahead,
        "Consumers of old records wait for the disk, or find the next records read."),
    check("disk.write_cache", "Write cache", "/sys/dev/block/*/queue/write_cache", storage::write_cache,
        "fdatasync is worth what the device's cache is worth."),
];

const fn check(
    id: &'static str,
    section: &'static str,
    reads: &'static str,
    judge: fn(&Asked) -> Result<Vec<Finding>, Unknown>,
    why: &'static str,
) -> Check {
    Check {
        id,
        section,
        reads,
        why,
        judge,
    }
}
