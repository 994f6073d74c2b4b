//! Memory on its way before it is needed.

/// Bytes that caches move at once, on every processor that has the instruction.
#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;

/// Has the processor bring these bytes into its caches while it goes on. A hint, which reads nothing: any
/// address will do. Without effect where the processor is not an x86-64.
pub fn prefetch(start: *const (), bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..bytes).step_by(LINE_BYTES) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = start.wrapping_byte_add(at).cast();
        // SAFETY: the instruction belongs to SSE, which every x86-64 has, and does not fault, whatever the
        // address (Intel SDM, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}
