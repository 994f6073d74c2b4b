//! Correctness of what is measured, and of the measuring: every contender serves a few sets, and what
//! a broker gives back is compared byte by byte and by CRC. Nothing is timed.

use crate::broker::{self, Contestant, RECORDS_AT, Settings};
use crate::client;
use crate::contest::{Contender, Shape};
use core_affinity::CoreId;
use std::io::{Error, Result};

const SETS: usize = 16;
const CONNECTIONS: usize = 4;

/// Every contender in turn, a few sets each.
pub fn run(contenders: &mut [Box<dyn Contender>], client_core: CoreId) -> Result<()> {
    for contender in contenders {
        let set_bytes = contender.shape().set_bytes;
        let address = contender.start((SETS * set_bytes) as u64, CONNECTIONS)?;
        let requests = contender.requests();
        let accepts = |start: &[u8], length: usize| contender.accepts(start, length);
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CONNECTIONS)
                .map(|client| {
                    let (requests, accepts) = (&requests, &accepts);
                    let times = SETS / CONNECTIONS;
                    scope.spawn(move || {
                        client::ask(address, client_core, requests, client, times, accepts)
                    })
                })
                .collect();
            for client in clients {
                client.join().expect("a client panics only by mistake")?;
            }
            Ok::<_, Error>(())
        })?;
        contender.finish()?;
        println!("ok  {}", contender.name());
    }
    Ok(())
}

/// Sets go in and the same sets come out.
pub fn compare(settings: &Settings, shape: Shape) -> Result<()> {
    let mut contestant = Contestant::produce(settings.clone(), shape);
    contestant.start(0, 1)?;
    let broker = contestant.broker();
    let batch = broker::batch(shape.set_bytes);
    for set in 0..SETS {
        let partition = (set % settings.partitions) as i32;
        if !broker::is_produced(&broker.ask(&broker::produce(partition, &batch))?) {
            return Err(Error::other(format!("set {set} was refused")));
        }
    }
    for set in 0..SETS {
        let partition = (set % settings.partitions) as i32;
        let offset = (set / settings.partitions) as i64;
        let answer = broker.ask(&broker::fetch(partition, offset, shape.set_bytes))?;
        let got = answer.get(RECORDS_AT..).unwrap_or_default();
        if !broker::is_same_batch(got, &batch, offset) {
            return Err(Error::other(format!(
                "partition {partition} offset {offset}: {} bytes came back, not what was produced",
                got.len()
            )));
        }
    }
    println!(
        "ok  {SETS} sets of {} KiB came back as they went in",
        shape.set_bytes >> 10
    );
    contestant.finish().map(|_| ())
}
