//! What dims promise: tables here, laws below them.

use super::*;
use crate::Result;

fn dim(text: &str) -> Dim {
    text.parse().unwrap()
}

#[test]
fn prints_by_degree_then_name() {
    for text in [
        "0",
        "-3",
        "B",
        "2*B + 1",
        "B*T + B - T - 1",
        "(B + 1)//2",
        "B//2",
        "-(B//2) + 3",
        "2*(B//2)",
        "B*B",
        "B*(T//3)",
    ] {
        assert_eq!(dim(text).to_string(), text);
    }
    assert_eq!((1 + Dim::sym("B") * 2).to_string(), "2*B + 1");
}
