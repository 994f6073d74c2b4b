//! An allocator that knows how much each thread holds and how much it has held at most, so that a
//! target can say what its input may cost in memory.

#![allow(unsafe_code)] // a global allocator cannot be had without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Calls `action`, and panics if this thread meanwhile holds `bytes_max` bytes more than before.
/// Memory that libraries in C take is not counted.
pub fn within<T>(bytes_max: usize, action: impl FnOnce() -> T) -> T {
    let before = HELD.get();
    PEAK.set(before);
    let result = action();
    let peak = PEAK.get() - before;
    assert!(
        peak <= bytes_max as isize,
        "{peak} bytes of memory, {bytes_max} allowed"
    );
    result
}

/// Calls `action`, and returns how many bytes more this thread holds then than before.
pub fn kept(action: impl FnOnce()) -> isize {
    let before = HELD.get();
    action();
    HELD.get() - before
}

fn count(bytes: isize) {
    // Nothing is counted while a thread is torn down.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator with the arguments unchanged; counting touches
// only thread-local cells that need no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}
