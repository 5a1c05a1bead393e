//! Whether iterations that may run in any order keep out of each other's way.
//!
//! The rule is conservative. Under a `par` or `reduce` variable `%i`, all accesses of a buffer that is stored to have
//! one axis in common whose index is `c·%i + (outer variables, offset) + (inner variables)`, equal in all of them up to
//! the inner variables, with a `c` that is not 0 and larger than what the inner variables can add. So different `%i`
//! reach different elements, and no iteration sees what another one stores.

use super::kernel::*;
use super::print::LoopVarText;
use super::range::sign;
use crate::mistake::Mistake;
use tracelift_tensor::Dim;

/// A mistake for each loop variable and buffer that break the rule.
pub(super) fn shared_stores(kernel: &Kernel) -> Vec<Mistake> {
    let accesses = accesses(kernel);
    let mut mistakes = vec![];
    let mut done: Vec<(LoopVar, Base)> = vec![];
    for store in accesses.iter().filter(|access| access.is_store) {
        // Scratch rows are new in each iteration of the outermost loop.
        let outermost = if matches!(store.place.base, Base::Scratch(_)) { store.outermost_axes() } else { 0 };
        let several = |level: &&Level| level.any_order && level.extent.known().is_none_or(|n| n > 1);
        for level in store.scope.iter().skip(outermost).filter(several) {
            let key = (level.var, store.place.base);
            if !done.contains(&key) {
                done.push(key);
                mistakes.extend(verify_pair(kernel, level.var, store.place.base, &accesses));
            }
        }
    }
    mistakes
}

/// One loop variable around an access.
#[derive(Clone)]
pub(super) struct Level {
    pub(super) var: LoopVar,
    extent: Dim,
    any_order: bool,
    /// How many variables its loop has.
    axes: usize,
}

/// A load or a store.
pub(super) struct Access<'k> {
    stmt: &'k Stmt,
    pub(super) place: &'k Place,
    is_store: bool,
    /// Its position in its block, of that block's loop in its block…, outermost first.
    pub(super) path: Vec<usize>,
    /// The loops around it.
    pub(super) scope: Vec<Level>,
}

/// All loads and stores of a kernel, in program order.
pub(super) fn accesses(kernel: &Kernel) -> Vec<Access<'_>> {
    let mut accesses = vec![];
    collect(&kernel.body, &mut vec![], &mut vec![], &mut accesses);
    accesses
}

impl Access<'_> {
    fn outermost_axes(&self) -> usize {
        self.scope.first().map_or(0, |level| level.axes)
    }
}

fn collect<'k>(block: &'k Block, path: &mut Vec<usize>, scope: &mut Vec<Level>, out: &mut Vec<Access<'k>>) {
    for (n, stmt) in block.stmts.iter().enumerate() {
        path.push(n);
        match stmt {
            Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } => {
                let is_store = matches!(stmt, Stmt::Store { .. });
                out.push(Access { stmt, place, is_store, path: path.clone(), scope: scope.clone() });
            }
            Stmt::Loop(inner) => {
                let depth = scope.len();
                let (any_order, axes) = (inner.kind != LoopKind::Seq, inner.axes.len());
                scope.extend(inner.axes.iter().map(|(var, extent)| Level {
                    var: *var,
                    extent: extent.clone(),
                    any_order,
                    axes,
                }));
                collect(&inner.body, path, scope, out);
                scope.truncate(depth);
            }
            Stmt::Lane { .. } | Stmt::Index { .. } => {}
        }
        path.pop();
    }
}

/// An axis that tells iterations apart, and its index without the inner variables.
pub(super) type Carrier = (usize, Affine);

fn verify_pair(kernel: &Kernel, var: LoopVar, base: Base, accesses: &[Access<'_>]) -> Option<Mistake> {
    let inside = |access: &&Access<'_>| access.place.base == base && access.scope.iter().any(|level| level.var == var);
    let var_text = LoopVarText(var);
    let mut common: Option<Vec<Carrier>> = None;
    for access in accesses.iter().filter(inside) {
        let carriers = carriers(access, var);
        if carriers.is_empty() {
            let what = if access.is_store { "this stores to" } else { "this reads, from a buffer that is stored to," };
            let message = format!(
                "iterations of `{var_text}` are not kept apart: {what} elements that other iterations may store to"
            );
            return Some(kernel.mistake(&access.path, access.stmt, message));
        }
        let kept = match common {
            None => carriers,
            Some(mut before) => {
                before.retain(|carrier| carriers.contains(carrier));
                before
            }
        };
        if kept.is_empty() {
            let message =
                format!("an iteration of `{var_text}` reaches elements here that another one reaches elsewhere");
            return Some(kernel.mistake(&access.path, access.stmt, message));
        }
        common = Some(kept);
    }
    None
}

/// The axes by which an access tells the iterations of one variable apart.
pub(super) fn carriers(access: &Access<'_>, var: LoopVar) -> Vec<Carrier> {
    let at = access.scope.iter().position(|level| level.var == var).expect("the access is inside of the loop");
    // Variables of the same loop are told apart by their own turn of the rule.
    let inner = &access.scope[at + 1..];
    let mut found = vec![];
    for (axis, index) in access.place.index.iter().enumerate() {
        let Index::Affine(affine) = index else { continue };
        let own = affine.coefficient(var);
        let Some(own_sign) = sign(&own).filter(|sign| *sign != 0) else { continue };
        let size = &own * i64::from(own_sign);
        let mut kept = Affine { terms: Default::default(), offset: affine.offset.clone() };
        // How far the inner variables reach; nothing if that is uncertain.
        let mut reach = Some(Dim::ZERO);
        for (other, coefficient) in &affine.terms {
            match inner.iter().find(|level| level.var == *other) {
                None => kept.terms.push((*other, coefficient.clone())),
                Some(level) => {
                    let magnitude = sign(coefficient).map(|sign| coefficient * i64::from(sign));
                    reach = reach.zip(magnitude).map(|(reach, m)| reach + m * (&level.extent - 1i64));
                }
            }
        }
        let alone = kept.terms.len() == affine.terms.len();
        // With `reach < size` the inner variables cannot bridge one step of `var`.
        let apart = |reach: Dim| (&size - reach - 1i64).known().is_some_and(|rest| rest >= 0);
        if alone || reach.is_some_and(apart) {
            kept.terms.sort_by_key(|(var, _)| *var);
            found.push((axis, kept));
        }
    }
    found
}
