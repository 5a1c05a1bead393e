//! The least and the greatest value of an affine index, as formulas.

use super::kernel::{Affine, LoopVar};
use tracelift_tensor::{Atom, Dim};

/// Says so if an index certainly leaves `0..extent` whenever the loops around it run.
pub(super) fn out_of_bounds(affine: &Affine, scope: &[(LoopVar, Dim)], extent: &Dim) -> Option<String> {
    let (least, greatest) = range(affine, scope)?;
    let below = least.known().is_some_and(|least| least < 0);
    let beyond = (&greatest - extent).known().is_some_and(|distance| distance >= 0);
    match (below, beyond) {
        (true, _) => Some(format!("the index `{affine}` is {least} at the least")),
        (_, true) => Some(format!("the index `{affine}` is {greatest} at the most, the axis has {extent} elements")),
        _ => None,
    }
}

/// The least and the greatest value; nothing where a sign is unknown or a loop never runs.
pub(super) fn range(affine: &Affine, scope: &[(LoopVar, Dim)]) -> Option<(Dim, Dim)> {
    if scope.iter().any(|(_, extent)| extent.is_zero()) {
        return None;
    }
    let (mut least, mut greatest) = (affine.offset.clone(), affine.offset.clone());
    for (var, coefficient) in &affine.terms {
        let (_, extent) = scope.iter().find(|(open, _)| open == var)?;
        let last = coefficient * (extent - 1i64);
        match sign(coefficient)? {
            0 => {}
            1.. => greatest += last,
            _ => least += last,
        }
    }
    Some((least, greatest))
}

/// The sign of a size if every unknown is at least 1, as far as it is certain.
pub(crate) fn sign(size: &Dim) -> Option<i32> {
    if let Some(n) = size.known() {
        return Some(n.signum() as i32);
    }
    let plain = |atom: &Atom| matches!(atom, Atom::Sym(_));
    let terms = size.terms();
    if terms.is_empty() || !terms.iter().all(|term| term.atoms.iter().all(plain)) {
        return None;
    }
    let positive = terms.iter().all(|term| term.coefficient > 0);
    let negative = terms.iter().all(|term| term.coefficient < 0);
    if positive { Some(1) } else { negative.then_some(-1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_those_for_sizes_from_one_on() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-3", Some(-1)),
            ("B", Some(1)),
            ("-2*A*B - B", Some(-1)),
            ("B - 1", None),
            ("B//2", None),
        ] {
            assert_eq!(sign(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
