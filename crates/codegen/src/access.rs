//! Where a load or store goes: one linear index instead of one per axis.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::rc::Rc;
use tracelift_kernel::loops::{Base, Block, Index, Kernel, LoopVar, Place, Reg, Stmt};
use tracelift_tensor::Dim;

/// The element number of a [`Place`]: `Σ coefficient · loop variable + Σ stride · register + offset`.
///
/// Variables of loops that run once are left out: they are 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub base: Base,
    pub terms: SmallVec<[(LoopVar, Dim); 4]>,
    pub indirect: SmallVec<[(Reg, Dim); 1]>,
    pub offset: Dim,
}

impl Access {
    /// By how many elements it moves when `var` goes up by one.
    pub(crate) fn coefficient(&self, var: LoopVar) -> Dim {
        self.terms.iter().find(|(v, _)| *v == var).map_or(Dim::from(0usize), |(_, c)| c.clone())
    }

    /// All sizes it is made of.
    pub(crate) fn dims(&self) -> impl Iterator<Item = &Dim> {
        let terms = self.terms.iter().map(|(_, dim)| dim);
        terms.chain(self.indirect.iter().map(|(_, dim)| dim)).chain([&self.offset])
    }
}

/// The extent of each loop variable.
pub(crate) fn loop_extents(kernel: &Kernel) -> Vec<Dim> {
    let mut extents = vec![Dim::from(1usize); kernel.loop_vars as usize];
    kernel.for_each_stmt(&mut |stmt| {
        if let Stmt::Loop(inner) = stmt {
            for (var, extent) in &inner.axes {
                extents[var.0 as usize] = extent.clone();
            }
        }
    });
    extents
}

/// The accesses of one kernel, each computed once.
pub(crate) struct Accesses<'k> {
    kernel: &'k Kernel,
    extents: Vec<Dim>,
    // Keyed by the address of the place inside the kernel, which is borrowed as long as this lives. Never iterated.
    known: FxHashMap<*const Place, Rc<Access>>,
}

impl<'k> Accesses<'k> {
    pub(crate) fn new(kernel: &'k Kernel) -> Self {
        Accesses { kernel, extents: loop_extents(kernel), known: FxHashMap::default() }
    }

    /// The extent of a loop variable.
    pub(crate) fn extent(&self, var: LoopVar) -> &Dim {
        &self.extents[var.0 as usize]
    }

    /// The access at `place`, which is part of the kernel.
    pub(crate) fn of(&mut self, place: &Place) -> Rc<Access> {
        if let Some(access) = self.known.get(&std::ptr::from_ref(place)) {
            return access.clone();
        }
        let access = Rc::new(self.linearize(place));
        self.known.insert(place, access.clone());
        access
    }

    /// Whether a loop over `inner` directly inside one over `outer` visits what one long loop over `inner` would.
    pub(crate) fn mergeable(&mut self, outer: LoopVar, inner: &(LoopVar, Dim), body: &Block) -> bool {
        let (var, extent) = inner;
        let follows = |of_outer: &Dim, of_inner: &Dim| *of_outer == of_inner * extent;
        let mut all = true;
        let mut pending = vec![body.stmts.iter()];
        while let Some(top) = pending.last_mut() {
            match top.next() {
                None => drop(pending.pop()),
                Some(Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. }) => {
                    let access = self.of(place);
                    all &= follows(&access.coefficient(outer), &access.coefficient(*var));
                }
                Some(Stmt::Index { value, .. }) => all &= follows(&value.coefficient(outer), &value.coefficient(*var)),
                Some(Stmt::Lane { .. }) => {}
                Some(Stmt::Loop(deeper)) => pending.push(deeper.body.stmts.iter()),
            }
        }
        // An extent of 1 drops its variable from all accesses, so the products above say nothing about it.
        all && !extent.is_one()
    }

    fn linearize(&self, place: &Place) -> Access {
        let mut access =
            Access { base: place.base, terms: SmallVec::new(), indirect: SmallVec::new(), offset: Dim::from(0usize) };
        let shape: SmallVec<[Dim; 4]> = match place.base {
            Base::Param(n) => self.kernel.params[n as usize].shape.iter().cloned().collect(),
            Base::Scratch(n) => SmallVec::from_iter([self.kernel.scratch[n as usize].extent.clone()]),
        };
        let mut stride = Dim::from(1usize);
        for (axis, index) in place.index.iter().enumerate().rev() {
            match index {
                Index::Indirect(reg) => access.indirect.push((*reg, stride.clone())),
                Index::Affine(affine) => {
                    access.offset = &access.offset + &(&affine.offset * &stride);
                    for (var, coefficient) in &affine.terms {
                        if self.extent(*var).is_one() {
                            continue;
                        }
                        let step = coefficient * &stride;
                        match access.terms.iter_mut().find(|(v, _)| v == var) {
                            Some((_, sum)) => *sum = &*sum + &step,
                            None => access.terms.push((*var, step)),
                        }
                    }
                }
            }
            if let Some(extent) = shape.get(axis) {
                stride = &stride * extent;
            }
        }
        access
    }
}
