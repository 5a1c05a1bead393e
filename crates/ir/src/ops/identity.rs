//! The same value again: as it is, or with nothing flowing back.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::EvalCx;
use crate::infer::{Infer, tensors};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Result};

/// The operand: results of traced functions end in it, and a watched tensor begins with it.
///
/// d x = dx
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity;

/// The operand, as a constant for differentiation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StopGradient;

macro_rules! identities {
    ($($op:ident $name:literal, |$cx:ident| $vjp:expr;)*) => {$(
        impl OpDef for $op {
            const NAMES: &'static [&'static str] = &[$name];

            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
                let [x] = tensors(x)?;
                Ok(Types::from_iter([x.clone().into()]))
            }

            fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
                Ok(vec![x[0].clone()])
            }

            fn vjp(&self, $cx: &mut Vjp<'_>) -> Result<VjpRule> {
                Ok(VjpRule::Local($vjp))
            }

            fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
                cx.push(self.clone())
            }

            fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
                Lowering::View
            }

            fn attributes(&self) -> Attrs {
                Attrs::new()
            }

            fn from_attributes(_: &str, _: &mut AttrReader<'_>) -> Result<Self> {
                Ok($op)
            }

            fn laws(&self, _: DType) -> Laws {
                Laws::NONE.idempotent()
            }

            fn samples() -> Vec<Sample> {
                let sample = |dtype, shape: &[usize]| Sample::new($op, vec![special_values(dtype, shape)]);
                let of = |dtype| {
                    [sample(dtype, &[13]).unknown_first_axis(), sample(dtype, &[0]), sample(dtype, &[1])]
                };
                DType::ALL.into_iter().flat_map(of).collect()
            }
        }
    )*};
}

identities! {
    Identity "identity", |cx| vec![cx.dy[0]];
    StopGradient "stop_gradient", |_cx| vec![None];
}
