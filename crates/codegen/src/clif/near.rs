//! Operations whose form over vectors holds near zero only: sines, cosines and tangents.

use super::ops::{Clif, Form};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use tracelift_kernel::meaning::{Ops, is_near};
use tracelift_tensor::Result;

/// Whether all lanes of all vectors are near, as an `i8`.
pub(super) fn all_near<W: Form>(b: &mut FunctionBuilder<'_>, x: &[Value]) -> Value {
    let mut clif = Clif::<W>::vector(b);
    let mut all = is_near(&mut clif, x[0]);
    for x in &x[1..] {
        let near = is_near(&mut clif, *x);
        all = clif.mand(all, near);
    }
    b.ins().vall_true(all)
}

/// A scalar by the form of `near` if it is near, else by that of `far`.
pub(super) fn near_or_far<W: Form>(
    b: &mut FunctionBuilder<'_>,
    x: Value,
    near: impl FnOnce(&mut FunctionBuilder<'_>) -> Value,
    far: impl FnOnce(&mut FunctionBuilder<'_>) -> Result<Value>,
) -> Result<Value> {
    let [close, distant, join] = [(); 3].map(|()| b.create_block());
    b.append_block_param(join, W::FLOAT);
    let is_near = is_near(&mut Clif::<W>::scalar(b), x);
    b.ins().brif(is_near, close, &[], distant, &[]);
    b.set_cold_block(distant);
    b.seal_block(close);
    b.switch_to_block(close);
    let y = near(b);
    b.ins().jump(join, &[y.into()]);
    b.seal_block(distant);
    b.switch_to_block(distant);
    let y = far(b)?;
    b.ins().jump(join, &[y.into()]);
    b.seal_block(join);
    b.switch_to_block(join);
    Ok(b.block_params(join)[0])
}
