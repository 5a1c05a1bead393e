//! The kernels that ops write, against their meaning.

use crate::op::Op;
use crate::{Builder, Lowering, ParamRole, evaluate};
use std::collections::BTreeSet;
use tracelift_kernel::lane::Scalar;
use tracelift_tensor::{Array, Binding, DType};

fn scalar(x: &Array) -> Scalar {
    match x.dtype() {
        DType::F32 => Scalar::F32(x.item().unwrap()),
        DType::F64 => Scalar::F64(x.item().unwrap()),
        DType::I32 => Scalar::I32(x.item().unwrap()),
        DType::I64 => Scalar::I64(x.item().unwrap()),
        DType::U8 => Scalar::U8(x.item().unwrap()),
        _ => Scalar::Bool(x.item().unwrap()),
    }
}

#[test]
fn kernels_give_the_bits_of_the_reference() {
    let mut seen = BTreeSet::new();
    for sample in Op::all_samples().into_iter().filter(|sample| !sample.fails) {
        let mut b = Builder::new("sample");
        let x: Vec<_> = sample.types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let y = b.push(sample.op.clone(), &x).unwrap();
        let y_type = b.ty(y).clone();
        if y_type.as_tensor().is_none() {
            continue;
        }
        let Lowering::Kernel(custom) = sample.op.lowering(&sample.types, std::slice::from_ref(&y_type)) else {
            continue;
        };
        let graph = b.finish(&[y]).unwrap();
        let text = format!("{graph}{}", custom.kernel);
        let sizes: Binding = graph
            .unknowns()
            .into_iter()
            .map(|(sym, param, axis)| (sym, sample.inputs[param].shape()[axis] as i64))
            .collect();
        let expect = evaluate(&graph, &sample.inputs).unwrap();
        // The operand that the result starts as is not read by the kernel itself.
        let inputs = || sample.inputs.iter().enumerate().filter(|(n, _)| custom.starts_as != Some(*n)).map(|(_, x)| x);
        let mut buffers: Vec<Array> = inputs().filter(|x| x.rank() > 0).cloned().collect();
        let scalars: Vec<Scalar> = inputs().filter(|x| x.rank() == 0).map(scalar).collect();
        buffers.push(match custom.starts_as {
            Some(operand) => sample.inputs[operand].clone(),
            None => Array::zeros(expect[0].dtype(), expect[0].shape()).unwrap(),
        });
        custom.kernel.interpret(&mut buffers, &scalars, &sizes).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let result = buffers.last().unwrap();
        assert!(result.bit_eq(&expect[0]), "{result:?} is not {:?}\n{text}", expect[0]);
        seen.insert(sample.op.name());
    }
    let wanted = [
        "concat",
        "cumprod",
        "cumsum",
        "gather",
        "overlap_add",
        "pad",
        "random_bits",
        "random_normal",
        "random_uniform",
        "scatter_add",
        "scatter_set",
        "update_slice",
    ];
    assert!(seen.iter().eq(wanted.iter()), "{seen:?}");
}
