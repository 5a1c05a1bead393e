//! The numbers of named things: `%7` keeps its number, other names take those that are left.

/// Numbers things in the order of their first mention.
///
/// A name that is a number (behind `prefix`) asks for just that number. If all such wishes can be met by the numbers
/// from 0 up to how many things there are, they are, and the other things take the rest in order; else all are
/// numbered in order. So a printed text is read back with equal numbers, and a written one may use any names.
pub(crate) fn number_names<'n>(names: impl ExactSizeIterator<Item = &'n str> + Clone, prefix: &str) -> Vec<u32> {
    let count = names.len();
    let mut taken = vec![false; count];
    let granted = names.clone().filter_map(|name| own_number(name, prefix)).all(|n| {
        let free = taken.get(n as usize) == Some(&false);
        if free {
            taken[n as usize] = true;
        }
        free
    });
    if !granted {
        return (0..count as u32).collect();
    }
    let mut free = (0..count as u32).filter(|n| !taken[*n as usize]);
    names
        .map(|name| own_number(name, prefix).unwrap_or_else(|| free.next().expect("as many numbers as names")))
        .collect()
}

/// The number that a name stands for: `7`, or `i7` with the prefix `i`.
pub(crate) fn own_number(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let canonical = digits == "0" || !digits.starts_with('0');
    if canonical && digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_and_names_fill_the_gaps() {
        for (names, numbers) in [
            (&["lr", "2", "0"][..], &[1, 2, 0][..]),
            (&["5", "x"], &[0, 1]),
            (&["1", "1"], &[0, 1]),
            (&["01", "a"], &[0, 1]),
            (&[], &[]),
        ] {
            assert_eq!(number_names(names.iter().copied(), ""), numbers, "{names:?}");
        }
        assert_eq!(number_names(["j", "i0"].into_iter(), "i"), [1, 0]);
    }
}
