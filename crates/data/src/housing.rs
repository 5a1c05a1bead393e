//! The California housing table: eight features of a block group, and what a house there costs.

use std::path::Path;

use tracelift_tensor::{Array, Error, Result};

use crate::{Csv, Missing, split_rows};

/// The features of [`housing`], in the order of the columns of `x`.
pub const FEATURES: [&str; 8] =
    ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"];

/// The housing table as numbers.
#[derive(Clone, Debug)]
pub struct Housing {
    /// The [`FEATURES`], not scaled: `f64[rows, 8]`.
    pub x: Array,
    /// The median house value in units of 100,000 dollars: `f64[rows, 1]`.
    pub y: Array,
}

/// Row numbers of the table for three purposes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HousingRows {
    /// Rows to train with.
    pub train: Vec<usize>,
    /// Rows to watch the training with.
    pub valid: Vec<usize>,
    /// Rows to test with at the end.
    pub test: Vec<usize>,
}

/// Reads the housing CSV file; what is missing of `total_bedrooms` becomes the median over all rows.
///
/// ```
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data");
/// let data = tracelift_data::housing(format!("{folder}/housing.csv"))?;
/// assert_eq!((data.x.shape(), data.y.shape()), ([20_640, 8].as_slice(), [20_640, 1].as_slice()));
/// assert_eq!(data.y.get_f64(0), 4.526);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn housing(path: impl AsRef<Path>) -> Result<Housing> {
    let path = path.as_ref();
    let table = Csv::read(path)?;
    let column = |name| table.column(name, Missing::Error);
    let households = column("households")?;
    let per_household = |numbers: Vec<f64>| numbers.iter().zip(&households).map(|(x, n)| x / n).collect::<Vec<f64>>();
    let population = column("population")?;
    let columns = [
        column("median_income")?,
        column("housing_median_age")?,
        per_household(column("total_rooms")?),
        per_household(table.column("total_bedrooms", Missing::Median)?),
        population.clone(),
        per_household(population),
        column("latitude")?,
        column("longitude")?,
    ];
    let n_rows = table.num_rows();
    let x: Vec<f64> = (0..n_rows).flat_map(|i| columns.iter().map(move |column| column[i])).collect();
    if let Some(i) = x.iter().position(|x| !x.is_finite()) {
        let (row, feature) = (i / FEATURES.len(), FEATURES[i % FEATURES.len()]);
        return Err(Error::value(format!("`{}`: row {}: {feature} is {}", path.display(), row + 1, x[i]))
            .help("a block group has at least one household"));
    }
    let y: Vec<f64> = column("median_house_value")?.into_iter().map(|dollars| dollars / 100_000.0).collect();
    Ok(Housing { x: Array::new([n_rows, FEATURES.len()], x)?, y: Array::new([n_rows, 1], y)? })
}

/// Splits the rows twice, a quarter for testing and then a quarter of the rest for validation, as scikit-learn's
/// `train_test_split(random_state=seed)` does.
///
/// ```
/// let rows = tracelift_data::housing_rows(20_640, 42)?;
/// assert_eq!((rows.train.len(), rows.valid.len(), rows.test.len()), (11_610, 3_870, 5_160));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn housing_rows(n_rows: usize, seed: u32) -> Result<HousingRows> {
    let (rest, test) = split_rows(n_rows, 0.25, seed)?;
    let (train, valid) = split_rows(rest.len(), 0.25, seed)?;
    let rest_rows = |part: Vec<usize>| part.into_iter().map(|i| rest[i]).collect();
    Ok(HousingRows { train: rest_rows(train), valid: rest_rows(valid), test })
}
