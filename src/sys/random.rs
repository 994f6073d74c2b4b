//! Randomness from the system, for ids, salts and seeds.

use super::retry::retry;

/// `N` random bytes, at most 256 (getrandom(2) gives that many whole once the pool is seeded).
pub fn random_bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= 256) };
    let mut bytes = [0u8; N];
    // SAFETY: the pointer and length are those of `bytes`.
    let got = retry(|| unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) })
        .expect("getrandom(2) exists since Linux 3.17 and fails only without it");
    assert_eq!(got, N, "getrandom gives up to 256 bytes whole");
    bytes
}
