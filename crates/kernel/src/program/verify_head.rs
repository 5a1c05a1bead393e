//! What a program declares: buffers and their roles, states, unknown sizes, names.

use super::data::*;
use super::verify::Verifier;
use crate::loops::{Stmt, sign};
use std::collections::HashSet;
use tracelift_tensor::{Dim, Shape};

/// Reports what is wrong with everything but the steps.
pub(super) fn verify_head(verifier: &mut Verifier<'_>) {
    let program = verifier.program;
    names(verifier);
    let mut numbered: HashSet<(std::mem::Discriminant<Role>, u32)> = HashSet::new();
    // The first buffer of each state, and which states have a next value.
    let (mut firsts, mut written) = (vec![None; program.states.len()], vec![false; program.states.len()]);
    for (n, buffer) in program.buffers.iter().enumerate() {
        role(verifier, n, buffer, &mut firsts);
        if let Role::NextState(state) = buffer.role
            && let Some(written) = written.get_mut(state as usize)
        {
            *written = true;
        }
        if let Role::Input(number) | Role::Output(number) | Role::State(number) | Role::NextState(number) = buffer.role
            && !numbered.insert((std::mem::discriminant(&buffer.role), number))
        {
            verifier.report_whole(format!("`${}` has the role of another buffer", buffer.name));
        }
    }
    for (state, next) in program.states.iter().zip(written) {
        if next != state.written {
            let what =
                if next { "has a next value and is not marked as written" } else { "is written and has no next value" };
            verifier.report_whole(format!("the state \"{}\" {what}", state.name));
        }
    }
    for place in &program.results {
        let exists = match place {
            ResultPlace::Buffer(id) => program.buffers.len() > id.0 as usize,
            ResultPlace::Scalar(ScalarArg::Register(register)) => program.registers.len() > register.0 as usize,
            ResultPlace::Scalar(ScalarArg::Const(_)) => true,
        };
        if !exists {
            verifier.report_whole(format!("a result does not exist: {place:?}"));
        }
    }
    unknowns(verifier);
}

fn names(verifier: &mut Verifier<'_>) {
    let program = verifier.program;
    // Sets are asked, never walked: their order shows nowhere.
    let mut seen = HashSet::new();
    for buffer in &program.buffers {
        if !seen.insert(&buffer.name) {
            verifier.report_whole(format!("there are two buffers called `${}`", buffer.name));
        }
    }
    let mut seen = HashSet::new();
    for kernel in &program.kernels {
        if !seen.insert(&kernel.name) {
            verifier.report_whole(format!("there are two kernels called `@{}`", kernel.name));
        }
    }
}

fn role<'p>(verifier: &mut Verifier<'p>, n: usize, buffer: &'p Buffer, firsts: &mut [Option<&'p Buffer>]) {
    let program = verifier.program;
    let name = &buffer.name;
    match &buffer.role {
        Role::View(of) => {
            let Some(whole) = program.buffers.get(of.0 as usize).filter(|_| (of.0 as usize) < n) else {
                return verifier
                    .report_whole(format!("`${name}` is a view of a buffer that is not declared before it"));
            };
            if matches!(whole.role, Role::Stack(_)) {
                return verifier.report_whole(format!("`${name}` is a view of a stack"));
            }
            if whole.dtype != buffer.dtype || differ(&whole.shape, &buffer.shape) {
                let (a, b) = (format!("{}{}", whole.dtype, whole.shape), format!("{}{}", buffer.dtype, buffer.shape));
                verifier.report_whole(format!("`${name}` shows {a} as {b}"));
            }
        }
        Role::Constant(array) => {
            let sizes = buffer.shape.known();
            if array.dtype() != buffer.dtype || sizes.is_none_or(|sizes| sizes.as_slice() != array.shape()) {
                let wanted = format!("{}{}", buffer.dtype, buffer.shape);
                verifier.report_whole(format!("`${name}` is {wanted}, its value {}", array.type_text()));
            }
        }
        Role::State(state) | Role::NextState(state) => {
            let Some(first) = firsts.get_mut(*state as usize) else {
                return verifier.report_whole(format!("`${name}` is of state {state}, which does not exist"));
            };
            let other = *first.get_or_insert(buffer);
            if other.dtype != buffer.dtype || differ(&other.shape, &buffer.shape) {
                let message = format!("`${name}` and `${}` are one state and have different types", other.name);
                verifier.report_whole(message);
            }
        }
        Role::Input(_) | Role::Output(_) | Role::Arena | Role::Stack(_) => {}
    }
}

/// Whether two shapes certainly have different numbers of elements.
pub(super) fn differ(a: &Shape, b: &Shape) -> bool {
    let (a, b) = (a.num_elements(), b.num_elements());
    match (a.known(), b.known()) {
        // The unknowns beside an empty array can be 0, too: a guard says so at the call.
        (Some(0), None) | (None, Some(0)) => false,
        _ => differ_by(&a, &b),
    }
}

/// Whether two sizes certainly differ, if no unknown is 0.
pub(super) fn differ_by(a: &Dim, b: &Dim) -> bool {
    sign(&(a - b)).is_some_and(|sign| sign != 0)
}

/// Every unknown is read from somewhere.
fn unknowns(verifier: &mut Verifier<'_>) {
    let program = verifier.program;
    let mut used: Vec<_> = program.buffers.iter().flat_map(|buffer| buffer.shape.syms()).collect();
    used.extend(program.buffers.iter().flat_map(|buffer| match &buffer.role {
        Role::Stack(Some(capacity)) => capacity.syms(),
        _ => vec![],
    }));
    used.extend(program.guards.iter().flat_map(|guard| guard.lhs.syms().into_iter().chain(guard.rhs.syms())));
    program.for_each_step(&mut |step| {
        if let Step::Dim { dim, .. } = step {
            used.extend(dim.syms());
        }
    });
    for kernel in &program.kernels {
        used.extend(kernel.params.iter().flat_map(|param| param.shape.syms()));
        used.extend(kernel.scratch.iter().flat_map(|scratch| scratch.extent.syms()));
        kernel.for_each_stmt(&mut |stmt| {
            if let Stmt::Loop(inner) = stmt {
                used.extend(inner.axes.iter().flat_map(|(_, extent)| extent.syms()));
            }
        });
    }
    used.sort();
    used.dedup();
    for sym in used {
        if !program.unknowns.iter().any(|unknown| unknown.sym == sym) {
            verifier.report_whole(format!("the size `{sym}` is read from no argument"));
        }
    }
}
