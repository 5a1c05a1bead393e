//! Nothing that a user can say makes an op panic.

use crate::op::Op;
use crate::{Attr, Attrs, Builder, ParamRole, Sample, Type, Vjp, evaluate};
use proptest::prelude::*;
use std::sync::LazyLock;
use tracelift_tensor::{Array, DType, Dim, Shape};

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(Op::all_samples);

const ABSURD: [i64; 6] = [i64::MIN, i64::MAX, i64::MIN + 1, 1 << 40, -(1 << 40), 1 << 62];

/// A size: mostly small, sometimes absurd, sometimes unknown.
fn dim() -> impl Strategy<Value = Dim> {
    prop_oneof![
        6 => (-3i64..6).prop_map(Dim::from),
        1 => prop::sample::select(ABSURD.to_vec()).prop_map(Dim::from),
        1 => Just(Dim::sym("B")),
        1 => (-2i64..3).prop_map(|n| Dim::sym("B") + n),
        1 => Just(Dim::sym("C") * 2),
    ]
}

/// A change of one attribute: which one, and what its numbers become.
fn change() -> impl Strategy<Value = (prop::sample::Index, Vec<Dim>, prop::sample::Index)> {
    (any::<prop::sample::Index>(), prop::collection::vec(dim(), 0..5), any::<prop::sample::Index>())
}

fn changed(attributes: &Attrs, which: usize, numbers: &[Dim], word: usize) -> Attrs {
    let words = ["f32", "f64", "i32", "i64", "u8", "bool", "lanes", "chain", "x"];
    let mut result = Attrs::new();
    for (n, (name, attribute)) in attributes.iter().enumerate() {
        let new = match attribute {
            other if n != which => other.clone(),
            Attr::Dim(_) => Attr::Dim(numbers.first().cloned().unwrap_or_default()),
            Attr::List(_) => Attr::List(numbers.to_vec()),
            Attr::Bool(value) => Attr::Bool(!value),
            Attr::Word(_) => Attr::Word(words[word % words.len()].into()),
            other => other.clone(),
        };
        result = result.with(name, new);
    }
    result
}

fn any_type() -> impl Strategy<Value = Type> {
    let tensor = (prop::sample::select(DType::ALL.to_vec()), prop::collection::vec(0i64..4, 0..4))
        .prop_map(|(dtype, dims)| Type::tensor(dtype, dims.into_iter().collect::<Shape>()));
    let stack = tensor.clone().prop_map(|ty| Type::Stack(ty.as_tensor().expect("a tensor").clone()));
    prop_oneof![9 => tensor, 1 => stack, 1 => Just(Type::Token)]
}

/// Zeros of a type whose sizes are all known and small.
fn zeros(ty: &Type) -> Option<Array> {
    let dims = ty.as_tensor()?.shape.known()?;
    Array::zeros(ty.dtype(), dims).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn attributes_and_types_may_be_anything(
        which in any::<prop::sample::Index>(),
        (attribute, numbers, word) in change(),
        change_types in prop::collection::vec((any::<prop::sample::Index>(), any_type()), 0..2),
    ) {
        let sample = &SAMPLES[which.index(SAMPLES.len())];
        let attributes = sample.op.attributes();
        let count = attributes.iter().count().max(1);
        let attributes = changed(&attributes, attribute.index(count), &numbers, word.index(9));
        let Ok(op) = Op::from_attributes(sample.op.name(), &attributes) else { return Ok(()) };
        let mut types = sample.types.clone();
        for (which, ty) in change_types {
            if !types.is_empty() {
                let n = which.index(types.len());
                types[n] = ty;
            }
        }
        let mut b = Builder::new("fuzz");
        let x: Vec<_> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let Ok(y) = b.push_multi(op.clone(), &x) else { return Ok(()) };
        let results: Vec<Type> = y.iter().map(|y| b.ty(*y).clone()).collect();
        op.lowering(&types, &results);
        let mut cotangent = |ty: &Type| ty.is_float().then(|| b.param("", ty.clone(), ParamRole::Input));
        let dy: Vec<_> = results.iter().map(&mut cotangent).collect();
        let rule = op.vjp(&mut Vjp { b: &mut b, x: &x, y: &y, dy: &dy });
        prop_assert!(rule.is_ok(), "{:?} on {:?}: {:?}", op, types, rule);
        let small = |ty: &Type| ty.as_tensor().is_none_or(|tensor| {
            tensor.shape.iter().all(|dim| dim.known().is_none_or(|n| n < 1000))
        });
        let graph = b.finish(&y).unwrap();
        if results.iter().all(small) && graph.unknowns().len() <= 2 {
            let mut inputs = sample.inputs.clone();
            inputs.extend(results.iter().filter(|ty| ty.is_float()).filter_map(zeros));
            let _ = evaluate(&graph, &inputs);
        }
    }
}
