//! Division that rounds down, and what it leaves: `floor_div` and `rem`, by Python's and NumPy's rules.

use super::value::Fault;

macro_rules! float_division {
    ($t:ident, $floor_div:ident, $rem:ident) => {
        /// The largest whole number not above a / b, computed from the exact remainder.
        ///
        /// A zero divisor gives what a / b gives.
        pub fn $floor_div(a: $t, b: $t) -> $t {
            if b == 0.0 {
                return a / b;
            }
            let left = a % b;
            let mut quotient = (a - left) / b;
            if left != 0.0 && (b < 0.0) != (left < 0.0) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                return (0.0 as $t).copysign(a / b);
            }
            // (a − left) / b is whole but for rounding, which `floor` alone could take a step too far.
            let floor = quotient.floor();
            if quotient - floor > 0.5 { floor + 1.0 } else { floor }
        }

        /// What `floor_div` leaves of a: the sign is that of b, also of a zero; NaN for a zero divisor.
        pub fn $rem(a: $t, b: $t) -> $t {
            let left = a % b;
            if left == 0.0 {
                (0.0 as $t).copysign(b)
            } else if (b < 0.0) != (left < 0.0) {
                left + b
            } else {
                left
            }
        }
    };
}

float_division!(f32, floor_div_f32, rem_f32);
float_division!(f64, floor_div_f64, rem_f64);

/// The quotient rounded down; the smallest integer by −1 wraps. Also right for i32 and u8, widened.
pub fn floor_div_i64(a: i64, b: i64) -> Result<i64, Fault> {
    if b == 0 {
        return Err(Fault::DivideByZero);
    }
    let quotient = a.wrapping_div(b);
    let left = a.wrapping_rem(b);
    Ok(if left != 0 && (left < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// What `floor_div_i64` leaves of a; has the sign of b.
pub fn rem_i64(a: i64, b: i64) -> Result<i64, Fault> {
    if b == 0 {
        return Err(Fault::DivideByZero);
    }
    let left = a.wrapping_rem(b);
    Ok(if left != 0 && (left < 0) != (b < 0) { left + b } else { left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_down() {
        for (a, b, quotient, left) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (-7, 3, -3, 2)] {
            assert_eq!((floor_div_i64(a, b), rem_i64(a, b)), (Ok(quotient), Ok(left)), "{a}, {b}");
        }
        assert_eq!(floor_div_i64(i64::MIN, -1), Ok(i64::MIN));
        assert_eq!(rem_i64(i64::MIN, -1), Ok(0));
        assert_eq!((floor_div_i64(1, 0), rem_i64(0, 0)), (Err(Fault::DivideByZero), Err(Fault::DivideByZero)));
    }

    /// Answers of Python's `//` and `%`.
    #[test]
    fn floats_follow_python() {
        let table = [
            (7.0, 2.0, 3.0, 1.0),
            (-7.0, 2.0, -4.0, 1.0),
            (7.0, -2.0, -4.0, -1.0),
            (1.0, 0.1, 9.0, 0.09999999999999995),
            (-0.0, 3.0, -0.0, 0.0),
            (6.0, -3.0, -2.0, -0.0),
            (1e300, 3e-10, f64::INFINITY, 1.3874223234212663e-10),
            (5.0, f64::INFINITY, 0.0, 5.0),
            (-5.0, f64::INFINITY, -1.0, f64::INFINITY),
        ];
        for (a, b, quotient, left) in table {
            assert_eq!(floor_div_f64(a, b).to_bits(), f64::to_bits(quotient), "{a} // {b}");
            assert_eq!(rem_f64(a, b).to_bits(), f64::to_bits(left), "{a} % {b}");
        }
        assert_eq!(floor_div_f32(1.0, 0.0), f32::INFINITY);
        assert!(floor_div_f32(0.0, 0.0).is_nan() && rem_f32(1.0, 0.0).is_nan() && rem_f32(f32::INFINITY, 2.0).is_nan());
        assert!(rem_f64(f64::NAN, 1.0).is_nan() && floor_div_f64(1.0, f64::NAN).is_nan());
    }
}
