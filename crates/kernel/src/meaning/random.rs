//! Random numbers as functions of (key, counter, index).
//!
//! Number `index` of a draw is made of word `index` of Philox4x32-10 (a normal number, of the pair of words that holds
//! it), so a draw of n numbers uses n words whatever its type.

use super::definitions::undefined;
use super::log::ln;
use super::scalar::{Scalar32, Scalar64};
use super::trig::far;
use super::value::Scalar;
use crate::lane::LaneOp;
use tracelift_tensor::{F32, F64, philox};

/// Word `index` of the draw.
pub fn random_bits(key: i64, counter: i64, index: i64) -> u32 {
    philox::word(key, counter, index as u64)
}

/// A number in [0, 1): the word's upper 24 bits.
pub fn random_uniform_f32(key: i64, counter: i64, index: i64) -> f32 {
    philox::uniform(random_bits(key, counter, index))
}

/// A number in [0, 1): all 32 bits of the word.
pub fn random_uniform_f64(key: i64, counter: i64, index: i64) -> f64 {
    f64::from(random_bits(key, counter, index)) * 2.0f64.powi(-32)
}

macro_rules! random_normal {
    ($name:ident, $t:ident, $ops:ident, $bits:literal, $sin:path, $cos:path) => {
        /// A standard normal number, by Box and Muller's method on words 2k and 2k + 1: the cosine at even places, the
        /// sine at odd ones.
        pub fn $name(key: i64, counter: i64, index: i64) -> $t {
            let [first, second] = [index & !1, index | 1].map(|i| random_bits(key, counter, i) >> (32 - $bits));
            let unit = (2.0 as $t).powi(-$bits);
            // In (0, 1], so that its logarithm is finite; whole numbers of so many bits are exact.
            let radius = (-2.0 * ln(&mut $ops, (first as $t + 1.0) * unit)).sqrt();
            let angle = second as $t * unit * std::$t::consts::TAU;
            radius * if index & 1 == 0 { $cos(angle) } else { $sin(angle) }
        }
    };
}

random_normal!(random_normal_f32, f32, Scalar32, 24, far::sin_32, far::cos_32);
random_normal!(random_normal_f64, f64, Scalar64, 32, far::sin_64, far::cos_64);

/// Runs a random lane operation.
pub(super) fn eval(op: LaneOp, key: i64, counter: i64, index: i64) -> Scalar {
    match op {
        LaneOp::RandomBits => Scalar::I32(random_bits(key, counter, index) as i32),
        LaneOp::RandomUniform(F32) => Scalar::F32(random_uniform_f32(key, counter, index)),
        LaneOp::RandomUniform(F64) => Scalar::F64(random_uniform_f64(key, counter, index)),
        LaneOp::RandomNormal(F32) => Scalar::F32(random_normal_f32(key, counter, index)),
        LaneOp::RandomNormal(F64) => Scalar::F64(random_normal_f64(key, counter, index)),
        _ => undefined(op),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::Generator;

    #[test]
    fn draws_are_those_of_the_host_generator() {
        let mut generator = Generator { key: 99, counter: 5 };
        let (bits, floats) = (generator.bits(10), Generator { key: 99, counter: 5 }.uniform(10));
        for i in 0..10 {
            assert_eq!(random_bits(99, 5, i as i64), bits[i]);
            assert_eq!(random_uniform_f32(99, 5, i as i64), floats[i]);
        }
    }

    #[test]
    fn normals_have_the_moments_of_the_normal_distribution() {
        let n = 100_000;
        let wide: Vec<f64> = (0..n).map(|i| random_normal_f64(3, 0, i)).collect();
        let narrow: Vec<f64> = (0..n).map(|i| random_normal_f32(3, 0, i).into()).collect();
        for z in [wide, narrow] {
            let moment = |p: i32| z.iter().map(|z| z.powi(p)).sum::<f64>() / n as f64;
            // Four standard errors each: sqrt of 1, 2, 15, 96 over n.
            assert!(moment(1).abs() < 0.0127 && (moment(2) - 1.0).abs() < 0.0179, "{} {}", moment(1), moment(2));
            assert!(moment(3).abs() < 0.049 && (moment(4) - 3.0).abs() < 0.124, "{} {}", moment(3), moment(4));
            let neighbours = z.chunks(2).map(|p| p[0] * p[1]).sum::<f64>() / (n / 2) as f64;
            assert!(neighbours.abs() < 0.018, "{neighbours}");
            assert!(z.iter().all(|z| z.is_finite()));
        }
    }
}
