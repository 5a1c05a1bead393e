//! Products of matrices, with any batch and summed axes.

use super::Axes;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule, shifted, with_first};
use crate::eval::{EvalCx, dot_general};
use crate::infer::{Infer, check_axes, one, tensors};
use crate::laws::Laws;
use crate::lowering::{Library, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, plain_values, special_values};
use crate::types::{TensorType, Type, Types};
use crate::value::Value;
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// `z[batch, i, j] = Σ_k x[batch, i, k] y[batch, k, j]`, where each index may stand for several axes.
///
/// The result's axes are those of the batch, then the other ones of `x`, then the other ones of `y`.
/// Each element is one chain of fused multiply-adds with k ascending from 0.0; a product whose `y` has only one
/// column uses 16 lanes along k instead, so that an unknown number of columns is assumed not to be 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DotGeneral {
    /// Batch axes of `x`, in the order of the result.
    pub lhs_batch: Axes,
    /// Batch axes of `y`, in the same order.
    pub rhs_batch: Axes,
    /// Axes of `x` that are summed over.
    pub lhs_contract: Axes,
    /// Axes of `y` that are summed over, in the same order.
    pub rhs_contract: Axes,
}

impl DotGeneral {
    /// The product of matrices of `x` (of that rank) and of `y`: leading axes are batches, a vector is a column on the
    /// right and a row on the left.
    pub fn matmul(x_rank: usize, y_rank: usize) -> DotGeneral {
        let batch = Axes::from_iter(0..x_rank.min(y_rank).saturating_sub(2));
        DotGeneral {
            lhs_batch: batch.clone(),
            rhs_batch: batch,
            lhs_contract: Axes::from_slice(&[x_rank.saturating_sub(1)]),
            rhs_contract: Axes::from_slice(&[y_rank.saturating_sub(2)]),
        }
    }

    /// The axes of an operand that are neither batch nor summed.
    pub fn free(batch: &Axes, contract: &Axes, rank: usize) -> Axes {
        (0..rank).filter(|axis| !batch.contains(axis) && !contract.contains(axis)).collect()
    }

    /// The axes of `x` and of `y` that are neither batch nor summed.
    pub fn free_axes(&self, x_rank: usize, y_rank: usize) -> (Axes, Axes) {
        (
            Self::free(&self.lhs_batch, &self.lhs_contract, x_rank),
            Self::free(&self.rhs_batch, &self.rhs_contract, y_rank),
        )
    }

    /// The product with its sides exchanged.
    fn exchanged(self) -> DotGeneral {
        DotGeneral {
            lhs_batch: self.rhs_batch,
            rhs_batch: self.lhs_batch,
            lhs_contract: self.rhs_contract,
            rhs_contract: self.lhs_contract,
        }
    }

    /// How many columns the right side has.
    pub fn columns(&self, y: &Shape) -> Dim {
        Self::free(&self.rhs_batch, &self.rhs_contract, y.rank()).iter().map(|axis| y[*axis].clone()).product()
    }

    fn check(&self, x: &TensorType, y: &TensorType) -> Result {
        if x.dtype != y.dtype {
            return Err(Error::type_(format!("cannot multiply {x} by {y}: their element types differ"))
                .help("convert one operand with `cast`"));
        }
        if x.dtype == DType::Bool {
            return Err(Error::type_(format!("takes a float or integer type, not {}", x.dtype)));
        }
        if self.lhs_batch.len() != self.rhs_batch.len() || self.lhs_contract.len() != self.rhs_contract.len() {
            return Err(Error::invalid("wants as many batch axes, and as many summed axes, of both operands"));
        }
        for (tensor, batch, contract) in
            [(x, &self.lhs_batch, &self.lhs_contract), (y, &self.rhs_batch, &self.rhs_contract)]
        {
            let both: Axes = batch.iter().chain(contract).copied().collect();
            check_axes("axis", &both, tensor.shape.rank())
                .map_err(|error| Error::invalid(format!("cannot multiply {x} by {y}: it {}", error.message)))?;
        }
        Ok(())
    }

    /// The gradient of one side: the product of `dy` with the other side over the other side's free axes, its axes then
    /// brought into the side's order.
    fn side_gradient(&self, cx: &mut Vjp<'_>, dy: Value, left: bool) -> Result<Value> {
        let (x, y) = (cx.x[0], cx.x[1]);
        let (x_rank, y_rank) = (cx.b.ty(x).rank(), cx.b.ty(y).rank());
        let (x_free, y_free) = self.free_axes(x_rank, y_rank);
        let batches = self.lhs_batch.len();
        let in_dy = |from: usize, n: usize| -> Axes { (from..from + n).collect() };
        // Axes of the product below, as axes of the side: batch axes, then the free ones of its operands in turn.
        let (op, operands, axes): (DotGeneral, [Value; 2], Vec<usize>) = if left {
            // dx[b, i, k] = Σ_j dz[b, i, j] y[b, k, j]
            let op = DotGeneral {
                lhs_batch: in_dy(0, batches),
                rhs_batch: self.rhs_batch.clone(),
                lhs_contract: in_dy(batches + x_free.len(), y_free.len()),
                rhs_contract: y_free,
            };
            let contract = ascending_partners(&self.rhs_contract, &self.lhs_contract);
            (op, [dy, y], self.lhs_batch.iter().chain(&x_free).copied().chain(contract).collect())
        } else {
            // dy[b, k, j] = Σ_i x[b, i, k] dz[b, i, j]
            let op = DotGeneral {
                lhs_batch: self.lhs_batch.clone(),
                rhs_batch: in_dy(0, batches),
                lhs_contract: x_free.clone(),
                rhs_contract: in_dy(batches, x_free.len()),
            };
            let contract = ascending_partners(&self.lhs_contract, &self.rhs_contract);
            (op, [x, dy], self.rhs_batch.iter().copied().chain(contract).chain(y_free).collect())
        };
        let product = cx.b.push(op, &operands)?;
        let mut order = Axes::from_elem(0, axes.len());
        for (position, axis) in axes.iter().enumerate() {
            order[*axis] = position;
        }
        match order.iter().enumerate().all(|(i, axis)| i == *axis) {
            true => Ok(product),
            false => cx.b.transpose(product, &order),
        }
    }
}

/// The partners of `axes`, sorted by `axes`: free axes come out of a product in ascending order.
fn ascending_partners(axes: &[usize], partners: &[usize]) -> Vec<usize> {
    let mut pairs: Vec<(usize, usize)> = axes.iter().copied().zip(partners.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, partner)| partner).collect()
}

impl OpDef for DotGeneral {
    const NAMES: &'static [&'static str] = &["dot_general"];

    fn name(&self) -> &'static str {
        "dot_general"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x, y] = tensors(x)?;
        self.check(x, y)?;
        for (what, lhs, rhs) in
            [("batch", &self.lhs_batch, &self.rhs_batch), ("inner", &self.lhs_contract, &self.rhs_contract)]
        {
            for (a, b) in lhs.iter().zip(rhs) {
                let (a, b) = (&x.shape[*a], &y.shape[*b]);
                if !cx.same_dim(a, b) {
                    return Err(Error::invalid(format!("cannot multiply {x} by {y}: {what} axes are {a} and {b}")));
                }
            }
        }
        let columns = self.columns(&y.shape);
        if columns.known().is_none() {
            cx.assume(Guard::ne1(columns));
        }
        let (x_free, y_free) = self.free_axes(x.shape.rank(), y.shape.rank());
        let of_x = self.lhs_batch.iter().chain(&x_free).map(|axis| x.shape[*axis].clone());
        Ok(one(x.dtype, of_x.chain(y_free.iter().map(|axis| y.shape[*axis].clone())).collect::<Shape>()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        Ok(vec![dot_general(self, &x[0], &x[1], &dims)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let dx = self.side_gradient(cx, dy, true)?;
        let dy = self.side_gradient(cx, dy, false)?;
        Ok(VjpRule::Local(vec![Some(dx), Some(dy)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        let DotGeneral { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = self;
        let both = DotGeneral {
            lhs_batch: with_first(lhs_batch),
            rhs_batch: with_first(rhs_batch),
            lhs_contract: shifted(lhs_contract),
            rhs_contract: shifted(rhs_contract),
        };
        // Of an operand that alone is batched, the batch is one more free axis, the first.
        let left = DotGeneral {
            lhs_batch: shifted(lhs_batch),
            rhs_batch: rhs_batch.clone(),
            rhs_contract: rhs_contract.clone(),
            ..both.clone()
        };
        let right = DotGeneral {
            rhs_batch: shifted(rhs_batch),
            lhs_batch: lhs_batch.clone(),
            lhs_contract: lhs_contract.clone(),
            ..both.clone()
        };
        let (x, y) = (cx.x[0], cx.x[1]);
        let (op, operands, front) = match *cx.batched {
            [true, true] => (both, [x, y], 0),
            [true, _] => (left, [x, y], lhs_batch.len()),
            _ => {
                let x_free = Self::free(lhs_batch, lhs_contract, cx.b.ty(x).rank());
                // The single column must stay the only one, for the order of the sum: vectors are exchanged.
                let one_column = self.columns(&cx.b.ty(y).shape()[1..].into()).is_one();
                match x_free.is_empty() && one_column {
                    true => (right.exchanged(), [y, x], lhs_batch.len()),
                    false => (right, [x, y], lhs_batch.len() + x_free.len()),
                }
            }
        };
        let product = cx.b.push(op, &operands)?;
        cx.to_front(product, front)
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Library(Library::MatMul(self.clone()))
    }

    fn attributes(&self) -> Attrs {
        let attrs = match self.lhs_batch.is_empty() {
            true => Attrs::new(),
            false => Attrs::new().ints("lhs_batch", &self.lhs_batch).ints("rhs_batch", &self.rhs_batch),
        };
        attrs.ints("lhs_contract", &self.lhs_contract).ints("rhs_contract", &self.rhs_contract)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let mut batch = |name| if attrs.has(name) { attrs.ints(name).map(Axes::from) } else { Ok(Axes::new()) };
        Ok(DotGeneral {
            lhs_batch: batch("lhs_batch")?,
            rhs_batch: batch("rhs_batch")?,
            lhs_contract: attrs.ints("lhs_contract")?.into(),
            rhs_contract: attrs.ints("rhs_contract")?.into(),
        })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let matmul = |dtype, x: &[usize], y: &[usize]| {
            let op = DotGeneral::matmul(x.len(), y.len());
            Sample::new(op, vec![plain_values(dtype, x), plain_values(dtype, y)])
        };
        let axes = |list: &[usize]| Axes::from_slice(list);
        let transposed = DotGeneral {
            lhs_batch: axes(&[1]),
            rhs_batch: axes(&[0]),
            lhs_contract: axes(&[2, 0]),
            rhs_contract: axes(&[1, 3]),
        };
        let f32 = DType::F32;
        let mut samples = vec![
            matmul(f32, &[4, 40], &[40]),
            matmul(f32, &[40], &[40]),
            matmul(f32, &[3, 40], &[40, 1]),
            matmul(f32, &[5, 6], &[6, 7])
                .traced_as(vec![Type::tensor(f32, [Dim::sym("B"), Dim::from(6)]), Type::tensor(f32, [6, 7])]),
            matmul(f32, &[2, 3], &[3, 4]).traced_as(vec![
                Type::tensor(f32, [Dim::from(2), Dim::sym("K")]),
                Type::tensor(f32, [Dim::sym("K"), Dim::sym("N")]),
            ]),
            matmul(f32, &[2, 0], &[0, 3]),
            matmul(f32, &[0, 2], &[2, 3]),
            matmul(f32, &[1, 1], &[1, 1]),
            matmul(f32, &[2, 3, 4], &[2, 4, 5]).unknown_first_axis(),
            Sample::new(transposed, vec![plain_values(f32, &[3, 2, 4]), plain_values(f32, &[2, 4, 5, 3])]),
            Sample::new(DotGeneral::matmul(2, 2), vec![special_values(f32, &[4, 3]), special_values(f32, &[3, 5])]),
        ];
        let numbers = DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool);
        samples.extend(numbers.map(|dtype| matmul(dtype, &[3, 5], &[5, 4])));
        samples
    }
}
