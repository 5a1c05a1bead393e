//! Columns with mean 0 and standard deviation 1.

use tracelift_tensor::{Array, DType, Element, Error, Result};

/// Shifts and scales each column by what was measured on other rows, as scikit-learn's `StandardScaler`.
///
/// ```
/// use tracelift_data::StandardScaler;
/// use tracelift_tensor::Array;
///
/// let train = Array::new([2, 2], vec![1.0f32, 10.0, 3.0, 10.0])?;
/// let scaler = StandardScaler::fit(&train)?;
/// assert_eq!((scaler.mean.as_slice(), scaler.scale.as_slice()), ([2.0, 10.0].as_slice(), [1.0, 1.0].as_slice()));
///
/// let x = Array::new([1, 2], vec![4.0f32, 11.0])?;
/// let scaled = scaler.transform(&x)?;
/// assert_eq!(scaled.to_vec::<f32>()?, [2.0, 1.0]);
/// assert!(scaler.inverse_transform(&scaled)?.bit_eq(&x));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct StandardScaler {
    /// The mean of each column.
    pub mean: Vec<f64>,
    /// The population standard deviation of each column; 1 for a constant one.
    pub scale: Vec<f64>,
}

impl StandardScaler {
    /// Measures the columns of a `[rows, columns]` array of floats, in `f64`.
    pub fn fit(x: &Array) -> Result<StandardScaler> {
        let n_columns = columns(x)?;
        let n_rows = x.shape()[0];
        if n_rows == 0 {
            return Err(Error::invalid(format!("{} has no rows to fit a scaler to", x.type_text())));
        }
        if let Some(i) = (0..x.len()).find(|&i| !x.get_f64(i).is_finite()) {
            let (value, row, column) = (x.get_f64(i), i / n_columns, i % n_columns);
            return Err(Error::value(format!("row {row}, column {column} of {} is {value}", x.type_text()))
                .help("fill or drop such rows before a scaler is fitted"));
        }
        let n = n_rows as f64;
        let column = |j: usize| (0..n_rows).map(move |i| x.get_f64(i * n_columns + j));
        let mean: Vec<f64> = (0..n_columns).map(|j| column(j).sum::<f64>() / n).collect();
        let scale = (0..n_columns).map(|j| {
            let mean = mean[j];
            // What rounding of the mean adds to the squares is taken off again.
            let rest: f64 = column(j).map(|x| x - mean).sum();
            let squares: f64 = column(j).map(|x| (x - mean).powi(2)).sum();
            let variance = (squares - rest * rest / n) / n;
            // A constant column has a variance of rounding errors.
            let noise = n * f64::EPSILON * variance + (n * mean * f64::EPSILON).powi(2);
            if variance <= noise { 1.0 } else { variance.sqrt() }
        });
        Ok(StandardScaler { scale: scale.collect(), mean })
    }

    /// `(x - mean) / scale`, in `f64`, rounded to the dtype of `x`.
    pub fn transform(&self, x: &Array) -> Result<Array> {
        self.map(x, |x, mean, scale| (x - mean) / scale)
    }

    /// `x * scale + mean`, in `f64`, rounded to the dtype of `x`.
    pub fn inverse_transform(&self, x: &Array) -> Result<Array> {
        self.map(x, |x, mean, scale| x * scale + mean)
    }

    fn map(&self, x: &Array, formula: fn(f64, f64, f64) -> f64) -> Result<Array> {
        let n_columns = columns(x)?;
        if n_columns != self.mean.len() {
            let fitted = self.mean.len();
            return Err(Error::invalid(format!(
                "{} does not have the {fitted} columns the scaler was fitted to",
                x.type_text()
            )));
        }
        fn mapped<T: Element>(x: &Array, element: impl Fn(usize) -> T) -> Result<Array> {
            Array::new(x.shape(), (0..x.len()).map(element).collect::<Vec<T>>())
        }
        let value = |i: usize| formula(x.get_f64(i), self.mean[i % n_columns], self.scale[i % n_columns]);
        if x.dtype() == DType::F32 { mapped(x, |i| value(i) as f32) } else { mapped(x, value) }
    }
}

fn columns(x: &Array) -> Result<usize> {
    match (x.shape(), x.dtype()) {
        (&[_, n_columns], DType::F32 | DType::F64) => Ok(n_columns),
        (_, DType::F32 | DType::F64) => {
            Err(Error::invalid(format!("a scaler wants a shape [rows, columns], and {} has none", x.type_text())))
        }
        _ => Err(Error::type_(format!("a scaler wants floats, and {} has none", x.type_text()))
            .help("convert it with `to_f32`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn misuse_is_an_error() {
        let text = |x: Array| StandardScaler::fit(&x).unwrap_err().to_string();
        assert_eq!(text(Array::vector([1.0]).unwrap()), "a scaler wants a shape [rows, columns], and f64[1] has none");
        let ints = Array::new([1, 1], [1]).unwrap();
        assert_eq!(text(ints), "a scaler wants floats, and i32[1, 1] has none\n  help: convert it with `to_f32`");
        assert_eq!(text(Array::zeros(DType::F32, [0, 2]).unwrap()), "f32[0, 2] has no rows to fit a scaler to");
        let holes = Array::new([2, 2], [1.0, 2.0, 3.0, f64::NAN]).unwrap();
        assert!(text(holes).starts_with("row 1, column 1 of f64[2, 2] is NaN\n"));
        let scaler = StandardScaler { mean: vec![0.0], scale: vec![1.0] };
        let error = scaler.transform(&Array::zeros(DType::F32, [1, 2]).unwrap()).unwrap_err().to_string();
        assert_eq!(error, "f32[1, 2] does not have the 1 columns the scaler was fitted to");
    }

    #[test]
    fn constant_columns_are_only_shifted() {
        let x = Array::new([3, 2], [0.1, 0.0, 0.1, 0.0, 0.1, 0.0]).unwrap();
        let scaler = StandardScaler::fit(&x).unwrap();
        assert_eq!(scaler.scale, [1.0, 1.0]);
        assert!(StandardScaler::fit(&Array::zeros(DType::F64, [3, 0]).unwrap()).unwrap().mean.is_empty());
    }

    proptest! {
        #[test]
        fn scaled_columns_have_mean_0_and_deviation_1(
            column in prop::collection::vec(-1e6..1e6f64, 2..50),
        ) {
            let spread = column.iter().fold(0.0f64, |most, x| most.max((x - column[0]).abs()));
            prop_assume!(spread > 1.0);
            let x = Array::new([column.len(), 1], &column).unwrap();
            let scaler = StandardScaler::fit(&x).unwrap();
            let scaled = scaler.transform(&x).unwrap();
            let again = StandardScaler::fit(&scaled).unwrap();
            prop_assert!(again.mean[0].abs() < 1e-6 && (again.scale[0] - 1.0).abs() < 1e-6, "{:?}", again);
            let back = scaler.inverse_transform(&scaled).unwrap();
            for (x, back) in column.iter().zip(back.as_slice::<f64>()) {
                prop_assert!((x - back).abs() <= 1e-9 * 1e6, "{} {}", x, back);
            }
        }
    }
}
