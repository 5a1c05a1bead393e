//! A random generator on the host: a key and a counter.

use crate::philox;

/// A stream of random numbers that is a pure function of its key and counter.
///
/// A draw of `n` numbers takes whole blocks of four words and moves the counter past them, exactly as a draw inside a
/// compiled function does, so both give the same numbers.
///
/// ```
/// use tracelift_tensor::Generator;
///
/// let mut a = Generator::new(42);
/// let mut b = Generator::new(42);
/// assert_eq!(a.uniform(5), b.uniform(5));
/// assert_eq!(a.counter, 2);
/// assert_ne!(a.bits(4), Generator::new(42).bits(4));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Generator {
    /// Which stream.
    pub key: i64,
    /// How many blocks of four words have been used.
    pub counter: i64,
}

impl Generator {
    /// The stream of a seed, from its start.
    pub const fn new(seed: i64) -> Generator {
        Generator { key: seed, counter: 0 }
    }

    /// The stream of a seed and a path below it, such as a weight's name.
    ///
    /// ```
    /// use tracelift_tensor::Generator;
    ///
    /// assert_ne!(Generator::keyed(1, "hidden1/kernel").key, Generator::keyed(1, "hidden2/kernel").key);
    /// ```
    pub fn keyed<'a>(seed: i64, path: impl Into<KeyPart<'a>>) -> Generator {
        Generator::new(fold_in(seed, path))
    }

    /// The next words.
    pub fn bits(&mut self, n: usize) -> Vec<u32> {
        let start = self.counter;
        self.counter = start.wrapping_add(philox::blocks(n as u64));
        let blocks = (0..philox::blocks(n as u64)).map(|i| philox::stream_block(self.key, start.wrapping_add(i)));
        let mut words: Vec<u32> = blocks.flatten().collect();
        words.truncate(n);
        words
    }

    /// The next floats in `[0, 1)`.
    pub fn uniform(&mut self, n: usize) -> Vec<f32> {
        self.bits(n).into_iter().map(philox::uniform).collect()
    }

    /// One number in `0..bound`, each equally likely; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        Words::new(self).below(bound)
    }

    /// Numbers in `0..bound`, each drawn anew.
    pub fn indices(&mut self, n: usize, bound: usize) -> Vec<usize> {
        let mut words = Words::new(self);
        (0..n).map(|_| words.below(bound)).collect()
    }

    /// The numbers `0..n` in random order, each order equally likely.
    ///
    /// ```
    /// use tracelift_tensor::Generator;
    ///
    /// let mut order = Generator::new(7).permutation(100);
    /// assert_ne!(order, (0..100).collect::<Vec<_>>());
    /// order.sort();
    /// assert_eq!(order, (0..100).collect::<Vec<_>>());
    /// ```
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        let mut words = Words::new(self);
        for last in (1..n).rev() {
            order.swap(last, words.below(last + 1));
        }
        order
    }
}

/// Words of one draw of unknown length, a block at a time.
struct Words<'a> {
    generator: &'a mut Generator,
    block: [u32; 4],
    used: usize,
}

impl Words<'_> {
    fn new(generator: &mut Generator) -> Words<'_> {
        Words { generator, block: [0; 4], used: 4 }
    }

    fn next(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox::stream_block(self.generator.key, self.generator.counter);
            self.generator.counter = self.generator.counter.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Multiplies a word by the bound and takes the upper half; the few words that would make some numbers likelier are
    /// drawn again (Lemire 2019).
    fn below(&mut self, bound: usize) -> usize {
        match u32::try_from(bound) {
            Ok(0) => 0,
            Ok(bound) => {
                let excess = bound.wrapping_neg() % bound;
                loop {
                    let product = u64::from(self.next()) * u64::from(bound);
                    if product as u32 >= excess {
                        return (product >> 32) as usize;
                    }
                }
            }
            Err(_) => {
                let bound = bound as u64;
                let excess = bound.wrapping_neg() % bound;
                loop {
                    let bits = u64::from(self.next()) | (u64::from(self.next()) << 32);
                    let product = u128::from(bits) * u128::from(bound);
                    if product as u64 >= excess {
                        return (product >> 64) as usize;
                    }
                }
            }
        }
    }
}

/// A key below another one: for a part of a path, a layer number, an epoch.
///
/// ```
/// use tracelift_tensor::fold_in;
///
/// assert_ne!(fold_in(1, "kernel"), fold_in(1, "bias"));
/// assert_ne!(fold_in(1, 2), fold_in(2, 1));
/// ```
pub fn fold_in<'a>(key: i64, part: impl Into<KeyPart<'a>>) -> i64 {
    // The counters' upper half is never 0 here, so a derived key meets no word of the stream itself.
    let mix = |key: i64, data: u64, kind: u32, more: u32| {
        let words = philox::block([data as u32, (data >> 32) as u32, more, kind], [key as u32, (key >> 32) as u32]);
        i64::from(words[0]) | (i64::from(words[1]) << 32)
    };
    match part.into() {
        KeyPart::Number(n) => mix(key, n, 1, 0),
        KeyPart::Text(text) => {
            // Eight bytes at a time; the length keeps texts apart that differ in zero bytes at their end.
            let start = mix(key, text.len() as u64, 2, 0);
            text.as_bytes().chunks(8).fold(start, |key, chunk| {
                let mut bytes = [0; 8];
                bytes[..chunk.len()].copy_from_slice(chunk);
                mix(key, u64::from_le_bytes(bytes), 2, 1)
            })
        }
    }
}

/// What [`fold_in`] derives a key from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPart<'a> {
    /// A number.
    Number(u64),
    /// A name or path.
    Text(&'a str),
}

impl From<u64> for KeyPart<'_> {
    fn from(n: u64) -> Self {
        KeyPart::Number(n)
    }
}

impl From<i32> for KeyPart<'_> {
    fn from(n: i32) -> Self {
        KeyPart::Number(i64::from(n) as u64)
    }
}

impl From<usize> for KeyPart<'_> {
    fn from(n: usize) -> Self {
        KeyPart::Number(n as u64)
    }
}

impl<'a> From<&'a str> for KeyPart<'a> {
    fn from(text: &'a str) -> Self {
        KeyPart::Text(text)
    }
}

impl<'a> From<&'a String> for KeyPart<'a> {
    fn from(text: &'a String) -> Self {
        KeyPart::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_take_whole_blocks() {
        let mut generator = Generator::new(5);
        assert_eq!(generator.bits(5), (0..5).map(|i| philox::word(5, 0, i)).collect::<Vec<_>>());
        assert_eq!(generator.counter, 2);
        assert_eq!(generator.bits(4), philox::stream_block(5, 2));
        assert!(generator.bits(0).is_empty());
        assert_eq!(generator.counter, 3);
    }

    #[test]
    fn below_is_fair_and_in_bounds() {
        let mut generator = Generator::new(1);
        let mut counts = [0; 7];
        generator.indices(70_000, 7).into_iter().for_each(|i| counts[i] += 1);
        // Ten standard deviations.
        assert!(counts.iter().all(|count| (9_074..10_926).contains(count)), "{counts:?}");
        assert_eq!([generator.below(0), generator.below(1)], [0, 0]);
        let wide = generator.indices(1000, 3 << 61);
        assert!(wide.iter().all(|&i| i < 3 << 61) && wide.iter().any(|&i| i > 1 << 61));
    }

    #[test]
    fn permutations_are_fair() {
        let mut generator = Generator::new(2);
        let mut counts = std::collections::BTreeMap::new();
        (0..6000).for_each(|_| *counts.entry(generator.permutation(3)).or_insert(0) += 1);
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (711..1289).contains(count)), "{counts:?}");
        assert_eq!(generator.permutation(0), Vec::<usize>::new());
        assert_eq!(generator.permutation(1), [0]);
    }

    #[test]
    fn derived_keys_differ() {
        let texts = [
            "",
            "\0",
            "a",
            "b",
            "ab",
            "a/b",
            "kernel\0",
            "kernel",
            "a path longer than eight bytes",
            "a path longer than eight byteS",
        ];
        let mut keys: Vec<i64> = texts.into_iter().map(|text| fold_in(3, text)).collect();
        keys.extend((0..100u64).map(|n| fold_in(3, n)));
        keys.extend(texts.into_iter().map(|text| fold_in(4, text)));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
        assert_eq!(fold_in(3, "a"), fold_in(3, &"a".to_owned()));
    }
}
