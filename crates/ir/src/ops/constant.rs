//! Literals.

use crate::attrs::{Attr, AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::EvalCx;
use crate::infer::{Infer, wrong_count};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::hash::{Hash, Hasher};
use tracelift_tensor::{Array, DType, Result};

/// A literal array; texts show all its elements.
///
/// Equal constants have equal bits, and all NaNs are one.
#[derive(Clone, Debug)]
pub struct Constant {
    value: Array,
}

impl Constant {
    /// A literal.
    pub fn new(mut value: Array) -> Constant {
        // One NaN, so that equality and hash can go by bytes.
        match value.dtype() {
            DType::F32 if value.as_slice::<f32>().iter().any(|x| x.is_nan()) => {
                value.as_mut_slice::<f32>().iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = f32::NAN);
            }
            DType::F64 if value.as_slice::<f64>().iter().any(|x| x.is_nan()) => {
                value.as_mut_slice::<f64>().iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = f64::NAN);
            }
            _ => {}
        }
        Constant { value }
    }

    /// Its elements.
    pub fn value(&self) -> &Array {
        &self.value
    }
}

/// A rank-0 array: integers are truncated toward zero and bools are whether not zero.
pub fn number(dtype: DType, value: f64) -> Array {
    match dtype {
        DType::F32 => Array::scalar(value as f32),
        DType::F64 => Array::scalar(value),
        DType::I32 => Array::scalar(value as i32),
        DType::I64 => Array::scalar(value as i64),
        DType::U8 => Array::scalar(value as u8),
        _ => Array::scalar(value != 0.0),
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Constant) -> bool {
        (self.value.dtype(), self.value.shape(), self.value.bytes())
            == (other.value.dtype(), other.value.shape(), other.value.bytes())
    }
}

impl Eq for Constant {}

impl Hash for Constant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.value.dtype(), self.value.shape(), self.value.bytes()).hash(state);
    }
}

impl OpDef for Constant {
    const NAMES: &'static [&'static str] = &["const"];

    fn name(&self) -> &'static str {
        "const"
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        if !x.is_empty() {
            return Err(wrong_count(0, x.len()));
        }
        Ok(Types::from_iter([Type::of(&self.value)]))
    }

    fn eval(&self, _: &mut EvalCx<'_>, _: &[Array]) -> Result<Vec<Array>> {
        Ok(vec![self.value.clone()])
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Local(Vec::new()))
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Refused("has no operands of which there might be several"))
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Const
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().with("value", Attr::Array(self.value.clone()))
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        attrs.array("value").map(Constant::new)
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let shapes: [&[usize]; 4] = [&[], &[13], &[1, 2], &[0, 3]];
        let constant = |dtype| move |shape| Sample::new(Constant::new(special_values(dtype, shape)), vec![]);
        DType::ALL.into_iter().flat_map(|dtype| shapes.map(constant(dtype))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_differ_by_sign_and_nans_do_not() {
        let constant = |x: f32| Constant::new(Array::scalar(x));
        assert_ne!(constant(0.0), constant(-0.0));
        assert_eq!(constant(f32::NAN), constant(-f32::NAN));
    }
}
