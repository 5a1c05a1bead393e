//! NumPy's `RandomState`: the Mersenne Twister MT19937 and its shuffle.
//!
//! Only for agreeing with recorded splits; everything else draws from [`Generator`](tracelift_tensor::Generator).

const N: usize = 624;
const M: usize = 397;

/// The generator behind `numpy.random.RandomState(seed)`.
///
/// ```
/// use tracelift_data::RandomState;
///
/// assert_eq!(RandomState::new(42).permutation(10), [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]);
/// ```
#[derive(Clone, Debug)]
pub struct RandomState {
    words: [u32; N],
    used: usize,
}

impl RandomState {
    /// As `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> RandomState {
        let mut words = [seed; N];
        for i in 1..N {
            let before = words[i - 1];
            words[i] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        RandomState { words, used: N }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == N {
            self.refill();
        }
        let mut y = self.words[self.used];
        self.used += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..N {
            let y = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % N] & 0x7fff_ffff);
            let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[i] = self.words[(i + M) % N] ^ (y >> 1) ^ twist;
        }
        self.used = 0;
    }

    /// A number in `0..=max`: bits under a mask are drawn until they are not above it.
    fn up_to(&mut self, max: u64) -> u64 {
        if max == 0 {
            return 0;
        }
        let mask = u64::MAX >> max.leading_zeros();
        loop {
            let bits = match u32::try_from(max) {
                Ok(_) => self.next_u32().into(),
                Err(_) => u64::from(self.next_u32()) << 32 | u64::from(self.next_u32()),
            };
            if bits & mask <= max {
                return bits & mask;
            }
        }
    }

    /// As `permutation(n)`: the numbers `0..n` shuffled from the end.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.up_to(i as u64) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of NumPy 2.4, `RandomState(seed).randint(0, 2**32, dtype=np.uint32)` and `permutation`.
    #[test]
    fn agrees_with_numpy() {
        let mut state = RandomState::new(42);
        assert_eq!([state.next_u32(), state.next_u32(), state.next_u32()], [1608637542, 3421126067, 4083286876]);
        let mut state = RandomState::new(5489);
        let tenthousandth = (0..10_000).map(|_| state.next_u32()).last();
        assert_eq!(tenthousandth, Some(4_123_659_995), "as the C++ standard has it for mt19937");
        assert_eq!(RandomState::new(0).permutation(8), [6, 2, 1, 7, 3, 0, 5, 4]);
        assert_eq!(RandomState::new(u32::MAX).permutation(5), [4, 1, 0, 2, 3]);
        assert_eq!(RandomState::new(1).permutation(0), [0; 0]);
        assert_eq!(RandomState::new(1).permutation(1), [0]);
    }
}
