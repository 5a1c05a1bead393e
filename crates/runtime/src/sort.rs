//! Sorting, as a library kernel: rows are shared out to threads.

use crate::pool::{self, Panic};
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracelift_kernel::meaning::{Ordered, SortRoom, argsort};

thread_local! {
    static ROOM: RefCell<SortRoom> = RefCell::default();
}

/// Fewer elements than these are sorted before other threads have begun.
const ELEMENTS_PER_TILE: usize = 1 << 14;

/// Comparisons of a thread in a microsecond, about.
const COMPARISONS_PER_MICRO: usize = 500;

/// Where the elements of each row of `n` are in order.
pub(crate) fn argsort_rows<T: Ordered + Sync>(
    x: &[T],
    n: usize,
    descending: bool,
    places: &mut [i32],
    threads: usize,
) -> Result<(), Panic> {
    let n = n.max(1);
    let rows = x.len() / n;
    let per_tile = rows.div_ceil(threads.max(1)).max(ELEMENTS_PER_TILE.div_ceil(n)).max(1);
    if rows <= per_tile {
        sort(x, n, descending, places);
        return Ok(());
    }
    let tiles: Vec<Mutex<&mut [i32]>> = places.chunks_mut(per_tile * n).map(Mutex::new).collect();
    let comparisons = x.len().saturating_mul(n.ilog2() as usize + 1);
    let alone = Duration::from_micros((comparisons / COMPARISONS_PER_MICRO) as u64);
    pool::run(threads, tiles.len(), alone, &|tile| {
        let mut places = tiles[tile].lock().unwrap_or_else(PoisonError::into_inner);
        let first = tile * per_tile * n;
        sort(&x[first..first + places.len()], n, descending, &mut places);
    })
}

fn sort<T: Ordered>(x: &[T], n: usize, descending: bool, places: &mut [i32]) {
    ROOM.with_borrow_mut(|room| {
        for (row, places) in x.chunks_exact(n).zip(places.chunks_exact_mut(n)) {
            argsort(row, descending, room, places);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_change_nothing() {
        let x: Vec<f32> = (0..90_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32).collect();
        let places = |threads| {
            let mut places = vec![0; x.len()];
            argsort_rows(&x, 300, false, &mut places, threads).map_err(|_| "a tile panicked").unwrap();
            places
        };
        let alone = places(1);
        assert_eq!(alone, places(3));
        let row = &x[600..900];
        let sorted: Vec<f32> = alone[600..900].iter().map(|place| row[*place as usize]).collect();
        assert!(sorted.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
