//! What ops say when they refuse their operands: one line per mistake.

use crate::Graph;

/// A node, and what is said about it.
const MISTAKES: &[(&str, &str)] = &[
    ("add %x, %n : f32[2, 3]", "`add` takes operands of one type, not f32 and i32 (operands: f32[2, 3], i32[4])"),
    ("add %x, %y : f32[2, 3]", "`add` wants equal shapes, not f32[2, 3] and f32[3]"),
    ("add %x, %b : f32[2, 3]", "`add` wants equal shapes, not f32[2, 3] and f32[B]"),
    ("add %x : f32[2, 3]", "`add` takes 2 operands, not 1 (operands: f32[2, 3])"),
    ("exp %n : i32[4]", "`exp` takes f32 or f64, not i32 (operands: i32[4])"),
    ("exp %t : f32[]", "`exp` wants a tensor as operand 0, not token"),
    (
        "select %n, %x, %x : f32[2, 3]",
        "`select` wants bool as its condition, not i32 (operands: i32[4], f32[2, 3], f32[2, 3])",
    ),
    ("cast %x {dtype=f16} : f32[2, 3]", "`cast` wants an element type as attribute `dtype`, not `f16`"),
    ("powi %x {n=3000000000} : f32[2, 3]", "`powi` wants an exponent of 32 bits, not 3000000000"),
    (
        "broadcast %x {shape=[2, 4], axes=[0, 1]} : f32[2, 4]",
        "`broadcast` cannot repeat axes of f32[2, 3] to [2, 4]: only a size of 1 is repeated",
    ),
    (
        "broadcast %x {shape=[2, 3], axes=[1, 0]} : f32[2, 3]",
        "`broadcast` wants ascending axes below 2, not [1, 0] (operands: f32[2, 3])",
    ),
    (
        "broadcast %y {shape=[2, 3]} : f32[2, 3]",
        "`broadcast` places 0 axes of an operand that has 1 (operands: f32[3])",
    ),
    ("reshape %x {shape=[4]} : f32[4]", "`reshape` cannot make [4] of f32[2, 3]: 6 elements are not 4"),
    (
        "reshape %x {shape=[-1, 4]} : f32[1, 4]",
        "`reshape` cannot find the size for -1 in [-1, 4]: 6 elements are not a multiple of 4 (operands: f32[2, 3])",
    ),
    (
        "reshape %x {shape=[-1, -1]} : f32[1, 4]",
        "`reshape` can leave only one size to be found, not several in [-1, -1] (operands: f32[2, 3])",
    ),
    (
        "reshape %x {shape=[-2, -3]} : f32[1, 4]",
        "`reshape` wants sizes that are not negative, not -2 (operands: f32[2, 3])",
    ),
    ("transpose %x {order=[0]} : f32[2]", "`transpose` orders 1 axes of an operand that has 2 (operands: f32[2, 3])"),
    ("transpose %x {order=[0, 0]} : f32[2, 2]", "`transpose` names axis 0 twice (operands: f32[2, 3])"),
    (
        "transpose %x {order=[0, 2]} : f32[2, 2]",
        "`transpose` has no axis 2: the operand has 2 axes (operands: f32[2, 3])",
    ),
    (
        "slice %y {start=[1], size=[3]} : f32[3]",
        "`slice` cannot take 3 elements from 1 on by steps of 1 of axis 0 of f32[3]",
    ),
    (
        "slice %y {start=[1], size=[1], step=[0]} : f32[1]",
        "`slice` wants a step that is not zero on axis 0 (operands: f32[3])",
    ),
    ("slice %y {start=[1], size=[1, 2]} : f32[1]", "`slice` wants as many starts as sizes and steps"),
    ("reverse %y {axes=[1]} : f32[3]", "`reverse` has no axis 1: the operand has 1 axes (operands: f32[3])"),
    (
        "concat %x, %x, %y {axis=0} : f32[4, 3]",
        "`concat` cannot join f32[2, 3] and f32[3] along axis 0: other axes differ",
    ),
    ("concat %y, %n {axis=0} : f32[7]", "`concat` cannot join f32[3] and i32[4]: their element types differ"),
    ("concat {axis=0} : f32[7]", "`concat` wants at least one operand"),
    (
        "gather %x, %y {axis=0} : f32[3, 3]",
        "`gather` wants indices of i32 or i64, not f32[3] (operands: f32[2, 3], f32[3])",
    ),
    ("gather %x, %n {axis=2} : f32[3, 3]", "`gather` has no axis 2 in f32[2, 3] (operands: f32[2, 3], i32[4])"),
    (
        "gather %x, %n {axis=1, batch=1} : f32[2, 3]",
        "`gather` cannot pick from f32[2, 3] by i32[4]: common axes are 2 and 4",
    ),
    (
        "gather %x, %n {axis=0, batch=1} : f32[2, 3]",
        "`gather` cannot have 1 axes in common before axis 0 of f32[2, 3] (operands: f32[2, 3], i32[4])",
    ),
    (
        "reduce_max %e {axes=[0], keep=false, order=lanes} : f32[]",
        "`reduce_max` has no value over no elements: axis 0 of f32[0] is empty",
    ),
    (
        "reduce_any %x {axes=[0], keep=false, order=chain} : f32[3]",
        "`reduce_any` takes bool, not f32 (operands: f32[2, 3])",
    ),
    (
        "reduce_sum %x {axes=[2], keep=false, order=chain} : f32[3]",
        "`reduce_sum` has no axis 2: the operand has 2 axes (operands: f32[2, 3])",
    ),
    (
        "reduce_sum %x {axes=[1, 0], keep=false, order=lanes} : f32[]",
        "`reduce_sum` wants its axes in ascending order, not [1, 0] (operands: f32[2, 3])",
    ),
    (
        "reduce_sum %x {axes=[1], keep=false, order=up} : f32[2]",
        "`reduce_sum` wants `lanes` or `chain` as attribute `order`, not `up`",
    ),
    (
        "dot_general %x, %x {lhs_contract=[1], rhs_contract=[0]} : f32[2, 3]",
        "`dot_general` cannot multiply f32[2, 3] by f32[2, 3]: inner axes are 3 and 2",
    ),
    (
        "dot_general %x, %n {lhs_contract=[1], rhs_contract=[0]} : f32[2]",
        "`dot_general` cannot multiply f32[2, 3] by i32[4]: their element types differ",
    ),
    (
        "dot_general %x, %y {lhs_contract=[2], rhs_contract=[0]} : f32[2]",
        "`dot_general` cannot multiply f32[2, 3] by f32[3]: it has no axis 2: the operand has 2 axes",
    ),
    ("iota {shape=[2], axis=1, dtype=i32} : i32[2]", "`iota` has no axis 1 in the shape [2]"),
    ("iota {shape=[2], axis=0, dtype=bool} : bool[2]", "`iota` counts in a float or integer type, not bool"),
    ("random_uniform %n, %n {shape=[2], dtype=f32} : f32[2]", "`random_uniform` wants i64[] as its key, not i32[4]"),
    ("print %x {message=\"x\"} : token", "`print` wants a token as operand 0, not f32[2, 3]"),
    (
        "assert %t, %x {message=\"x\"} : token",
        "`assert` wants a condition of bool, not f32[2, 3] (operands: token, f32[2, 3])",
    ),
    (
        "cond %n captures (%x) : f32[2, 3] { yield %x } else { yield %x }",
        "`cond` wants bool[] as its condition, not i32[4] (operands: i32[4], f32[2, 3])",
    ),
    (
        "cond %p captures (%x, %y) : f32[2, 3] { yield %x } else { yield %y }",
        "`cond` has branches whose results 0 are f32[2, 3] and f32[3] (operands: bool[], f32[2, 3], f32[3])",
    ),
    (
        "while (%i = %x) : f32[2, 3] { yield %i } do { yield %i }",
        "`while` wants bool[] from its condition, not f32[2, 3]",
    ),
    (
        "while (%i = %y) captures (%p, %x) : f32[3] { yield %p } do { yield %x }",
        "`while` carries `i` as f32[3], which cannot become f32[2, 3] (operands: f32[3], bool[], f32[2, 3])",
    ),
];

#[test]
fn mistakes_are_explained() {
    let head = "func @f(%x: f32[2, 3], %y: f32[3], %b: f32[B], %n: i32[4], %e: f32[0], %p: bool[], %t: token) -> ()";
    let mut wrong = Vec::new();
    for (node, message) in MISTAKES {
        let error = Graph::parse(&format!("{head} {{ %0 = {node} return }}")).unwrap_err().to_string();
        let said = error.lines().next().and_then(|line| line.split_once(": ")).map(|(_, said)| said);
        if said != Some(*message) {
            wrong.push(format!("{node}\n  says  {}\n  wants {message}", said.unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
