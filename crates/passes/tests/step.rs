//! A whole training step on its way from graph to program.

use tracelift_autodiff::gradients;
use tracelift_ir::{Builder, Graph, ParamRole, Type};
use tracelift_passes::{fuse, plan, schedule};
use tracelift_tensor::{Dim, F32};

/// One step of gradient descent of a two-layer network.
fn step() -> Graph {
    let mut b = Builder::new("step");
    let batch = Dim::sym("B");
    let tensor = |dims: Vec<Dim>| Type::tensor(F32, dims);
    let x = b.param("x", tensor(vec![batch.clone(), 8.into()]), ParamRole::Input);
    let t = b.param("t", tensor(vec![batch.clone(), 1.into()]), ParamRole::Input);
    let w1 = b.param("w1", tensor(vec![8.into(), 30.into()]), ParamRole::State);
    let b1 = b.param("b1", tensor(vec![30.into()]), ParamRole::State);
    let w2 = b.param("w2", tensor(vec![30.into(), 1.into()]), ParamRole::State);
    let h = b.matmul(x, w1).unwrap();
    let bias = b.broadcast(b1, vec![batch.clone(), 30.into()], &[1]).unwrap();
    let z = b.add(h, bias).unwrap();
    let zero = b.zeros_like(z).unwrap();
    let h = b.max(z, zero).unwrap();
    let y = b.matmul(h, w2).unwrap();
    let e = b.sub(y, t).unwrap();
    let e2 = b.mul(e, e).unwrap();
    let loss = b.sum(e2, &[0, 1], false).unwrap();
    let one = b.scalar_like(loss, 1.0).unwrap();
    let found = gradients(&mut b, &[(loss, one)], &[w1, b1, w2]).unwrap();
    for (n, (w, dw)) in [w1, b1, w2].into_iter().zip(found).enumerate() {
        let dw = dw.unwrap();
        let rate = b.scalar_like(dw, 0.01).unwrap();
        let scaled = b.mul(dw, rate).unwrap();
        let new = b.sub(w, scaled).unwrap();
        b.set_state(n + 2, new);
    }
    b.finish(&[loss]).unwrap()
}

#[test]
fn a_training_step_is_scheduled() {
    let graph = step();
    let fused = fuse(&graph).unwrap();
    println!("{graph}\n{fused}");
    for graph in [&graph, &fused] {
        let scheduled = schedule(graph).unwrap();
        println!("{scheduled}");
        let planned = plan(scheduled);
        println!("{planned}");
    }
}
