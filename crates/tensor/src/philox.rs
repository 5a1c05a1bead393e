//! Philox4x32-10: random bits as a pure function of a counter and a key.
//!
//! The generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011), which NumPy,
//! TensorFlow and JAX have, too.
//! A stream has a 64-bit key and a 64-bit counter of blocks; each block holds four words.

/// The block of four random words at a counter.
///
/// ```
/// use tracelift_tensor::philox::block;
///
/// assert_eq!(block([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
/// ```
pub const fn block(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < 10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let a = 0xD251_1F53u64 * counter[0] as u64;
        let b = 0xCD9E_8D57u64 * counter[2] as u64;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        round += 1;
    }
    counter
}

/// The block of a stream: both numbers as unsigned, low word first, the upper half of the counter being 0.
pub const fn stream_block(key: i64, counter: i64) -> [u32; 4] {
    block([counter as u32, (counter >> 32) as u32, 0, 0], [key as u32, (key >> 32) as u32])
}

/// One word of a draw.
///
/// ```
/// use tracelift_tensor::{Generator, philox};
///
/// let words = Generator::new(7).bits(6);
/// assert_eq!(words[5], philox::word(7, 0, 5));
/// ```
///
/// Word `i` of a draw that begins at a counter is word `i % 4` of the block `i / 4` further on.
pub const fn word(key: i64, counter: i64, i: u64) -> u32 {
    stream_block(key, counter.wrapping_add((i / 4) as i64))[(i % 4) as usize]
}

/// How many blocks a draw of so many numbers takes, one word each.
pub const fn blocks(n: u64) -> i64 {
    n.div_ceil(4) as i64
}

/// The float in `[0, 1)` that a word stands for: its upper 24 bits times 2^-24.
pub const fn uniform(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with Random123 (`kat_vectors`, philox4x32, 10 rounds).
    #[test]
    fn published_answers() {
        let f = 0xffff_ffff;
        let pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
        assert_eq!(block([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(block([f; 4], [f; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(block(pi, [0xa4093822, 0x299f31d0]), [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
    }

    #[test]
    fn words_run_through_the_blocks() {
        let key = 0x0123_4567_89ab_cdef;
        let words: Vec<u32> = (0..8).map(|i| word(key, 41, i)).collect();
        assert_eq!(words[..4], stream_block(key, 41));
        assert_eq!(words[4..], stream_block(key, 42));
        // The counter goes on where 64 bits end.
        assert_eq!(word(key, i64::MAX, 4), stream_block(key, i64::MIN)[0]);
        assert_eq!([blocks(0), blocks(1), blocks(4), blocks(5)], [0, 1, 1, 2]);
    }

    #[test]
    fn uniform_stays_below_one() {
        assert_eq!(uniform(0), 0.0);
        assert_eq!(uniform(u32::MAX), 1.0 - f32::EPSILON / 2.0);
    }
}
