//! The promised behaviours, one test a row: `rows.toml` says what and which golden values; the tests read them.

mod conversions;
mod functions;
mod golden;
mod gradients;
mod table;
mod tensors;
mod variables;

/// A test per row, and the list of them all for the check that no row goes without.
macro_rules! rows {
    ($($name:ident => $check:expr;)*) => {
        pub(crate) const ROWS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                crate::table::run(stringify!($name), $check);
            }
        )*
    };
}
pub(crate) use rows;

#[test]
fn every_row_has_a_test_and_every_test_a_row() {
    let mut tests: Vec<&str> =
        [tensors::ROWS, conversions::ROWS, variables::ROWS, functions::ROWS, gradients::ROWS].concat();
    let mut rows: Vec<String> =
        table::rows().iter().filter(|row| !row.keys.is_empty()).map(|row| row.id.to_lowercase()).collect();
    tests.sort_unstable();
    rows.sort_unstable();
    assert_eq!(tests, rows);
}

#[test]
fn a_row_without_golden_values_names_its_proof() {
    for row in table::rows() {
        assert!(row.keys.is_empty() == row.proof.is_some(), "{} has both or neither of keys and proof", row.id);
    }
}
