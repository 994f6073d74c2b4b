//! What the broker allocates for a request in a steady state, counted by an allocator: everything
//! between an event and the operations it leads to, the kernel's side and the client's not.

#[path = "../benches/machine/mod.rs"]
mod machine;
#[path = "../benches/machine/requests.rs"]
mod requests;

use machine::Machine;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system allocator's; only a counter is added.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(machine::is_at_work()), Relaxed);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(machine::is_at_work()), Relaxed);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn per_request(machine: &mut Machine, socket: i32, request: &[u8]) -> f64 {
    const TIMES: u64 = 1000;
    for _ in 0..TIMES {
        machine.send(socket, request);
        machine.run();
    }
    let before = ALLOCATIONS.load(Relaxed);
    for _ in 0..TIMES {
        machine.send(socket, request);
        machine.run();
    }
    (ALLOCATIONS.load(Relaxed) - before) as f64 / TIMES as f64
}

#[test]
fn a_steady_produce_and_fetch() {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut machine = Machine::start(parent, 1, &[]);
    let socket = machine.connect();
    requests::created(&machine.ask(socket, &requests::create_topic("t", 1, &[])));
    let produce = requests::produce("t", 0, &requests::batch(1, 1000));
    requests::assert_produced(&machine.ask(socket, &produce));
    let produced = per_request(&mut machine, socket, &produce);
    let fetch = requests::fetch("t", 0, 0, 100_000);
    requests::assert_fetched(&machine.ask(socket, &fetch));
    let fetched = per_request(&mut machine, socket, &fetch);
    println!("allocations per request: produce {produced}, fetch {fetched}");
    // A piece of the pool every few thousand requests.
    assert!(produced < 0.01, "a produce allocates {produced} times");
    assert!(fetched < 0.01, "a fetch allocates {fetched} times");
    requests::assert_fetched(&machine.ask(socket, &fetch));
}
