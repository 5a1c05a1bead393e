//! Random arrays: ordinary numbers, with special ones among them.

use super::chance::Chance;
use tracelift_tensor::{Array, DType};

const SPECIAL: [f64; 10] =
    [0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-40, f64::MIN_POSITIVE, 3e38];
const EXTREME: [i64; 6] = [0, -1, i64::MAX, i64::MIN, i32::MAX as i64, i32::MIN as i64];

/// An array of that type. Half of all float arrays hold ordinary numbers alone, since a NaN hides much.
pub(super) fn array(chance: &mut Chance, dtype: DType, shape: &[usize]) -> Array {
    let count = shape.iter().product();
    let tame = chance.one_in(2);
    let mut float = || match chance.below(12) {
        0 if !tame => *chance.pick(&SPECIAL),
        1 => chance.below(4) as f64,
        2 => -0.5,
        _ => chance.unit() * 6.0 - 3.0,
    };
    fn collect<T>(count: usize, mut item: impl FnMut() -> T) -> Vec<T> {
        (0..count).map(|_| item()).collect()
    }
    let made = match dtype {
        DType::F32 => Array::new(shape, collect(count, || float() as f32)),
        DType::F64 => Array::new(shape, collect(count, float)),
        DType::I32 => Array::new(shape, collect(count, || int(chance) as i32)),
        DType::I64 => Array::new(shape, collect(count, || int(chance))),
        DType::U8 => Array::new(shape, collect(count, || int(chance) as u8)),
        _ => Array::new(shape, collect(count, || chance.one_in(2))),
    };
    made.expect("as many elements as the shape asks for")
}

fn int(chance: &mut Chance) -> i64 {
    match chance.below(16) {
        0 => *chance.pick(&EXTREME),
        _ => chance.below(16) as i64 - 6,
    }
}

/// Indices in `0..bound`, which is not 0.
pub(super) fn indices(chance: &mut Chance, shape: &[usize], bound: usize) -> Array {
    let count = shape.iter().product();
    let items: Vec<i32> = (0..count).map(|_| chance.below(bound) as i32).collect();
    Array::new(shape, items).expect("as many elements as the shape asks for")
}
