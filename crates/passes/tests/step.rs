//! A whole training step on its way from graph to program.

use tracelift_autodiff::gradients;
use tracelift_ir::{Builder, Graph, ParamRole, Type, evaluate};
use tracelift_kernel::program::Step;
use tracelift_passes::Pipeline;
use tracelift_tensor::{Array, Dim, F32};

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

/// Numbers without a pattern, in −1..1.
fn wave(shape: &[usize], phase: f32) -> Array {
    let count: usize = shape.iter().product();
    Array::new(shape, (0..count).map(|n| ((n * n) as f32 * 0.37 + n as f32 + phase).sin()).collect::<Vec<f32>>())
        .unwrap()
}

#[test]
fn fusion_changes_no_bit_of_a_training_step() {
    let graph = step();
    let fused = Pipeline::default().optimize(&graph, &mut |_, _| ()).unwrap();
    let shapes: [&[usize]; 5] = [&[32, 8], &[32, 1], &[8, 30], &[30], &[30, 1]];
    let inputs: Vec<Array> = shapes.iter().enumerate().map(|(n, shape)| wave(shape, n as f32)).collect();
    let (plain, fused) = (evaluate(&graph, &inputs).unwrap(), evaluate(&fused, &inputs).unwrap());
    assert!(plain.iter().zip(&fused).all(|(a, b)| a.bit_eq(b)), "{plain:?}\n{fused:?}");
}

#[test]
fn weights_are_written_where_they_live() {
    let program = Pipeline::default().lower(&step(), &mut |_, _| ()).unwrap();
    let commits = program.steps.iter().filter(|step| matches!(step, Step::Commit { .. })).count();
    assert_eq!(commits, 0, "{program}");
}

#[test]
fn programs_compute_what_the_graph_means() {
    let graph = step();
    let shapes: [&[usize]; 5] = [&[37, 8], &[37, 1], &[8, 30], &[30], &[30, 1]];
    let arrays: Vec<Array> = shapes.iter().enumerate().map(|(n, shape)| wave(shape, n as f32)).collect();
    let expected = evaluate(&graph, &arrays).unwrap();
    for fuse in [false, true] {
        let program = Pipeline { fuse }.lower(&graph, &mut |_, _| ()).unwrap();
        program.check().unwrap_or_else(|error| panic!("{error}\n{program}"));
        let mut states = arrays[2..].to_vec();
        let results = program.interpret(&arrays[..2], &mut states).unwrap();
        let all: Vec<&Array> = results.iter().chain(&states).collect();
        assert!(all.iter().zip(&expected).all(|(a, b)| a.bit_eq(b)), "{program}\n{all:?}\n{expected:?}");
    }
}
