//! The promised behaviours, one test a row: `rows.toml` says what and which golden values; the tests read them.

mod arrays;
mod autograph;
mod conversions;
mod functions;
mod golden;
mod gradients;
mod graphs;
mod loops;
mod machinery;
mod resources;
mod table;
mod tensors;
mod tracing;
mod training;
mod variables;

/// A test per row, `t_<id>_<what>`, and the list of them all for the check that no row goes without.
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
    let tests: Vec<&str> = [
        tensors::ROWS,
        conversions::ROWS,
        variables::ROWS,
        arrays::ROWS,
        functions::ROWS,
        graphs::ROWS,
        tracing::ROWS,
        resources::ROWS,
        gradients::ROWS,
        loops::ROWS,
        machinery::ROWS,
        autograph::ROWS,
        training::ROWS,
    ]
    .concat();
    let rows = table::rows();
    for row in &rows {
        // A row that is proved in another way may have a test here, too.
        let count = tests.iter().filter(|test| table::id(test) == row.id).count();
        assert!(count == 1 || (count == 0 && row.proof.is_some()), "{} has {count} tests", row.id);
    }
    for test in tests {
        assert!(rows.iter().any(|row| row.id == table::id(test)), "rows.toml lacks {test}");
    }
}

#[test]
fn a_row_without_golden_values_names_its_proof() {
    for row in table::rows() {
        assert!(row.keys.is_empty() == row.proof.is_some(), "{} has both or neither of keys and proof", row.id);
    }
}

/// `docs/MISSION.md` is this table; `BLESS=1` rewrites it.
#[test]
fn the_page_of_the_rows_is_true() {
    let mut page = String::from(
        "# Promised behaviours\n\nGenerated from `tests/rows/rows.toml` by `BLESS=1 cargo test --test rows`.\n\
         A row is proved by the test of its name in `tests/rows/`, which reads all golden values named here, or as stated.\n\n\
         | row | behaviour | proved by |\n|---|---|---|\n",
    );
    for row in table::rows() {
        let keys: Vec<String> = row.keys.iter().map(|key| format!("`{key}`")).collect();
        let proof = row.proof.unwrap_or_else(|| keys.join(", "));
        page += &format!("| {} | {} | {proof} |\n", row.id, row.what);
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/MISSION.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/MISSION.md is stale: run `BLESS=1 cargo test --test rows` and read the difference");
}
