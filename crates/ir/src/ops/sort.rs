//! The order of elements.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, with_raw};
use crate::infer::{Infer, one, tensors};
use crate::laws::Laws;
use crate::lowering::{Library, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, plain_values, special_values, zeros_of_both_signs};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::meaning::{SortRoom, argsort};
use tracelift_tensor::{Array, DType, Error, Result};

/// For each row of the last axis, where its elements are in ascending order, as i32; with `descending`, the largest first.
///
/// Equal elements keep their order, -0 is 0, and a NaN is larger than any number. What is sorted is picked by the
/// positions, and gradients go the way back; the positions themselves do not change when elements change a little.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ArgSort {
    /// Whether the largest come first.
    pub descending: bool,
}

impl OpDef for ArgSort {
    const NAMES: &'static [&'static str] = &["argsort"];

    fn name(&self) -> &'static str {
        "argsort"
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        let Some(n) = x.shape.iter().next_back() else {
            return Err(Error::invalid(format!("has no axis along which to sort {x}")));
        };
        if n.known().is_some_and(|n| i32::try_from(n).is_err()) {
            return Err(Error::invalid(format!("numbers positions in i32, too few for the last axis of {x}")));
        }
        Ok(one(DType::I32, x.shape.clone()))
    }

    fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut y = Array::zeros(DType::I32, x[0].shape())?;
        let n = x[0].shape().last().copied().unwrap_or(0);
        if i32::try_from(n).is_err() {
            return Err(Error::invalid(format!("numbers positions in i32, too few for {n} elements")));
        }
        let mut room = SortRoom::default();
        with_raw!(x[0].dtype(), T => {
            let rows = x[0].as_slice::<T>().chunks_exact(n.max(1));
            for (row, places) in rows.zip(y.as_mut_slice::<i32>().chunks_exact_mut(n.max(1))) {
                argsort(row, self.descending, &mut room, places);
            }
        });
        Ok(vec![y])
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Local(vec![None]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(*self)
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Library(Library::ArgSort(*self))
    }

    fn attributes(&self) -> Attrs {
        if self.descending { Attrs::new().flag("descending", true) } else { Attrs::new() }
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let descending = if attrs.has("descending") { attrs.flag("descending")? } else { false };
        Ok(ArgSort { descending })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for descending in [false, true] {
            let sample = |x: Array| Sample::new(ArgSort { descending }, vec![x]);
            samples.extend(DType::ALL.into_iter().flat_map(|dtype| {
                [sample(special_values(dtype, &[3, 17])), sample(plain_values(dtype, &[4, 5])).unknown_first_axis()]
            }));
            samples.extend([
                sample(special_values(DType::F32, &[40])).unknown_first_axis(),
                sample(zeros_of_both_signs(DType::F64, &[5])),
                sample(special_values(DType::F32, &[2, 0])),
                sample(special_values(DType::F32, &[0, 2])),
                sample(special_values(DType::F32, &[3, 1])),
                sample(plain_values(DType::F32, &[2, 3000])),
            ]);
        }
        let x = Array::vector([2.0f32, f32::NAN, -0.0, 2.0, 0.0, f32::NEG_INFINITY]).expect("a few numbers fit");
        let order = |places: [i32; 6]| vec![Array::vector(places).expect("a few numbers fit")];
        samples.push(Sample::new(ArgSort { descending: false }, vec![x.clone()]).gives(order([5, 2, 4, 0, 3, 1])));
        samples.push(Sample::new(ArgSort { descending: true }, vec![x]).gives(order([1, 0, 3, 2, 4, 5])));
        samples
    }
}
