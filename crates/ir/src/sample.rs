//! Samples of ops: operands that every engine must agree on.

use crate::op::Op;
use crate::types::Type;
use tracelift_tensor::{Array, DType, Dim, Shape};

/// One use of an op: with these operands all engines must give the reference's bits.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The op with its attributes.
    pub op: Op,
    /// The operands' types as traced; sizes may be unknown.
    pub types: Vec<Type>,
    /// The operands.
    pub inputs: Vec<Array>,
    /// What the reference must answer, where somebody has worked it out apart from it.
    pub expect: Option<Vec<Array>>,
    /// Whether the reference must refuse the operands (an index out of bounds, a division by zero).
    pub fails: bool,
}

impl Sample {
    /// Operands whose sizes are all known.
    pub fn new(op: impl Into<Op>, inputs: Vec<Array>) -> Sample {
        Sample::of(op.into(), inputs)
    }

    fn of(op: Op, inputs: Vec<Array>) -> Sample {
        Sample { op, types: inputs.iter().map(Type::of).collect(), inputs, expect: None, fails: false }
    }

    /// The same operands, traced with the sizes of axis 0 unknown: equal sizes get the same unknown.
    #[must_use]
    pub fn unknown_first_axis(mut self) -> Sample {
        let names = ["B", "C", "D", "E"];
        let mut seen: Vec<Dim> = Vec::new();
        for ty in &mut self.types {
            let Type::Tensor(tensor) = ty else { continue };
            let Some(first) = tensor.shape.first().cloned() else { continue };
            let position = seen.iter().position(|dim| *dim == first).unwrap_or_else(|| {
                seen.push(first);
                seen.len() - 1
            });
            if let Some(name) = names.get(position) {
                let mut dims: Vec<Dim> = tensor.shape.iter().cloned().collect();
                dims[0] = Dim::sym(name);
                tensor.shape = Shape::from(dims);
            }
        }
        self
    }

    /// The same operands with other types, as traced.
    #[must_use]
    pub fn traced_as(mut self, types: Vec<Type>) -> Sample {
        self.types = types;
        self
    }

    /// Adds the results, worked out apart from the reference.
    #[must_use]
    pub fn gives(mut self, expect: Vec<Array>) -> Sample {
        self.expect = Some(expect);
        self
    }

    /// Says that the reference must refuse.
    #[must_use]
    pub fn refused(mut self) -> Sample {
        self.fails = true;
        self
    }
}

/// `count` numbers of a dtype that begin with the special ones: zeros of both signs, ones, NaN, infinities, the
/// smallest and largest.
pub fn special_values(dtype: DType, shape: &[usize]) -> Array {
    let floats = [0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5, -2.5, 3.0, 1e-40, -88.7, 1e30];
    let ints = [0, 1, -1, 2, 7, -7, i64::from(i32::MAX), i64::from(i32::MIN), 31, 64, -3];
    cycle(dtype, shape, &floats, &ints, 0)
}

/// Like [`special_values`], begun at another place, so that pairs of operands meet in many combinations.
pub(crate) fn special_values_from(dtype: DType, shape: &[usize], start: usize) -> Array {
    let floats = [f64::NAN, 2.0, -0.0, 0.0, f64::NEG_INFINITY, -1.5, 1.0, f64::INFINITY, 0.25, -3.0];
    let ints = [3, -1, 2, 5, -4, 1, -129, 9];
    cycle(dtype, shape, &floats, &ints, start)
}

/// -0, 0, -0…
pub(crate) fn zeros_of_both_signs(dtype: DType, shape: &[usize]) -> Array {
    cycle(dtype, shape, &[-0.0, 0.0, -0.0, -0.0], &[0], 0)
}

/// Ordinary numbers, all different for small counts: no zeros, NaN or infinities.
pub fn plain_values(dtype: DType, shape: &[usize]) -> Array {
    let count: usize = shape.iter().product();
    let floats: Vec<f64> =
        (0..count.max(1)).map(|i| (i as f64 * 0.37 + 0.25) * if i % 3 == 1 { -1.0 } else { 1.0 }).collect();
    let ints: Vec<i64> = (0..count.max(1)).map(|i| (i as i64 * 5 + 1) % 97 * if i % 3 == 1 { -1 } else { 1 }).collect();
    cycle(dtype, shape, &floats, &ints, 0)
}

fn cycle(dtype: DType, shape: &[usize], floats: &[f64], ints: &[i64], start: usize) -> Array {
    let count: usize = shape.iter().product();
    let float = |i: usize| floats[(i + start) % floats.len()];
    let int = |i: usize| ints[(i + start) % ints.len()];
    fn collect<T>(count: usize, item: impl Fn(usize) -> T) -> Vec<T> {
        (0..count).map(item).collect()
    }
    let array = match dtype {
        DType::F32 => Array::new(shape, collect(count, |i| float(i) as f32)),
        DType::F64 => Array::new(shape, collect(count, float)),
        DType::I32 => Array::new(shape, collect(count, |i| int(i) as i32)),
        DType::I64 => Array::new(shape, collect(count, int)),
        DType::U8 => Array::new(shape, collect(count, |i| int(i) as u8)),
        _ => Array::new(shape, collect(count, |i| int(i) & 1 == 1)),
    };
    array.expect("as many elements as the shape asks for")
}
