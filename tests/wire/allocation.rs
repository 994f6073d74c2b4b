//! An allocator that counts what each thread asks of it, so that a test can say what a call costs.

#![allow(unsafe_code)] // a global allocator cannot be had without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The bytes that `action` asks for on this thread, whether or not it gives them back.
pub fn bytes_allocated_by(action: impl FnOnce()) -> usize {
    let before = BYTES.get();
    action();
    BYTES.get() - before
}

fn count(bytes: usize) {
    // Nothing is counted while a thread is torn down.
    let _ = BYTES.try_with(|total| total.set(total.get() + bytes));
}

// SAFETY: every call goes to the system's allocator with the arguments unchanged; counting touches
// only a thread-local cell that needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}
