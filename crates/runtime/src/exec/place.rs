//! Placement: offsets in one block of memory for pieces that live from a first to a last step.
//!
//! A linear scan in the order of time; where it leaves much unused, and pieces are not many, the largest pieces first.

use super::lifetimes::Lifetime;

/// Every offset is a multiple of this: one cache line, and the widest vector.
pub(super) const ALIGNMENT: usize = 64;

/// Rounds a size up to whole cache lines.
pub(super) fn align(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(ALIGNMENT)
}

/// A piece of memory wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it is in use.
    pub lifetime: Lifetime,
    /// How large it is.
    pub bytes: usize,
}

/// The offset of each request, and the size of the whole; `None` when that overflows.
///
/// Pieces that are in use at the same step never overlap. Requests are served in the order of their first step, larger
/// ones first, each in the smallest gap that holds it. If that takes more than a sixteenth beyond what is in use at once,
/// they are also served in the order of their sizes, and the better of the two is the answer.
///
/// ```
/// use tracelift_runtime::exec::{Request, place};
/// let wanted = [Request { lifetime: 0..=1, bytes: 100 }, Request { lifetime: 1..=2, bytes: 64 }, Request { lifetime: 2..=3, bytes: 128 }];
/// assert_eq!(place(&wanted), Some((vec![0, 128, 0], 192)));
/// ```
pub fn place(requests: &[Request]) -> Option<(Vec<usize>, usize)> {
    let scanned = in_order_of_time(requests)?;
    let live = live_bytes(requests)?;
    if requests.len() > MANY || scanned.1 - live <= live / 16 {
        return Some(scanned);
    }
    let sized = in_order_of_size(requests)?;
    Some(if sized.1 < scanned.1 { sized } else { scanned })
}

/// From so many pieces on only time decides: looking at each pair of them would take longer than it is worth.
const MANY: usize = 1000;

/// The largest first, each in the smallest gap between those that are in use with it.
fn in_order_of_size(requests: &[Request]) -> Option<(Vec<usize>, usize)> {
    let mut order: Vec<usize> = (0..requests.len()).filter(|&n| requests[n].bytes > 0).collect();
    order.sort_by_key(|&n| (std::cmp::Reverse(requests[n].bytes), n));
    let (mut offsets, mut total) = (vec![0; requests.len()], 0);
    // (offset, end, which), in ascending order.
    let mut placed: Vec<(usize, usize, usize)> = vec![];
    for n in order {
        let lifetime = &requests[n].lifetime;
        let bytes = align(requests[n].bytes)?;
        let beside = |other: usize| {
            let other = &requests[other].lifetime;
            lifetime.start() <= other.end() && other.start() <= lifetime.end()
        };
        let (mut end_of_last, mut best) = (0, None::<(usize, usize)>);
        for &(offset, end, _) in placed.iter().filter(|(_, _, other)| beside(*other)) {
            let gap = offset.saturating_sub(end_of_last);
            if gap >= bytes && best.is_none_or(|(smallest, _)| gap < smallest) {
                best = Some((gap, end_of_last));
            }
            end_of_last = end_of_last.max(end);
        }
        let offset = best.map_or(end_of_last, |(_, offset)| offset);
        let end = offset.checked_add(bytes).filter(|end| *end <= isize::MAX as usize)?;
        (offsets[n], total) = (offset, total.max(end));
        let at = placed.partition_point(|other| *other < (offset, end, n));
        placed.insert(at, (offset, end, n));
    }
    Some((offsets, total))
}

fn in_order_of_time(requests: &[Request]) -> Option<(Vec<usize>, usize)> {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&n| (*requests[n].lifetime.start(), std::cmp::Reverse(requests[n].bytes), n));
    let mut offsets = vec![0; requests.len()];
    // (last step, offset, size) of what is in use.
    let mut active: Vec<(u32, usize, usize)> = Vec::new();
    let mut gaps = Gaps::default();
    for n in order {
        let request = &requests[n];
        let now = *request.lifetime.start();
        active.retain(|&(last, offset, bytes)| {
            let keep = last >= now;
            if !keep {
                gaps.give_back(offset, bytes);
            }
            keep
        });
        let bytes = align(request.bytes)?;
        if bytes > 0 {
            offsets[n] = gaps.take(bytes)?;
            active.push((*request.lifetime.end(), offsets[n], bytes));
        }
    }
    Some((offsets, gaps.total))
}

/// How many bytes are in use at once at least, wherever the pieces lie; `None` when that overflows.
///
/// ```
/// use tracelift_runtime::exec::{Request, live_bytes};
/// let wanted = [Request { lifetime: 0..=1, bytes: 100 }, Request { lifetime: 1..=2, bytes: 64 }, Request { lifetime: 2..=3, bytes: 128 }];
/// assert_eq!(live_bytes(&wanted), Some(192));
/// ```
pub fn live_bytes(requests: &[Request]) -> Option<usize> {
    // What begins before what ends at the same step: both are in use then.
    let mut events = Vec::with_capacity(2 * requests.len());
    for Request { lifetime, bytes } in requests {
        let bytes = align(*bytes)?;
        events.push((*lifetime.start(), false, bytes));
        events.push((*lifetime.end(), true, bytes));
    }
    events.sort_unstable();
    let (mut live, mut most) = (0usize, 0);
    for (_, ends, bytes) in events {
        live = if ends { live - bytes } else { live.checked_add(bytes)? };
        most = most.max(live);
    }
    Some(most)
}

/// Unused ranges below `total`, sorted, never adjacent.
#[derive(Default)]
struct Gaps {
    ranges: Vec<(usize, usize)>,
    total: usize,
}

impl Gaps {
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let fits = self.ranges.iter().enumerate().filter(|(_, (start, end))| end - start >= bytes);
        if let Some((at, _)) = fits.min_by_key(|(_, (start, end))| end - start) {
            let (start, end) = &mut self.ranges[at];
            let offset = *start;
            *start += bytes;
            if start == end {
                self.ranges.remove(at);
            }
            return Some(offset);
        }
        // The last gap grows if it touches the end.
        let offset = match self.ranges.last() {
            Some(&(start, end)) if end == self.total => {
                self.ranges.pop();
                start
            }
            _ => self.total,
        };
        self.total = offset.checked_add(bytes).filter(|total| *total <= isize::MAX as usize)?;
        Some(offset)
    }

    fn give_back(&mut self, offset: usize, bytes: usize) {
        let at = self.ranges.partition_point(|(start, _)| *start < offset);
        self.ranges.insert(at, (offset, offset + bytes));
        if at + 1 < self.ranges.len() && self.ranges[at].1 == self.ranges[at + 1].0 {
            self.ranges[at].1 = self.ranges.remove(at + 1).1;
        }
        if at > 0 && self.ranges[at - 1].1 == self.ranges[at].0 {
            self.ranges[at - 1].1 = self.ranges.remove(at).1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_in_use_together_never_overlap(pieces in prop::collection::vec((0u32..40, 0u32..20, 0usize..1000), 0..60)) {
            let requests: Vec<Request> =
                pieces.iter().map(|&(first, more, bytes)| Request { lifetime: first..=first + more, bytes }).collect();
            let (offsets, total) = place(&requests).unwrap();
            let at = |now: u32| {
                let live = requests.iter().filter(|request| request.lifetime.contains(&now));
                live.map(|request| request.bytes.next_multiple_of(ALIGNMENT)).sum::<usize>()
            };
            prop_assert_eq!(live_bytes(&requests), Some((0..60).map(at).max().unwrap()));
            prop_assert!(total >= live_bytes(&requests).unwrap());
            for (n, a) in requests.iter().enumerate() {
                prop_assert_eq!(offsets[n] % ALIGNMENT, 0);
                prop_assert!(offsets[n] + a.bytes <= total);
                for (m, b) in requests.iter().enumerate().skip(n + 1) {
                    let together = a.lifetime.start() <= b.lifetime.end() && b.lifetime.start() <= a.lifetime.end();
                    let apart = offsets[n] + a.bytes <= offsets[m] || offsets[m] + b.bytes <= offsets[n];
                    prop_assert!(!together || apart || a.bytes == 0 || b.bytes == 0, "{} and {}", n, m);
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_two_places() {
        let chain: Vec<Request> = (0..100).map(|n| Request { lifetime: n..=n + 1, bytes: 4000 }).collect();
        assert_eq!(place(&chain).unwrap().1, 2 * 4032);
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        let huge = Request { lifetime: 0..=0, bytes: isize::MAX as usize };
        assert_eq!((place(&[huge.clone(), huge.clone()]), live_bytes(&[huge.clone(), huge])), (None, None));
        assert_eq!(place(&[Request { lifetime: 0..=0, bytes: usize::MAX }]), None);
    }
}
