//! The kernel's TCP and the network cards.

use super::finding::{Asked, Finding, Unknown};
use super::parse::{core_mask, cores, is_empty_mask, number, triple};
use super::processors::allowed;
use crate::server::chosen_buffer_bytes;
use std::collections::BTreeSet;

/// The most that a socket buffer may grow to, bytes: 10 Gbit/s over 10 ms.
const BUFFER_BYTES_WANTED: i64 = 16 << 20;
/// What Linux itself allows on a machine with enough memory, bytes: receiving and sending.
const RECEIVE_BYTES_MIN: i64 = 6 << 20;
const SEND_BYTES_MIN: i64 = 4 << 20;
/// Flows that RFS keeps apart (Documentation/networking/scaling.rst).
const FLOWS: usize = 32_768;
/// Mbit/s below which the card is slower than one shard.
const SPEED_MIN: i64 = 10_000;
/// The longest wait for a packet's interrupt, microseconds, that a request should see.
const COALESCING_US_MAX: i64 = 100;

fn at_least_backlog(asked: &Asked, path: &str, say: &str) -> Result<Vec<Finding>, Unknown> {
    let now = number(asked.machine, path)?;
    let backlog = i64::from(asked.config.socket_listen_backlog);
    let wanted = format!("at least {backlog}, socket.listen.backlog.size");
    Ok(vec![match now >= backlog {
        true => Finding::ok(now, wanted),
        false => Finding::advice(now, wanted, say).change(path, backlog.max(4096)),
    }])
}

pub(super) fn somaxconn(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    at_least_backlog(
        asked,
        "/proc/sys/net/core/somaxconn",
        "The kernel cuts socket.listen.backlog.size down to this: many clients that connect at once are then refused or delayed by a second.",
    )
}

pub(super) fn syn_backlog(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    at_least_backlog(
        asked,
        "/proc/sys/net/ipv4/tcp_max_syn_backlog",
        "Half-open connections wait in this queue before they reach the listener's.",
    )
}

fn fixed_buffer(
    asked: &Asked,
    path: &str,
    property: &str,
    bytes: Option<u32>,
) -> Result<Vec<Finding>, Unknown> {
    let now = number(asked.machine, path)?;
    let Some(bytes) = chosen_buffer_bytes(bytes).map(i64::from) else {
        return Ok(vec![Finding::ok(now, "any: the kernel sizes the buffers")]);
    };
    let wanted = format!("at least {bytes}, {property}");
    Ok(vec![match now >= bytes {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            now,
            wanted,
            format!("The kernel cuts {property} down to this: raise it, or set {property}=-1."),
        )
        .change(path, bytes),
    }])
}

pub(super) fn receive_buffer(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    fixed_buffer(
        asked,
        "/proc/sys/net/core/rmem_max",
        "socket.receive.buffer.bytes",
        asked.config.socket_receive_buffer_bytes,
    )
}

pub(super) fn send_buffer(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    fixed_buffer(
        asked,
        "/proc/sys/net/core/wmem_max",
        "socket.send.buffer.bytes",
        asked.config.socket_send_buffer_bytes,
    )
}

fn tuned_buffer(asked: &Asked, path: &str, least: i64) -> Result<Vec<Finding>, Unknown> {
    let [low, first, most] = triple(asked.machine, path)?;
    let now = format!("{low} {first} {most}");
    let wanted = format!("up to {least} or more");
    Ok(vec![match most >= least {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            now,
            wanted,
            "A connection carries at most its buffer in each round trip: let the kernel grow it to the bandwidth times the delay of your network.",
        )
        .change(path, format!("{low} {first} {BUFFER_BYTES_WANTED}")),
    }])
}

pub(super) fn tcp_receive(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    tuned_buffer(asked, "/proc/sys/net/ipv4/tcp_rmem", RECEIVE_BYTES_MIN)
}

pub(super) fn tcp_send(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    tuned_buffer(asked, "/proc/sys/net/ipv4/tcp_wmem", SEND_BYTES_MIN)
}

fn zero(asked: &Asked, path: &str, say: &str) -> Result<Vec<Finding>, Unknown> {
    let now = number(asked.machine, path)?;
    Ok(vec![match now == 0 {
        true => Finding::ok(now, 0),
        false => Finding::advice(now, 0, say).change(path, 0),
    }])
}

pub(super) fn busy_read(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    zero(
        asked,
        "/proc/sys/net/core/busy_read",
        "Every receive that finds nothing then polls the card first, on the shard's time; shard.spin.us does the waiting here.",
    )
}

pub(super) fn busy_poll(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    zero(
        asked,
        "/proc/sys/net/core/busy_poll",
        "It makes poll(2) and select(2) of other programs spin on the shards' cores; the broker sleeps in io_uring, and shard.spin.us does the waiting.",
    )
}

pub(super) fn congestion_control(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    const PATH: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
    const FINE: &[&str] = &["cubic", "bbr", "dctcp"];
    let now = asked.machine.read(PATH)?;
    let wanted = FINE.join(", ");
    Ok(vec![match FINE.contains(&now.as_str()) {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            now,
            wanted,
            "cubic is the kernel's default; bbr does better between sites with loss, dctcp in a data centre whose switches mark (ECN).",
        )
        .change(PATH, "cubic"),
    }])
}

pub(super) fn queue_discipline(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    const PATH: &str = "/proc/sys/net/core/default_qdisc";
    let now = asked.machine.read(PATH)?;
    let paces = asked
        .machine
        .read("/proc/sys/net/ipv4/tcp_congestion_control")?
        == "bbr";
    if !paces || now == "fq" {
        return Ok(vec![Finding::ok(now, "fq with bbr, else any")]);
    }
    let finding = Finding::advice(
        now,
        "fq",
        "bbr paces its packets: fq does that in one place instead of by a timer for each connection. It counts for cards that come up later; for one that is up, replace its own.",
    )
    .change(PATH, "fq");
    let cards = cards(asked).unwrap_or_default();
    Ok(vec![cards.iter().fold(finding, |finding, card| {
        finding.by_hand(format!("tc qdisc replace dev {card} root fq"))
    })])
}

pub(super) fn slow_start(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    zero(
        asked,
        "/proc/sys/net/ipv4/tcp_slow_start_after_idle",
        "Clients keep their connections and pause between bursts: do not let each burst begin with a small window again.",
    )
}

/// The cards: interfaces with a device behind them. Neither loopback nor bridges nor tunnels.
pub(super) fn cards(asked: &Asked) -> Result<Vec<String>, Unknown> {
    let has_device = |name: &String| {
        let path = format!("/sys/class/net/{name}/device");
        !asked.machine.list(&path).is_empty()
    };
    let mut names = asked.machine.list("/sys/class/net");
    names.retain(has_device);
    match names.is_empty() {
        true => Err(Unknown("no network card is to be seen".into())),
        false => Ok(names),
    }
}

/// A finding for each card.
fn each(
    asked: &Asked,
    judge: impl Fn(&str) -> Result<Finding, Unknown>,
) -> Result<Vec<Finding>, Unknown> {
    let judged = cards(asked)?.into_iter().map(|card| {
        let finding = judge(&card).unwrap_or_else(Finding::from);
        finding.of(card)
    });
    Ok(judged.collect())
}

/// A card's interrupts by number, each with the cores that it reaches.
pub(super) fn interrupts(
    asked: &Asked,
    card: &str,
) -> Result<Vec<(String, BTreeSet<usize>)>, Unknown> {
    // A virtio card is a child of the PCI device that has the interrupts.
    let places = ["device/msi_irqs", "device/../msi_irqs"];
    let lists = places.map(|place| {
        asked
            .machine
            .list(&format!("/sys/class/net/{card}/{place}"))
    });
    let reached = lists.concat().into_iter().filter_map(|number| {
        let path = format!("/proc/irq/{number}/effective_affinity_list");
        let cores = cores(&asked.machine.read(&path).ok()?)?;
        (!cores.is_empty()).then_some((number, cores))
    });
    let found: Vec<_> = reached.collect();
    match found.is_empty() {
        true => Err(Unknown(
            "the card's interrupts are not listed under /sys".into(),
        )),
        false => Ok(found),
    }
}

pub(super) fn speed(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |card| {
        let now = number(asked.machine, &format!("/sys/class/net/{card}/speed"))?;
        if now <= 0 {
            return Err(Unknown(
                "the card does not say: it is virtual or has no link".into(),
            ));
        }
        let wanted = format!("{SPEED_MIN} Mbit/s or more");
        Ok(match now >= SPEED_MIN {
            true => Finding::ok(format!("{now} Mbit/s"), wanted),
            false => Finding::advice(
                format!("{now} Mbit/s"),
                wanted,
                "One shard moves more than this card carries: look at the cable, the switch's port and what was negotiated, or expect the card to be the limit.",
            )
            .by_hand(format!("ethtool {card}")),
        })
    })
}

/// The values under `RX` and `TX` in the two halves of `ethtool -g`.
fn rings_of(text: &str) -> Option<[(u64, u64); 2]> {
    let (most, now) = text.split_once("Current hardware settings")?;
    let value = |half: &str, name: &str| -> Option<u64> {
        half.lines()
            .find_map(|line| line.trim().strip_prefix(name)?.trim().parse().ok())
    };
    Some([
        (value(now, "RX:")?, value(most, "RX:")?),
        (value(now, "TX:")?, value(most, "TX:")?),
    ])
}

pub(super) fn rings(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |card| {
        let text = asked.machine.ethtool("-g", card)?;
        let [(receive, receive_max), (send, send_max)] =
            rings_of(&text).ok_or_else(|| Unknown("ethtool -g names no rings".into()))?;
        let now = format!("rx {receive} tx {send}");
        let wanted = format!("rx {receive_max} tx {send_max}");
        Ok(match receive >= receive_max && send >= send_max {
            true => Finding::ok(now, wanted),
            false => Finding::advice(
                now,
                wanted,
                "A larger ring drops fewer packets in a burst (see rx_dropped and rx_missed); it costs memory and, filled, delay.",
            )
            .by_hand(format!("ethtool -G {card} rx {receive_max} tx {send_max}")),
        })
    })
}

pub(super) fn coalescing(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |card| {
        let text = asked.machine.ethtool("-c", card)?;
        let line = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name));
        let adaptive = line("Adaptive RX:").and_then(|rest| rest.split_whitespace().next());
        let wait = line("rx-usecs:").and_then(|rest| rest.trim().parse::<i64>().ok());
        let wanted = format!("adaptive, or 1 to {COALESCING_US_MAX} us");
        match (adaptive, wait) {
            (Some("on"), _) => Ok(Finding::ok("adaptive", wanted)),
            (_, Some(wait)) if (1..=COALESCING_US_MAX).contains(&wait) => {
                Ok(Finding::ok(format!("{wait} us"), wanted))
            }
            (_, Some(wait)) => Ok(Finding::advice(
                format!("{wait} us"),
                wanted,
                "0 interrupts for every packet, much more delays every request: let the card adapt, or choose.",
            )
            .by_hand(format!("ethtool -C {card} adaptive-rx on"))),
            _ => Err(Unknown("the card does not say how it coalesces".into())),
        }
    })
}

pub(super) fn offloads(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    /// What ethtool shows, and its short name for setting.
    const WANTED: [(&str, &str); 5] = [
        ("rx-checksumming:", "rx"),
        ("tx-checksumming:", "tx"),
        ("tcp-segmentation-offload:", "tso"),
        ("generic-segmentation-offload:", "gso"),
        ("generic-receive-offload:", "gro"),
    ];
    each(asked, |card| {
        let text = asked.machine.ethtool("-k", card)?;
        let value = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name));
        if WANTED.iter().all(|(name, _)| value(name).is_none()) {
            return Err(Unknown("ethtool -k names no offloads".into()));
        }
        // What the card cannot do is marked [fixed].
        let off: Vec<&str> = WANTED
            .iter()
            .filter(|(name, _)| value(name).is_some_and(|value| value.trim() == "off"))
            .map(|(_, short)| *short)
            .collect();
        let wanted = "rx, tx, tso, gso, gro on";
        Ok(match off.is_empty() {
            true => Finding::ok("on", wanted),
            false => Finding::advice(
                format!("{} off", off.join(", ")),
                wanted,
                "Large sends and receives go through the kernel in few large pieces only with these on.",
            )
            .by_hand(format!("ethtool -K {card} {} on", off.join(" on "))),
        })
    })
}

/// The names of a card's queues that begin with `rx-` or `tx-`.
fn queues(asked: &Asked, card: &str, kind: &str) -> Result<Vec<String>, Unknown> {
    let mut names = asked.machine.list(&format!("/sys/class/net/{card}/queues"));
    names.retain(|name| name.starts_with(kind));
    match names.is_empty() {
        true => Err(Unknown(format!(
            "/sys/class/net/{card}/queues lists no {kind}queues"
        ))),
        false => Ok(names),
    }
}

/// What a queue's setting means where there are fewer queues than cores.
struct Steering {
    queues: Vec<String>,
    cores: BTreeSet<usize>,
}

impl Steering {
    fn of(asked: &Asked, card: &str, kind: &str) -> Result<Steering, Unknown> {
        Ok(Steering {
            queues: queues(asked, card, kind)?,
            cores: allowed(asked)?,
        })
    }

    fn is_queue_per_core(&self) -> bool {
        self.queues.len() >= self.cores.len()
    }

    /// For people.
    fn shape(&self) -> String {
        format!("queues {}, cores {}", self.queues.len(), self.cores.len())
    }
}

pub(super) fn receive_steering(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |card| {
        let steering = Steering::of(asked, card, "rx-")?;
        let path = |queue: &String| format!("/sys/class/net/{card}/queues/{queue}/rps_cpus");
        if steering.is_queue_per_core() {
            return Ok(Finding::ok(steering.shape(), "off: a queue for each core"));
        }
        let mut idle = Vec::new();
        for queue in &steering.queues {
            if is_empty_mask(&asked.machine.read(&path(queue))?) {
                idle.push(queue);
            }
        }
        let mask = core_mask(&steering.cores);
        let wanted = format!("rps_cpus {mask}");
        if idle.is_empty() {
            return Ok(Finding::ok(format!("on, {}", steering.shape()), wanted));
        }
        let finding = Finding::advice(
            format!("off, {}", steering.shape()),
            wanted,
            "The cores that take interrupts also do all of TCP's receiving: let RPS deal packets to the others. First ask the card for more queues (ethtool -L).",
        );
        Ok(idle
            .into_iter()
            .fold(finding, |finding, queue| finding.change(path(queue), &mask)))
    })
}

pub(super) fn flow_steering(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    const ENTRIES: &str = "/proc/sys/net/core/rps_sock_flow_entries";
    each(asked, |card| {
        let steering = Steering::of(asked, card, "rx-")?;
        if steering.is_queue_per_core() {
            return Ok(Finding::ok(steering.shape(), "off: a queue for each core"));
        }
        let share = FLOWS / steering.queues.len();
        let entries = number(asked.machine, ENTRIES)?;
        let mut short = Vec::new();
        for queue in &steering.queues {
            let path = format!("/sys/class/net/{card}/queues/{queue}/rps_flow_cnt");
            if number(asked.machine, &path)? == 0 {
                short.push(path);
            }
        }
        let now = format!(
            "{entries} flows, {} of {} queues",
            steering.queues.len() - short.len(),
            steering.queues.len()
        );
        let wanted = format!("{FLOWS} flows, {share} a queue");
        if entries > 0 && short.is_empty() {
            return Ok(Finding::ok(now, wanted));
        }
        let mut finding = Finding::advice(
            now,
            wanted,
            "A connection stays with one shard: RFS brings its packets to that shard's core.",
        );
        if entries == 0 {
            finding = finding.change(ENTRIES, FLOWS);
        }
        Ok(short
            .into_iter()
            .fold(finding, |finding, path| finding.change(path, share)))
    })
}

pub(super) fn send_steering(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    each(asked, |card| {
        let steering = Steering::of(asked, card, "tx-")?;
        if steering.queues.len() == 1 {
            return Ok(Finding::ok("queues 1", "nothing to choose"));
        }
        let path = |queue: &String| format!("/sys/class/net/{card}/queues/{queue}/xps_cpus");
        let mut idle = Vec::new();
        for (at, queue) in steering.queues.iter().enumerate() {
            if is_empty_mask(&asked.machine.read(&path(queue))?) {
                idle.push((at, queue));
            }
        }
        let wanted = "a core or more for each queue";
        if idle.is_empty() {
            return Ok(Finding::ok(steering.shape(), wanted));
        }
        let finding = Finding::advice(
            format!("{} of {} queues without", idle.len(), steering.queues.len()),
            wanted,
            "Let each core send through a queue of its own, so that shards do not wait for each other's.",
        );
        let cores: Vec<usize> = steering.cores.iter().copied().collect();
        Ok(idle.into_iter().fold(finding, |finding, (at, queue)| {
            let core = BTreeSet::from([cores[at % cores.len()]]);
            finding.change(path(queue), core_mask(&core))
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::rings_of;

    #[test]
    fn rings_are_read_from_both_halves() {
        let text = "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nRX Mini:\tn/a\nTX:\t\t2048\nCurrent hardware settings:\nRX:\t\t512\nRX Mini:\tn/a\nTX:\t\t256\n";
        assert_eq!(rings_of(text), Some([(512, 4096), (256, 2048)]));
        assert_eq!(rings_of("Current hardware settings:\nRX:"), None);
    }
}
