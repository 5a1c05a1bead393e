//! From which sizes on a product is computed in which way: what was measured, in one table. Nothing in here changes a bit.

// Tasks.

/// Multiply-adds of floats that a thread does in a nanosecond, about, and numbers that it copies.
pub(super) const MULTIPLY_ADDS_PER_NANO: usize = 32;
pub(super) const COPIES_PER_NANO: usize = 4;
/// Multiply-adds that are worth a task: about a microsecond; a worker that is awake takes half of that to join.
pub(super) const WORTH_A_TASK: usize = 32 * 1024;
/// Multiply-adds beyond which claiming a task costs nothing; smaller tasks leave less to wait for at the end.
pub(super) const LARGE_TASK: usize = 1 << 19;
/// Columns of a task at least; those of a task that packs for itself are whole panels on all paths.
pub(super) const FEWEST_COLUMNS: usize = 128;
pub(super) const PANEL_COLUMNS: usize = 64;
/// Rows of a task are whole groups of the widest tiles, and whole cache lines of a left operand whose rows are adjacent.
pub(super) const ROWS_OF_GROUPS: usize = 12;
pub(super) const ROWS_OF_LINES: usize = 48;

// The right operand, packed by all threads for all.

/// Rows, and multiply-adds of a matrix, from which on it pays to pack the right operand once for all rows.
pub(super) const SHARING_ROWS: usize = 128;
pub(super) const SHARING_WORK: usize = 1 << 22;
/// Rows and steps from which on that pays for few columns, too: they lie close, and packing saves partial sums and conflicts.
pub(super) const SHARING_ROWS_OF_FEW: usize = 256;
pub(super) const SHARING_STEPS_OF_FEW: usize = 129;
/// Steps along `k` that are packed at a time, and those of them that a task packs.
pub(super) const PACKED_STEPS: usize = 512;
pub(super) const STEPS_TO_PACK: usize = 64;
/// Bytes of a packed block that a thread finds near, and threads that have columns of their own in a block, at most: it has
/// as many times these bytes.
pub(super) const NEAR_BYTES: usize = 1 << 20;
pub(super) const MOST_SHARES: usize = 4;
/// Bytes of a packed block where rows of the left operand are copied: for each block anew, so blocks are as wide as the last
/// cache of most processors allows, and all threads use all columns. On AVX2 it has so many steps: partial sums are few.
pub(super) const WIDE_BYTES: usize = 4 << 20;
pub(super) const WIDE_STEPS: usize = 1024;
/// Bytes of a second cache that holds a near block beside all that goes by, so that 512-bit tiles need no copies of rows.
pub(super) const ROOMY_CACHE: u64 = 2 << 20;

// Blocks of one thread.

/// Steps along `k` in a block: a panel of the right operand this deep stays near the processor.
pub(super) const BLOCK_STEPS: usize = 128;
/// Rows in a block, and the fewest of them where a block shares the cost of packing.
pub(super) const BLOCK_ROWS: usize = 256;
pub(super) const FEWEST_PACKED_ROWS: usize = 64;
/// Bytes of the result in a block that an epilogue is to find in the second-level cache.
pub(super) const HOT_BYTES: usize = 64 << 10;

// The left operand.

/// Lines further apart than this, in bytes, cost a page of the address cache each and compete for places of the cache.
pub(super) const FAR_APART: usize = 2048;
/// Vectors of columns from which on a left operand with its rows far apart is copied for them.
pub(super) const VECTORS_FOR_ROWS: usize = 48;
/// Bytes of a left operand, or of a result, whose rows come from far.
pub(super) const LARGE_OPERAND: usize = 4 << 20;
/// Steps that are fetched before they are copied, where they lie too far apart for the processor to see what comes.
pub(super) const AHEAD: isize = 16;

/// Vectors of columns from which on a left operand of so many steps, so many bytes apart, is copied for them.
#[inline(always)]
pub(super) fn vectors_for_steps(apart: usize, steps: usize) -> usize {
    if apart.is_multiple_of(1024) && steps > 8 {
        // The places of the first cache for such lines are few.
        6
    } else if apart >= FAR_APART && steps >= 64 {
        12
    } else if steps > BLOCK_STEPS {
        32
    } else {
        usize::MAX
    }
}
