//! Other numbers for the registers of a program.

use super::data::*;
use super::stacks::{StackItem, StackOp};

/// Register n becomes `numbers[n]`, a permutation.
pub(crate) fn renumber(program: &mut Program, numbers: &[u32]) {
    let old = program.registers.clone();
    for (n, dtype) in old.into_iter().enumerate() {
        program.registers[numbers[n] as usize] = dtype;
    }
    let set = |register: &mut RegisterId| register.0 = numbers[register.0 as usize];
    for result in &mut program.results {
        if let ResultPlace::Scalar(ScalarArg::Register(register)) = result {
            set(register);
        }
    }
    let mut pending: Vec<&mut Vec<Step>> = vec![&mut program.steps];
    while let Some(steps) = pending.pop() {
        for step in steps {
            visit(step, &set, &mut pending);
        }
    }
}

/// Visits the registers of a step, and leaves the blocks in it for later.
fn visit<'p>(step: &'p mut Step, set: &dyn Fn(&mut RegisterId), blocks: &mut Vec<&'p mut Vec<Step>>) {
    let arg = |arg: &mut ScalarArg| {
        if let ScalarArg::Register(register) = arg {
            set(register);
        }
    };
    match step {
        Step::Launch(launch) => {
            launch.scalars.iter_mut().for_each(arg);
            launch.results.iter_mut().for_each(set);
        }
        Step::Library(call) => call.epilogue.iter_mut().flat_map(|e| &mut e.scalars).for_each(arg),
        Step::Scalar { dst, args, .. } => {
            set(dst);
            args.iter_mut().for_each(arg);
        }
        Step::Dim { dst, .. } | Step::Read { dst, .. } => set(dst),
        Step::Write { value, .. } => arg(value),
        Step::Check { check, .. } => match check {
            Check::IndexBounds { index, .. } => arg(index),
            Check::Assert { condition, .. } => arg(condition),
            Check::Bounds { .. } | Check::AssertAll { .. } => {}
        },
        Step::Copy { .. } | Step::Swap { .. } | Step::Commit { .. } => {}
        Step::If { condition, then, otherwise, results } => {
            arg(condition);
            results.iter_mut().for_each(set);
            for block in [then, otherwise] {
                block.yields.iter_mut().for_each(arg);
                blocks.push(&mut block.steps);
            }
        }
        Step::Loop(inner) => {
            for (register, first) in &mut inner.carried {
                set(register);
                arg(first);
            }
            inner.results.iter_mut().for_each(set);
            for block in [&mut inner.condition, &mut inner.body] {
                block.yields.iter_mut().for_each(arg);
                blocks.push(&mut block.steps);
            }
        }
        Step::Stack(stack) => match &mut stack.op {
            StackOp::Push(StackItem::Scalar(value)) => arg(value),
            StackOp::PopScalar(register) | StackOp::Len(register) => set(register),
            StackOp::New | StackOp::Push(StackItem::Buffer(_)) | StackOp::PopBuffer(_) => {}
        },
        Step::Print { values, .. } => {
            for value in values {
                if let PrintArg::Scalar(value) = value {
                    arg(value);
                }
            }
        }
    }
}
