//! Kernels that run over each block of a matrix product's rows as soon as they are finished, while they are hot.
//!
//! A launch that reads a product row by row, and is the first to read it, becomes the product's epilogue: bias and
//! activation, the mask of a gradient, the update of a weight. The product moves down to where the launch stands, which
//! changes nothing: in between, nobody reads its result or writes its operands.

mod rows;

use crate::plan::uses::{self, Use};
use rows::{by_rows, stays_in_row};
use std::sync::Arc;
use tracelift_kernel::loops::Kernel;
use tracelift_kernel::program::{BufferId, Epilogue, Launch, LibraryCall, LibraryOp, Program, Step, StepBlock};

/// Makes epilogues of the launches that can be one.
pub fn epilogues(mut program: Program) -> Program {
    let launches = launch_counts(&program);
    let mut steps = std::mem::take(&mut program.steps);
    let mut pending: Vec<&mut Vec<Step>> = vec![&mut steps];
    while let Some(block) = pending.pop() {
        attach(&mut program, block, &launches);
        for step in block {
            match step {
                Step::If { then, otherwise, .. } => pending.extend([&mut then.steps, &mut otherwise.steps]),
                Step::Loop(inner) => {
                    let [StepBlock { steps: first, .. }, StepBlock { steps: second, .. }] =
                        [&mut inner.condition, &mut inner.body];
                    pending.extend([first, second]);
                }
                _ => {}
            }
        }
    }
    program.steps = steps;
    program
}

/// How many steps launch each kernel.
fn launch_counts(program: &Program) -> Vec<usize> {
    let mut counts = vec![0; program.kernels.len()];
    program.for_each_step(&mut |step| {
        if let Step::Launch(launch) = step {
            counts[launch.kernel.0 as usize] += 1;
        }
    });
    counts
}

/// Makes epilogues in one list of steps.
fn attach(program: &mut Program, steps: &mut Vec<Step>, launches: &[usize]) {
    if !steps.iter().any(|step| matches!(step, Step::Library(_))) {
        return;
    }
    let uses = uses::in_steps(program, steps);
    let mut gone = vec![false; steps.len()];
    for n in 0..steps.len() {
        let Step::Launch(launch) = &steps[n] else { continue };
        if launches[launch.kernel.0 as usize] != 1 {
            continue;
        }
        let Some((product, kernel)) = product_of(program, steps, &gone, &uses, n, launch) else { continue };
        let Step::Library(call) = &steps[product] else { unreachable!("it was found among the products") };
        let epilogue =
            Epilogue { kernel: launch.kernel, buffers: launch.buffers.clone(), scalars: launch.scalars.clone() };
        program.kernels[launch.kernel.0 as usize] = Arc::new(kernel);
        steps[n] = Step::Library(LibraryCall { epilogue: Some(epilogue), ..call.clone() });
        gone[product] = true;
    }
    let mut gone = gone.into_iter();
    steps.retain(|_| !gone.next().expect("there is one for each step"));
}

/// The last product whose epilogue the n-th step can be, and its kernel as one over the product's rows.
fn product_of(
    program: &Program,
    steps: &[Step],
    gone: &[bool],
    uses: &[Vec<Use>],
    n: usize,
    launch: &Launch,
) -> Option<(usize, Kernel)> {
    let kernel = program.kernel(launch.kernel);
    if !kernel.results.is_empty() || !kernel.scratch.is_empty() || kernel.can_fault() {
        return None;
    }
    let mut products: Vec<usize> = launch.buffers.iter().filter_map(|id| made_by(program, uses, *id, n)).collect();
    products.sort_unstable();
    products.dedup();
    products.into_iter().rev().filter(|&at| !gone[at]).find_map(|at| {
        let Step::Library(call) = &steps[at] else { return None };
        if call.epilogue.is_some() || !operands_stay(program, uses, call, at, n) {
            return None;
        }
        let LibraryOp::MatMul(spec) = &call.op else { return None };
        let kernel = by_rows(kernel, &(&spec.batch * &spec.m), &spec.n)?;
        let reads_result = |id: &BufferId| program.owner(*id) == program.owner(call.result);
        let mut ours = launch.buffers.iter().enumerate().filter(|(_, id)| reads_result(id));
        ours.all(|(param, _)| stays_in_row(&kernel, param)).then_some((at, kernel))
    })
}

/// The step that writes a buffer, if step `n` is the first one after it to touch the buffer.
fn made_by(program: &Program, uses: &[Vec<Use>], id: BufferId, n: usize) -> Option<usize> {
    let uses = &uses[program.owner(id).0 as usize];
    let reader = uses.partition_point(|u| u.step < n);
    let writer = uses.get(reader.checked_sub(1)?)?;
    (writer.writes && uses[reader].reads && !uses[reader].writes).then_some(writer.step)
}

/// Whether a product finds the same operands at step `n` as at step `at`.
fn operands_stay(program: &Program, uses: &[Vec<Use>], call: &LibraryCall, at: usize, n: usize) -> bool {
    call.operands.iter().all(|id| {
        let uses = &uses[program.owner(*id).0 as usize];
        let after = uses.partition_point(|u| u.step <= at);
        uses[after..].iter().take_while(|u| u.step <= n).all(|u| !u.writes)
    })
}
