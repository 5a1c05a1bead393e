//! Random numbers as functions of (key, counter).

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, eval_lane};
use crate::infer::{Infer, one, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::Sample;
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::Affine;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// How random words become numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Distribution {
    /// 32 random bits, as i32.
    Bits,
    /// In [0, 1).
    Uniform,
    /// Standard normal.
    Normal,
}

/// A draw of random numbers: element i is number i of the draw that (key, counter), two i64, stand for.
///
/// A draw of n numbers uses ceil(n / 4) blocks from the counter on; equal keys and counters give equal numbers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Random {
    /// How they are distributed.
    pub distribution: Distribution,
    /// The shape of the result.
    pub shape: Shape,
    /// Its element type: i32 for bits, else a float.
    pub dtype: DType,
}

/// How many items are made at once where op by op is run.
const PART: usize = 1 << 14;

impl Random {
    fn lane(&self) -> LaneOp {
        match self.distribution {
            Distribution::Bits => LaneOp::RandomBits,
            Distribution::Uniform => LaneOp::RandomUniform(self.dtype),
            Distribution::Normal => LaneOp::RandomNormal(self.dtype),
        }
    }
}

impl OpDef for Random {
    const NAMES: &'static [&'static str] = &["random_bits", "random_uniform", "random_normal"];

    fn name(&self) -> &'static str {
        match self.distribution {
            Distribution::Bits => "random_bits",
            Distribution::Uniform => "random_uniform",
            Distribution::Normal => "random_normal",
        }
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        let [key, counter] = tensors(x)?;
        for (what, ty) in [("key", key), ("counter", counter)] {
            if ty.dtype != DType::I64 || ty.shape.rank() != 0 {
                return Err(Error::type_(format!("wants i64[] as its {what}, not {ty}")));
            }
        }
        let made = self.lane().result_type(&[DType::I64; 3]);
        if made.as_ref() != Ok(&self.dtype) {
            return Err(Error::type_(format!("cannot make numbers of {}", self.dtype)));
        }
        if let Some(dim) = self.shape.iter().find(|dim| dim.known().is_some_and(|n| n < 0)) {
            return Err(Error::invalid(format!("wants sizes that are not negative, not {dim}")));
        }
        Ok(one(self.dtype, self.shape.clone()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        let count = tracelift_tensor::count_elements(&dims)?;
        let mut items = Array::for_overwrite(self.dtype, dims)?;
        // In parts, since an item takes three numbers that are larger than itself.
        for (part, bytes) in items.bytes_mut().chunks_mut(PART * self.dtype.size()).enumerate() {
            let first = part * PART;
            let numbers: Vec<i64> = (first as i64..count.min(first + PART) as i64).collect();
            let repeat = |x: &Array| Array::full(DType::I64, [numbers.len()], x.item::<i64>()?);
            let made = eval_lane(self.lane(), &[repeat(&x[0])?, repeat(&x[1])?, Array::vector(&numbers)?])?;
            bytes.copy_from_slice(made.bytes());
        }
        Ok(vec![items])
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Local(vec![None, None]))
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Refused("draws from one generator, not from one per element of the batch"))
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::new(self.name(), x, y);
        k.for_each(&self.shape, |k, index| {
            let mut number = Affine::constant(0);
            for (i, dim) in index.iter().zip(&self.shape) {
                for (_, coefficient) in &mut number.terms {
                    *coefficient = &*coefficient * dim;
                }
                number.terms.extend(i.terms.iter().cloned());
            }
            let number = k.b.index(number);
            let (key, counter) = (k.operand(0, &[]), k.operand(1, &[]));
            let item = k.b.lane(self.lane(), &[key, counter, number]);
            k.store(index, item);
        });
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        let attrs = Attrs::new().dims("shape", &self.shape);
        if self.distribution == Distribution::Bits { attrs } else { attrs.word("dtype", self.dtype) }
    }

    fn from_attributes(name: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let shape = attrs.shape("shape")?;
        let (distribution, dtype) = match name {
            "random_bits" => (Distribution::Bits, DType::I32),
            "random_uniform" => (Distribution::Uniform, attrs.dtype("dtype")?),
            _ => (Distribution::Normal, attrs.dtype("dtype")?),
        };
        Ok(Random { distribution, shape, dtype })
    }

    fn laws(&self, _: DType) -> Laws {
        match self.distribution {
            Distribution::Uniform => Laws::NONE.range(0.0, 1.0),
            Distribution::Bits | Distribution::Normal => Laws::NONE,
        }
    }

    fn samples() -> Vec<Sample> {
        use Distribution::{Bits, Normal, Uniform};
        let kinds = [
            (Bits, DType::I32),
            (Uniform, DType::F32),
            (Uniform, DType::F64),
            (Normal, DType::F32),
            (Normal, DType::F64),
        ];
        let mut samples = Vec::new();
        for (distribution, dtype) in kinds {
            for shape in [&[][..], &[7], &[3, 5], &[1], &[0, 2]] {
                let op = Random { distribution, shape: Shape::from(shape), dtype };
                samples.push(Sample::new(op, vec![Array::scalar(42i64), Array::scalar(-3i64)]));
            }
        }
        samples
    }
}

/// How far a draw moves its counter: `ceil(n / 4)` blocks for n numbers.
pub fn blocks_of_draw(shape: &Shape) -> Dim {
    (shape.num_elements() + 3).floor_div(4)
}
