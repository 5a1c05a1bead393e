//! Readers, splits, scalers and batches.
//!
//! Everything here takes and gives plain [`Array`](tracelift_tensor::Array)s.
//! Files are read within limits, whatever they claim about themselves, and each error names the file and the place in it.
//!
//! ```
//! use tracelift_data::{StandardScaler, housing, train_test_split};
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data");
//!
//! let data = housing(format!("{folder}/housing.csv"))?;
//! assert_eq!(data.x.shape(), [20_640, 8]);
//! let split = train_test_split(&data.x, &data.y, 0.25, 42)?;
//! assert_eq!(split.x_train.shape(), [15_480, 8]);
//! let scaler = StandardScaler::fit(&split.x_train)?;
//! let x = scaler.transform(&split.x_train)?;
//! assert!(x.as_slice::<f64>().iter().all(|x| x.is_finite()));
//! # Ok::<(), tracelift_tensor::Error>(())
//! ```

mod file;
mod csv;
mod idx;
mod rows;
mod random_state;
mod split;
mod scaler;
mod batches;
mod housing;
mod fashion;

pub use batches::{BatchIndices, epoch_permutation, random_batch};
pub use csv::{Csv, CsvOptions, Missing};
pub use fashion::{fashion_mnist, scale_pixels};
pub use housing::{FEATURES, Housing, HousingRows, housing, housing_rows};
pub use idx::{parse_idx, read_idx};
pub use random_state::RandomState;
pub use rows::{take_rows, take_rows_in_parts, take_rows_into, to_f32, to_i32};
pub use scaler::StandardScaler;
pub use split::{Split, split_rows, train_test_split};
