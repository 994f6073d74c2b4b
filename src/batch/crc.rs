//! CRC-32C (Castagnoli, RFC 3720 appendix B.4), streamed, and moved when only the front of the bytes
//! changes: a megabyte of records is not read again because its header got another timestamp.

use crc_fast::{CrcAlgorithm, Digest};

/// The polynomial, bits reversed: bit 31 is x^0.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// CRC-32C of these bytes.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32C of bytes that come in parts.
pub struct Crc(Digest);

impl Crc {
    /// The CRC of no bytes.
    pub fn new() -> Crc {
        Crc(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC of all bytes so far.
    pub fn value(&self) -> u32 {
        self.0.finalize() as u32
    }
}

impl Default for Crc {
    fn default() -> Crc {
        Crc::new()
    }
}

/// The CRC of `new_front` followed by the same bytes as before, given the CRC of `old_front` followed
/// by them. `behind` is how many follow; their values do not matter, the CRC being linear.
pub(super) fn replace_front(old: u32, old_front: &[u8], new_front: &[u8], behind: usize) -> u32 {
    debug_assert_eq!(old_front.len(), new_front.len());
    old ^ shift(crc32c(old_front) ^ crc32c(new_front), behind as u64)
}

/// Multiplies by x^(8 * bytes) modulo the polynomial: what `bytes` further bytes do to a difference.
fn shift(difference: u32, mut bytes: u64) -> u32 {
    let mut result = difference;
    for power in POWERS {
        if bytes & 1 != 0 {
            result = multiply(result, power);
        }
        bytes >>= 1;
        if bytes == 0 {
            return result;
        }
    }
    unreachable!("a batch has fewer than 2^32 bytes")
}

/// x^(8 * 2^n) modulo the polynomial, for n = 0..32.
const POWERS: [u32; 32] = {
    let mut powers = [0; 32];
    let mut power = 1 << 23; // x^8
    let mut n = 0;
    while n < 32 {
        powers[n] = power;
        power = multiply(power, power);
        n += 1;
    }
    powers
};

/// The product of two polynomials modulo the CRC's.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        bit >>= 1;
        b = if b & 1 != 0 {
            (b >> 1) ^ POLYNOMIAL
        } else {
            b >> 1
        };
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_castagnolis_and_streams() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let mut crc = Crc::new();
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xe306_9283);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_crc_is_computed_by_the_processor_where_it_can() {
        let target = crc_fast::get_calculator_target(CrcAlgorithm::Crc32Iscsi);
        let able =
            std::is_x86_feature_detected!("sse4.2") && std::is_x86_feature_detected!("pclmulqdq");
        assert_eq!(target.starts_with("x86"), able, "{target}");
    }

    #[test]
    fn replacing_the_front_gives_the_crc_of_the_new_bytes() {
        for behind in [0, 1, 2, 9, 64, 1000, 65_537, 1 << 20] {
            let mut bytes: Vec<u8> = (0..40 + behind).map(|at| (at * 7 + 3) as u8).collect();
            let old = crc32c(&bytes);
            let old_front = bytes[..40].to_vec();
            let new_front: Vec<u8> = (0..40).map(|at| (at * 11 + 5) as u8).collect();
            bytes[..40].copy_from_slice(&new_front);
            assert_eq!(
                replace_front(old, &old_front, &new_front, behind),
                crc32c(&bytes)
            );
        }
    }
}
