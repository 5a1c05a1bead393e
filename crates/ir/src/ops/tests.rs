//! Every op on its samples, and whether its samples say enough.

use crate::eval::Evaluator;
use crate::op::Op;
use crate::sample::Sample;
use crate::{Builder, Infer, ParamRole, Type, evaluate};
use std::collections::BTreeMap;
use tracelift_tensor::DType;

#[test]
fn samples_run_through_graphs_and_alone() {
    for sample in Op::all_samples() {
        let text = format!("{:?} on {:?}", sample.op, sample.types);
        let mut b = Builder::new("sample");
        let x: Vec<_> = sample.types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let made = b.push_multi(sample.op.clone(), &x);
        if sample.fails && made.is_err() {
            continue;
        }
        let results = made.unwrap_or_else(|error| panic!("{text}: {error}"));
        let graph = b.finish(&results).unwrap();
        let given = Evaluator::with_print(|_| ()).evaluate(&graph, &sample.inputs);
        if sample.fails {
            assert!(given.is_err(), "{text} is not refused");
            continue;
        }
        let given = given.unwrap_or_else(|error| panic!("{text}: {error}"));
        // Attributes may hold sizes that only a graph can know; tokens and stacks exist in graphs alone.
        let alone = match graph.unknowns().is_empty()
            && sample.types.iter().chain(graph.result_types()).all(|ty| ty.as_tensor().is_some())
        {
            true => Evaluator::new().apply(&sample.op, &sample.inputs).unwrap(),
            false => given.clone(),
        };
        for (i, array) in given.iter().enumerate() {
            assert!(array.bit_eq(&alone[i]), "{text}");
            let expect = sample.expect.as_ref().map(|expect| &expect[i]);
            assert!(expect.is_none_or(|expect| array.bit_eq(expect)), "{text} is {array:?} and not {expect:?}");
        }
    }
}

/// What an op's samples reach.
#[derive(Default)]
struct Reach {
    samples: Vec<Sample>,
    empty: bool,
    one: bool,
    unknown: bool,
}

#[test]
fn samples_reach_every_dtype_and_every_kind_of_axis() {
    let mut reached: BTreeMap<&'static str, Reach> = BTreeMap::new();
    for sample in Op::all_samples() {
        let reach = reached.entry(sample.op.name()).or_default();
        let mut b = Builder::new("sample");
        let x: Vec<_> = sample.types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let results = b.push_multi(sample.op.clone(), &x).map(|y| y.iter().map(|y| b.ty(*y).clone()).collect());
        let results: Vec<Type> = results.unwrap_or_default();
        for tensor in sample.types.iter().chain(&results).filter_map(Type::held) {
            reach.empty |= tensor.shape.iter().any(|dim| dim.is_zero());
            reach.one |= tensor.shape.iter().any(|dim| dim.is_one());
            reach.unknown |= tensor.shape.iter().any(|dim| dim.known().is_none());
        }
        reach.samples.push(sample);
    }
    // What has no axes, or none that could be unknown in a graph of its own.
    let without_axes = ["parameter", "token"];
    let all_known = ["const", "iota", "random_bits", "random_uniform", "random_normal", "stack_new"];
    for name in Op::names() {
        if without_axes.contains(&name) {
            continue;
        }
        let reach = reached.get(name).unwrap_or_else(|| panic!("`{name}` has no samples"));
        assert!(reach.empty, "no sample of `{name}` has an empty axis");
        assert!(reach.one, "no sample of `{name}` has an axis of one");
        assert!(
            reach.unknown || all_known.contains(&name) || name == "print" || name == "assert",
            "no sample of `{name}` has an unknown axis"
        );
        for dtype in DType::ALL {
            let accepts = reach.samples.iter().any(|sample| accepts(sample, dtype));
            let has = reach.samples.iter().any(|sample| sample.types.iter().any(|ty| is(ty, dtype)));
            assert!(has || !accepts, "`{name}` accepts {dtype}, but no sample has it");
        }
    }
}

fn is(ty: &Type, dtype: DType) -> bool {
    ty.as_tensor().is_some_and(|tensor| tensor.dtype == dtype)
}

/// Whether the op takes the sample's operands with all those of the first dtype turned into another.
fn accepts(sample: &Sample, dtype: DType) -> bool {
    let owns_regions = !sample.op.regions().is_empty();
    let Some(first) = sample.types.iter().find_map(Type::as_tensor).map(|tensor| tensor.dtype) else { return false };
    let turn = |ty: &Type| if is(ty, first) { ty.with_dtype(dtype) } else { ty.clone() };
    let types: Vec<Type> = sample.types.iter().map(turn).collect();
    !owns_regions && sample.op.infer(&mut Infer::new(), &types).is_ok()
}

#[test]
fn attributes_make_the_op_again() {
    for sample in Op::all_samples() {
        let again = Op::from_attributes(sample.op.name(), &sample.op.attributes());
        assert_eq!(again.unwrap(), sample.op);
    }
}

#[test]
fn integer_division_by_zero_is_an_error() {
    use tracelift_tensor::{Array, ErrorKind};
    let (x, zero) = (Array::vector([7i32]).unwrap(), Array::vector([0i32]).unwrap());
    for op in [Op::from(crate::ops::FloorDiv), crate::ops::Rem.into()] {
        let error = Evaluator::new().apply(&op, &[x.clone(), zero.clone()]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
    }
    let text = "func @f(%x: i32[1], %y: i32[1]) -> i32[1] { %0 = floor_div %x, %y : i32[1] return %0 }";
    let error = evaluate(&crate::Graph::parse(text).unwrap(), &[x, zero]).unwrap_err();
    assert_eq!(error.to_string(), "`floor_div` divides by zero at element 0");
}

#[test]
fn empty_arrays_of_any_shape_are_harmless() {
    use crate::ops::*;
    use tracelift_tensor::{Array, F32};
    let huge = 1usize << 40;
    let empty = |shape: &[usize]| Array::zeros(F32, shape).unwrap();
    let x = empty(&[huge, huge, 0]);
    let shape = |op: Op, x: &[Array]| Evaluator::new().apply(&op, x).map(|y| y[0].shape().to_vec());
    let transpose = Transpose { order: Axes::from_slice(&[2, 0, 1]) };
    assert_eq!(shape(transpose.into(), std::slice::from_ref(&x)).unwrap(), [0, huge, huge]);
    assert_eq!(shape(Concat { axis: 2 }.into(), &[x.clone(), x.clone()]).unwrap(), [huge, huge, 0]);
    let sum = Reduce::new(tracelift_kernel::meaning::ReduceKind::Sum, &[0, 1], false, 3);
    assert_eq!(shape(sum.into(), std::slice::from_ref(&x)).unwrap(), [0]);
    let all = Reduce::new(tracelift_kernel::meaning::ReduceKind::Sum, &[2], false, 3);
    assert!(shape(all.into(), std::slice::from_ref(&x)).is_err(), "2^80 sums cannot be");
    let product = DotGeneral::matmul(2, 2);
    assert_eq!(shape(product.into(), &[empty(&[0, huge]), empty(&[huge, 0])]).unwrap(), [0, 0]);
    let indices = Array::vector([0i32]).unwrap();
    assert_eq!(
        shape(Gather { axis: 2, batch: 0 }.into(), &[empty(&[huge, huge, 4, 0]), indices]).unwrap(),
        [huge, huge, 1, 0]
    );
    let repeat = Broadcast { shape: [huge, huge].into(), axes: Axes::new() };
    assert!(shape(repeat.into(), &[Array::scalar(1.0f32)]).is_err());
}
