//! The same elements in another shape.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::EvalCx;
use crate::infer::{Infer, one, tensors};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// The operand's elements, in row-major order, in a shape of as many elements.
///
/// One size may be -1 and then follows from the others. The gradient is reshaped back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reshape {
    /// The shape of the result.
    pub shape: Shape,
}

impl Reshape {
    /// The shape with the -1 replaced.
    fn resolve(&self, x: &Shape) -> Result<Shape> {
        let wild = |dim: &Dim| dim.known() == Some(-1);
        match self.shape.iter().filter(|dim| wild(dim)).count() {
            0 => Ok(self.shape.clone()),
            1 => {
                let rest: Dim = self.shape.iter().filter(|dim| !wild(dim)).product();
                let size = divide(&x.num_elements(), &rest).ok_or_else(|| {
                    Error::invalid(format!(
                        "cannot find the size for -1 in {}: {} elements are not a multiple of {rest}",
                        self.shape,
                        x.num_elements()
                    ))
                })?;
                Ok(self.shape.iter().map(|dim| if wild(dim) { size.clone() } else { dim.clone() }).collect())
            }
            _ => Err(Error::invalid(format!("can leave only one size to be found, not several in {}", self.shape))),
        }
    }
}

/// `total / rest`, if it is exact for every binding.
fn divide(total: &Dim, rest: &Dim) -> Option<Dim> {
    if let Some(rest) = rest.known() {
        if rest == 0 {
            return None;
        }
        let quotient = total.floor_div(rest);
        return (&quotient * rest == *total).then_some(quotient);
    }
    // Factors that both have: `784*B / B`. Setting the unknown to one divides by it if it is a factor.
    let mut quotient = total.clone();
    for sym in rest.syms() {
        let factor = Dim::from(&sym);
        let without = quotient.substitute(&[(sym, Dim::ONE)]);
        if &without * &factor == quotient {
            quotient = without;
        }
    }
    let left = rest.syms().into_iter().fold(rest.clone(), |left, sym| left.substitute(&[(sym, Dim::ONE)]));
    let left = left.known().filter(|n| *n != 0)?;
    let quotient = quotient.floor_div(left);
    (&quotient * rest == *total).then_some(quotient)
}

impl OpDef for Reshape {
    const NAMES: &'static [&'static str] = &["reshape"];

    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        let shape = self.resolve(&x.shape)?;
        if let Some(dim) = shape.iter().find(|dim| dim.known().is_some_and(|n| n < 0)) {
            return Err(Error::invalid(format!("wants sizes that are not negative, not {dim}")));
        }
        if !cx.same_dim(&x.shape.num_elements(), &shape.num_elements()) {
            return Err(Error::invalid(format!(
                "cannot make {shape} of {x}: {} elements are not {}",
                x.shape.num_elements(),
                shape.num_elements()
            )));
        }
        Ok(one(x.dtype, shape))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        Ok(vec![x[0].clone().reshape(cx.result_dims(0)?)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let shape = cx.b.ty(cx.x[0]).shape().clone();
        Ok(VjpRule::Local(vec![Some(cx.b.reshape(dy, shape)?)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Reshape { shape: cx.with_batch(cx.y[0].shape()) })
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::View
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().dims("shape", &self.shape)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Reshape { shape: attrs.shape("shape")? })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, from: &[usize], to: &[i64]| {
            let shape = to.iter().copied().map(Dim::from).collect();
            Sample::new(Reshape { shape }, vec![special_values(dtype, from)])
        };
        let mut samples = vec![
            sample(DType::F32, &[4, 3], &[-1]).unknown_first_axis(),
            sample(DType::F32, &[4, 6], &[-1, 2, 3]).unknown_first_axis(),
            sample(DType::F32, &[0, 3], &[3, 0]),
            sample(DType::F32, &[1], &[]),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[2, 6], &[3, 4])));
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_among_unknown_ones() {
        let b = Dim::sym("B");
        let found = |from: &[Dim], to: &[Dim]| {
            Reshape { shape: Shape::from(to) }.resolve(&Shape::from(from)).map(|shape| shape.to_string())
        };
        let n = |n: i64| Dim::from(n);
        assert_eq!(found(&[b.clone(), n(784)], &[b.clone(), n(28), n(-1)]).unwrap(), "[B, 28, 28]");
        assert_eq!(found(&[b.clone(), n(28), n(28)], &[n(-1), n(784)]).unwrap(), "[B, 784]");
        assert_eq!(found(&[b.clone(), n(28)], &[n(-1)]).unwrap(), "[28*B]");
        assert!(found(&[b.clone(), n(3)], &[n(-1), n(2)]).is_err());
        assert!(found(&[n(4)], &[n(-1), n(-1)]).is_err());
        assert!(found(&[n(0)], &[n(-1), n(0)]).is_err());
    }
}
