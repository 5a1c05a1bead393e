//! `rows.toml`: the rows, and the running of a row's test against the values it names.

use crate::golden::Golden;

/// One promised behaviour.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) keys: Vec<String>,
    pub(crate) proof: Option<String>,
}

/// All rows. The file uses tables of strings and lists of strings only.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in include_str!("rows.toml").lines().map(str::trim) {
        if line == "[[row]]" {
            rows.push(Row { id: String::new(), what: String::new(), keys: Vec::new(), proof: None });
        }
        let Some((name, value)) = line.split_once(" = ") else { continue };
        let row = rows.last_mut().expect("a row begins with its header");
        let texts: Vec<String> = value.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        match name {
            "id" => row.id = texts[0].clone(),
            "keys" => row.keys = texts,
            "proof" => row.proof = Some(texts[0].clone()),
            "what" => row.what = value.trim_matches('"').to_owned(),
            other => panic!("rows.toml: unknown entry `{other}`"),
        }
    }
    rows
}

/// The row of a test: `AG10` of `t_ag10_loop_dtype_change_is_an_error`.
pub(crate) fn id(test: &str) -> String {
    let id = test.strip_prefix("t_").and_then(|rest| rest.split('_').next());
    id.unwrap_or_else(|| panic!("{test} is not named `t_<id>_<what>`")).to_uppercase()
}

/// Runs a row's test, which fails if it does not look at all golden values of the row.
pub(crate) fn run(test: &str, check: fn(&Golden)) {
    let id = id(test);
    let row = rows().into_iter().find(|row| row.id == id).unwrap_or_else(|| panic!("rows.toml lacks {id}"));
    let golden = Golden::load();
    check(&golden);
    let missed: Vec<String> = row.keys.into_iter().filter(|key| !golden.was_read(key)).collect();
    assert!(missed.is_empty(), "{id} did not read {missed:?}");
}
