//! The shipped data, and what scikit-learn makes of it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tracelift_data::{
    Csv, FEATURES, Missing, StandardScaler, fashion_mnist, housing, housing_rows, scale_pixels, take_rows,
    train_test_split,
};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name)
}

fn recorded() -> Value {
    serde_json::from_str(&std::fs::read_to_string(shipped("housing_split.json")).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

/// Sums in another order differ in the last digits.
fn assert_close(got: &[f64], expect: &[f64], relative: f64) {
    assert_eq!(got.len(), expect.len());
    for (got, expect) in got.iter().zip(expect) {
        assert!((got - expect).abs() <= relative * expect.abs(), "{got} is not {expect}");
    }
}

#[test]
fn two_splits_give_the_recorded_rows() {
    let recorded = recorded();
    let split = housing_rows(20_640, 42).unwrap();
    assert_eq!(split.train, rows(&recorded["train"]));
    assert_eq!(split.valid, rows(&recorded["valid"]));
    assert_eq!(split.test, rows(&recorded["test"]));
    assert_eq!([split.train.len(), split.valid.len(), split.test.len()], [11_610, 3_870, 5_160]);
}

#[test]
fn splitting_arrays_is_splitting_rows() {
    let data = housing(shipped("housing.csv")).unwrap();
    let full = train_test_split(&data.x, &data.y, 0.25, 42).unwrap();
    let part = train_test_split(&full.x_train, &full.y_train, 0.25, 42).unwrap();
    let split = housing_rows(20_640, 42).unwrap();
    assert!(part.x_train.bit_eq(&take_rows(&data.x, &split.train).unwrap()));
    assert!(part.y_test.bit_eq(&take_rows(&data.y, &split.valid).unwrap()));
    assert!(full.x_test.bit_eq(&take_rows(&data.x, &split.test).unwrap()));
}

#[test]
fn the_scaler_is_the_recorded_one() {
    let recorded = recorded();
    assert_eq!(recorded["features"], serde_json::json!(FEATURES));
    let data = housing(shipped("housing.csv")).unwrap();
    let train = rows(&recorded["train"]);
    let x = take_rows(&data.x, &train).unwrap();
    let scaler = StandardScaler::fit(&x).unwrap();
    assert_close(&scaler.mean, &floats(&recorded["mean"]), 1e-13);
    assert_close(&scaler.scale, &floats(&recorded["scale"]), 1e-12);
    let scaled = scaler.transform(&take_rows(&x, &[0, 1, 2]).unwrap()).unwrap();
    assert_close(scaled.as_slice(), &floats(&recorded["first_3_train_rows_scaled"]["values"]), 1e-11);
    let targets = take_rows(&data.y, &train[..3]).unwrap();
    assert_eq!(targets.as_slice::<f64>(), floats(&recorded["first_3_train_targets"]["values"]));
}

#[test]
fn missing_bedrooms_are_the_median() {
    let data = housing(shipped("housing.csv")).unwrap();
    let table = Csv::read(shipped("housing.csv")).unwrap();
    let missing: Vec<usize> = table
        .text("total_bedrooms")
        .unwrap()
        .iter()
        .enumerate()
        .filter(|(_, text)| text.is_empty())
        .map(|(i, _)| i)
        .collect();
    assert_eq!(missing.len(), 207);
    let households = table.column("households", Missing::Error).unwrap();
    for row in missing {
        // NumPy's `nanmedian` of the column is 435.
        assert_eq!(data.x.get_f64(row * 8 + 3), 435.0 / households[row]);
    }
}

#[test]
fn a_block_without_households_is_an_error() {
    let path = std::env::temp_dir().join(format!("tracelift-housing-{}.csv", std::process::id()));
    let names = "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,median_house_value";
    std::fs::write(&path, format!("{names}\n1,2,3,4,5,6,7,8,9\n1,2,3,4,5,6,0,8,9\n")).unwrap();
    let error = housing(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(error.message.ends_with(": row 2: AveRooms is inf"), "{error}");
    assert!(housing(shipped("README.md")).is_err());
    assert!(housing(shipped("no such file")).is_err());
}

#[test]
fn the_images_are_those_of_ten_classes() {
    let split = fashion_mnist(shipped("fashion-mnist-mini")).unwrap();
    let mut counts = [0; 10];
    for labels in [&split.y_train, &split.y_test] {
        labels.as_slice::<i32>().iter().for_each(|&label| counts[label as usize] += 1);
    }
    assert_eq!(counts, [90; 10]);
    let pixels = scale_pixels(&split.x_train).unwrap();
    assert!(pixels.as_slice::<f32>().iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    assert!(pixels.as_slice::<f32>().contains(&1.0));
    let error = fashion_mnist(shipped("no such folder")).unwrap_err().to_string();
    assert!(error.contains("train-images-idx3-ubyte.gz`: "), "{error}");
}
