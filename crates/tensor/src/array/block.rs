//! Bytes that start at a multiple of 64, without `unsafe`: what arrays hold.

use std::collections::TryReserveError;

use super::storage::Storage;
use crate::memory;

/// What every buffer is aligned to: a cache line, and the widest vector register.
const ALIGN: usize = 64;

/// Bytes that start at a multiple of 64, taken from the pool and given back to it if they are many.
///
/// ```
/// use tracelift_tensor::memory::Block;
///
/// let mut block = Block::zeros(100)?;
/// block.bytes_mut()[99] = 1;
/// assert_eq!((block.bytes().len(), block.bytes().as_ptr().addr() % 64), (100, 0));
/// # Ok::<(), std::collections::TryReserveError>(())
/// ```
// An aligned part of bytes that are never resized, so that it stays aligned.
pub struct Block {
    bytes: Storage,
    start: usize,
    len: usize,
}

impl Block {
    /// So many zero bytes, or the reason why they cannot be had.
    pub fn zeros(len: usize) -> Result<Block, TryReserveError> {
        match Block::pooled(len) {
            Some(mut block) => {
                block.bytes_mut().fill(0);
                Ok(block)
            }
            None => Block::fresh(len),
        }
    }

    /// So many bytes of any value; in debug builds of a strange one, so that tests see who reads what nobody wrote.
    pub fn unspecified(len: usize) -> Result<Block, TryReserveError> {
        let mut block = Block::pooled(len).map_or_else(|| Block::fresh(len), Ok)?;
        if cfg!(debug_assertions) {
            block.bytes_mut().fill(0xa5);
        }
        Ok(block)
    }

    #[inline]
    fn pooled(len: usize) -> Option<Block> {
        memory::take(len.checked_add(ALIGN - 1)?).map(|bytes| Block::of(bytes, len))
    }

    fn fresh(len: usize) -> Result<Block, TryReserveError> {
        let room = len.saturating_add(ALIGN - 1);
        let bytes = match Storage::zeros(room) {
            // What nobody holds may be what is missing.
            Err(_) if memory::release() > 0 => Storage::zeros(room)?,
            made => made?,
        };
        Ok(Block::of(bytes, len))
    }

    fn of(bytes: Storage, len: usize) -> Block {
        let start = bytes.as_ptr().align_offset(ALIGN);
        Block { bytes, start, len }
    }

    /// All of them.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// All of them for writing.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        // Not the vector's own clone: the copy begins at another address.
        let mut copy = Block::unspecified(self.len).expect("a copy of a block fits into memory");
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        if self.bytes.len() >= memory::POOLED_BYTES {
            memory::give(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_their_copies_are_aligned() {
        for len in [0, 1, 63, 64, 65, 1000, 100_000, 3 << 20] {
            let mut block = Block::zeros(len).unwrap();
            block.bytes_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = i as u8);
            let copies: Vec<Block> = (0..4).map(|_| block.clone()).collect();
            for copy in &copies {
                assert_eq!(copy.bytes(), block.bytes());
                assert_eq!(copy.bytes().as_ptr().addr() % ALIGN, 0);
                assert_eq!(copy.bytes().len(), len);
            }
        }
    }

    #[test]
    fn no_memory_is_an_error() {
        assert!(Block::zeros(usize::MAX).is_err());
        assert!(Block::zeros(isize::MAX as usize - 100).is_err());
    }
}
