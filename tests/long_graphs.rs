//! Graphs of 100,000 nodes pass through everything on a small stack, and in seconds: a walk that is quadratic would
//! take hours here.

use tracelift_autodiff::grad;
use tracelift_ir::{Builder, Graph, ParamRole, Type, evaluate};
use tracelift_passes::Pipeline;
use tracelift_tensor::{Array, Dim, F32};
use tracelift_testkit::graphs::summed;

const NODES: usize = 100_000;

/// Runs on the stack that a thread of a modest machine has.
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(body).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// `x` after many steps; every other step reads `x` itself, too.
fn chain(ty: Type, nodes: usize) -> Graph {
    let mut b = Builder::new("chain");
    let x = b.param("x", ty, ParamRole::Input);
    let mut y = x;
    for n in 0..nodes {
        y = if n % 2 == 0 { b.max(y, x) } else { b.neg(y) }.unwrap();
    }
    b.finish(&[y]).unwrap()
}

#[test]
fn chains_of_numbers() {
    on_a_small_stack(|| {
        let graph = chain(Type::scalar(F32), NODES);
        let program = Pipeline::default().lower(&graph, &mut |_, _| {}).unwrap();
        assert_eq!(program.kernels.len(), 0);
        let x = [Array::scalar(-2.0f32)];
        assert_eq!(program.interpret(&x, &mut []).unwrap(), evaluate(&graph, &x).unwrap());
    });
}

#[test]
fn chains_of_arrays() {
    on_a_small_stack(|| {
        let graph = chain(Type::tensor(F32, [Dim::sym("B")]), NODES);
        let program = Pipeline::default().lower(&graph, &mut |_, _| {}).unwrap();
        let x = [Array::vector([-2.0f32, 0.5]).unwrap()];
        assert_eq!(program.interpret(&x, &mut []).unwrap(), evaluate(&graph, &x).unwrap());
    });
}

#[test]
fn chains_without_fusion() {
    on_a_small_stack(|| {
        // A kernel and a step for each node, which the verifier reads after every stage.
        let graph = chain(Type::tensor(F32, [Dim::sym("B")]), NODES / 5);
        let program = Pipeline { fuse: false }.lower(&graph, &mut |_, _| {}).unwrap();
        assert!(program.steps.len() >= NODES / 10);
    });
}

#[test]
fn gradients_of_chains() {
    on_a_small_stack(|| {
        // About five nodes of the gradient for each of the chain.
        let graph = summed(&chain(Type::tensor(F32, [Dim::sym("B")]), NODES / 5)).unwrap();
        let gradient = grad(&graph, &[0]).unwrap();
        let lowered = Pipeline::default().optimize(&gradient, &mut |_, _| {}).unwrap();
        let x = [Array::vector([-2.0f32, 0.5]).unwrap()];
        assert_eq!(evaluate(&lowered, &x).unwrap(), evaluate(&gradient, &x).unwrap());
    });
}

/// Many variables, each changed by a step of its own.
#[test]
fn many_states() {
    on_a_small_stack(|| {
        let mut b = Builder::new("states");
        let rate = b.param("rate", Type::tensor(F32, [4]), ParamRole::Input);
        for n in 1..NODES / 20 {
            let w = b.param(format!("w{n}"), Type::tensor(F32, [4]), ParamRole::State);
            let step = b.mul(w, rate).unwrap();
            let new = b.sub(w, step).unwrap();
            b.set_state(n, new);
        }
        let program = Pipeline::default().lower(&b.finish(&[rate]).unwrap(), &mut |_, _| {}).unwrap();
        assert_eq!(program.states.len(), NODES / 20 - 1);
    });
}
