//! Large blocks of memory that nobody holds any more, kept for the next array of about their size.
//!
//! The system gives fresh memory page by page when it is first touched, which takes longer than most of what is computed
//! on it. So blocks of [`POOLED_BYTES`] and more (elements of dropped arrays, memory for intermediate values of functions
//! that are not being called) go to one pool of the process, which gives them to whoever next wants a block that is as
//! large or up to a fifth smaller. The pool holds at most [`pool_limit`] bytes: what is beyond is freed, the oldest first.
//!
//! ```
//! use tracelift_tensor::{Array, F32, memory};
//!
//! drop(Array::zeros(F32, [1 << 20])?);
//! assert!(memory::pooled_bytes() >= 4 << 20);
//! // Everything goes back to the system.
//! assert!(memory::release() >= 4 << 20);
//! # Ok::<(), tracelift_tensor::Error>(())
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use crate::array::Block;
use crate::array::Storage;

/// Blocks of this size and more are kept. Smaller ones the allocator keeps, as a rule.
pub const POOLED_BYTES: usize = 128 << 10;

/// What [`pool_limit`] is at first: 256 MiB.
pub const DEFAULT_POOL_LIMIT: usize = 256 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool { blocks: VecDeque::new(), bytes: 0, limit: DEFAULT_POOL_LIMIT });

struct Pool {
    /// The oldest first.
    blocks: VecDeque<Storage>,
    bytes: usize,
    limit: usize,
}

/// Frees all blocks of the pool, and says how many bytes they had.
pub fn release() -> usize {
    let (blocks, bytes) = {
        let mut pool = pool();
        (std::mem::take(&mut pool.blocks), std::mem::take(&mut pool.bytes))
    };
    // Freed while others may use the pool.
    drop(blocks);
    bytes
}

/// How many bytes the pool may hold.
pub fn pool_limit() -> usize {
    pool().limit
}

/// Sets how many bytes the pool may hold, and frees what is beyond. With 0 nothing is kept.
///
/// ```
/// use tracelift_tensor::{Array, F32, memory};
///
/// memory::set_pool_limit(2 << 20);
/// drop(Array::zeros(F32, [1 << 20])?);
/// assert!(memory::pooled_bytes() <= 2 << 20);
/// memory::set_pool_limit(memory::DEFAULT_POOL_LIMIT);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn set_pool_limit(bytes: usize) {
    let mut pool = pool();
    pool.limit = bytes;
    pool.make_room(0);
}

/// How many bytes the pool holds.
pub fn pooled_bytes() -> usize {
    pool().bytes
}

/// Whether the pool would keep so many bytes more without freeing others.
pub fn has_room(bytes: usize) -> bool {
    let pool = pool();
    bytes <= pool.limit.saturating_sub(pool.bytes)
}

/// A block of at least so many bytes, with anything in it.
pub(crate) fn take(bytes: usize) -> Option<Storage> {
    if bytes < POOLED_BYTES { None } else { pool().take(bytes) }
}

/// Keeps a block that nobody holds any more, if it is large.
pub(crate) fn give(block: Storage) {
    if block.len() >= POOLED_BYTES {
        pool().give(block);
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Of the smallest blocks that will do the newest, which the caches may still hold.
    fn take(&mut self, bytes: usize) -> Option<Storage> {
        let most = bytes.saturating_add(bytes / 4);
        let fits = self.blocks.iter().enumerate().rev().filter(|(_, block)| (bytes..=most).contains(&block.len()));
        let (at, _) = fits.min_by_key(|(_, block)| block.len())?;
        let block = self.blocks.remove(at)?;
        self.bytes -= block.len();
        Some(block)
    }

    fn give(&mut self, block: Storage) {
        if block.len() <= self.limit {
            self.make_room(block.len());
            self.bytes += block.len();
            self.blocks.push_back(block);
        }
    }

    fn make_room(&mut self, bytes: usize) {
        while self.bytes > self.limit - bytes.min(self.limit) {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(limit: usize) -> Pool {
        Pool { blocks: VecDeque::new(), bytes: 0, limit }
    }

    fn sizes(pool: &Pool) -> Vec<usize> {
        assert_eq!(pool.bytes, pool.blocks.iter().map(|block| block.len()).sum::<usize>());
        pool.blocks.iter().map(|block| block.len()).collect()
    }

    #[test]
    fn the_smallest_block_that_fits_is_taken_unless_a_fifth_would_be_wasted() {
        let mut pool = empty(10_000);
        [1000, 800, 1300, 900].into_iter().for_each(|size| pool.give(vec![0; size].into()));
        let mut take = |bytes| pool.take(bytes).map(|block| block.len());
        assert_eq!([take(801), take(801), take(801), take(1040)], [Some(900), Some(1000), None, Some(1300)]);
        assert_eq!(sizes(&pool), [800]);
    }

    #[test]
    fn the_oldest_blocks_go_when_the_limit_is_reached() {
        let mut pool = empty(1000);
        [400, 500, 300].into_iter().for_each(|size| pool.give(vec![0; size].into()));
        assert_eq!(sizes(&pool), [500, 300]);
        pool.give(vec![0; 1001].into());
        assert_eq!(sizes(&pool), [500, 300], "one that is larger than the limit is not kept");
        pool.give(vec![0; 1000].into());
        assert_eq!(sizes(&pool), [1000]);
        pool.limit = 999;
        pool.make_room(0);
        assert!(sizes(&pool).is_empty());
    }

    #[test]
    fn of_equal_blocks_the_newest_is_taken() {
        let mut pool = empty(1000);
        [1, 2].into_iter().for_each(|mark| pool.give(vec![mark; 300].into()));
        assert_eq!((pool.take(300).unwrap()[0], pool.take(300).unwrap()[0]), (2, 1));
    }
}
