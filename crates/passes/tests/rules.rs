//! Every rule of `simplify`: it applies somewhere, and its two sides have equal bits for every exponent of a float and
//! every special value.

use tracelift_ir::{Builder, Graph, Op, Value, ValueMap, evaluate};
use tracelift_passes::{RULES, Site, simplify};
use tracelift_tensor::{Array, DType};

/// Left sides, by the rule that is meant. `f32[N]` and the like are given all values there are to try.
const LEFT_SIDES: &[(&str, &str)] = &[
    ("identity", "(%x: f32[N]) -> f32[N] { %0 = identity %x : f32[N] return %0 }"),
    ("identity", "(%x: f32[N]) -> f32[N] { %0 = stop_gradient %x : f32[N] return %0 }"),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const -0.0 : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = add %x, %e : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const -0.0 : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = add %e, %x : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const 0.0 : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = sub %x, %e : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const 1.0 : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = mul %e, %x : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const 1.0 : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = div %x, %e : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const 1.0 : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = pow %x, %e : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const -inf : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = max %x, %e : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f32[N]) -> f32[N] { %c = const inf : f32[] %e = broadcast %c {shape=[N]} : f32[N] %0 = min %e, %x : f32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: f64[N]) -> f64[N] { %c = const 1.0 : f64[] %e = broadcast %c {shape=[N]} : f64[N] %0 = mul %x, %e : f64[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: i32[N]) -> i32[N] { %c = const 0 : i32[] %e = broadcast %c {shape=[N]} : i32[N] %0 = add %x, %e : i32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: i64[N]) -> i64[N] { %c = const 1 : i64[] %e = broadcast %c {shape=[N]} : i64[N] %0 = mul %x, %e : i64[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: i64[N]) -> i64[N] { %c = const -1 : i64[] %e = broadcast %c {shape=[N]} : i64[N] %0 = and %x, %e : i64[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: u8[N]) -> u8[N] { %c = const 255 : u8[] %e = broadcast %c {shape=[N]} : u8[N] %0 = and %x, %e : u8[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: bool[N]) -> bool[N] { %c = const false : bool[] %e = broadcast %c {shape=[N]} : bool[N] %0 = or %x, %e : bool[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: i32[N]) -> i32[N] { %c = const 0 : i32[] %e = broadcast %c {shape=[N]} : i32[N] %0 = xor %x, %e : i32[N] return %0 }",
    ),
    (
        "neutral",
        "(%x: i32[N]) -> i32[N] { %c = const 0 : i32[] %e = broadcast %c {shape=[N]} : i32[N] %0 = shl %x, %e : i32[N] return %0 }",
    ),
    (
        "absorbing",
        "(%x: i32[N]) -> i32[N] { %c = const 0 : i32[] %e = broadcast %c {shape=[N]} : i32[N] %0 = mul %x, %e : i32[N] return %0 }",
    ),
    (
        "absorbing",
        "(%x: bool[N]) -> bool[N] { %c = const true : bool[] %e = broadcast %c {shape=[N]} : bool[N] %0 = or %e, %x : bool[N] return %0 }",
    ),
    (
        "absorbing",
        "(%x: u8[N]) -> u8[N] { %c = const 0 : u8[] %e = broadcast %c {shape=[N]} : u8[N] %0 = and %x, %e : u8[N] return %0 }",
    ),
    ("involution", "(%x: f32[N]) -> f32[N] { %0 = neg %x : f32[N] %1 = neg %0 : f32[N] return %1 }"),
    ("involution", "(%x: u8[N]) -> u8[N] { %0 = not %x : u8[N] %1 = not %0 : u8[N] return %1 }"),
    ("involution", "(%x: i32[N]) -> i32[N] { %0 = neg %x : i32[N] %1 = neg %0 : i32[N] return %1 }"),
    ("idempotent_unary", "(%x: f32[N]) -> f32[N] { %0 = abs %x : f32[N] %1 = abs %0 : f32[N] return %1 }"),
    ("idempotent_unary", "(%x: f32[N]) -> f32[N] { %0 = round %x : f32[N] %1 = round %0 : f32[N] return %1 }"),
    ("idempotent_unary", "(%x: f32[N]) -> f32[N] { %0 = floor %x : f32[N] %1 = floor %0 : f32[N] return %1 }"),
    ("idempotent_unary", "(%x: i32[N]) -> i32[N] { %0 = abs %x : i32[N] %1 = abs %0 : i32[N] return %1 }"),
    ("idempotent_binary", "(%x: f32[N]) -> f32[N] { %0 = max %x, %x : f32[N] return %0 }"),
    ("idempotent_binary", "(%x: i64[N]) -> i64[N] { %0 = and %x, %x : i64[N] return %0 }"),
    ("select_same", "(%p: bool[N], %x: f32[N]) -> f32[N] { %0 = select %p, %x, %x : f32[N] return %0 }"),
    (
        "select_known",
        "(%x: f32[N], %y: f32[N]) -> f32[N] { %c = const true : bool[] %e = broadcast %c {shape=[N]} : bool[N] %0 = select %e, %x, %y : f32[N] return %0 }",
    ),
    (
        "select_known",
        "(%x: f32[N], %y: f32[N]) -> f32[N] { %c = const false : bool[] %e = broadcast %c {shape=[N]} : bool[N] %0 = select %e, %x, %y : f32[N] return %0 }",
    ),
    ("cast_same", "(%x: f32[N]) -> f32[N] { %0 = cast %x {dtype=f32} : f32[N] return %0 }"),
    ("power_zero_one", "(%x: f32[N]) -> f32[N] { %0 = powi %x {n=1} : f32[N] return %0 }"),
    ("power_product", "(%x: f32[N]) -> f32[N] { %0 = powi %x {n=2} : f32[N] return %0 }"),
    ("power_product", "(%x: f32[N]) -> f32[N] { %0 = powi %x {n=3} : f32[N] return %0 }"),
    ("power_product", "(%x: i32[N]) -> i32[N] { %0 = powi %x {n=3} : i32[N] return %0 }"),
    ("reshape_same", "(%x: f32[N]) -> f32[N] { %0 = reshape %x {shape=[N]} : f32[N] return %0 }"),
    (
        "reshape_twice",
        "(%x: f32[N]) -> f32[1, N, 1] { %0 = reshape %x {shape=[N, 1]} : f32[N, 1] %1 = reshape %0 {shape=[1, N, 1]} : f32[1, N, 1] return %1 }",
    ),
    ("transpose_same", "(%x: f32[N]) -> f32[N] { %0 = transpose %x {order=[0]} : f32[N] return %0 }"),
    (
        "transpose_twice",
        "(%x: f32[N]) -> f32[1, N, 1] { %0 = reshape %x {shape=[N, 1, 1]} : f32[N, 1, 1] %1 = transpose %0 {order=[1, 2, 0]} : f32[1, 1, N] %2 = transpose %1 {order=[0, 2, 1]} : f32[1, N, 1] return %2 }",
    ),
    ("broadcast_same", "(%x: f32[N]) -> f32[N] { %0 = broadcast %x {shape=[N], axes=[0]} : f32[N] return %0 }"),
    (
        "broadcast_twice",
        "(%x: f32[N]) -> f32[2, N, 3] { %0 = broadcast %x {shape=[N, 3], axes=[0]} : f32[N, 3] %1 = broadcast %0 {shape=[2, N, 3], axes=[1, 2]} : f32[2, N, 3] return %1 }",
    ),
    ("slice_all", "(%x: f32[N]) -> f32[N] { %0 = slice %x {start=[0], size=[N], step=[1]} : f32[N] return %0 }"),
    (
        "reduce_one",
        "(%x: f32[N]) -> f32[N] { %0 = reshape %x {shape=[N, 1]} : f32[N, 1] %1 = reduce_sum %0 {axes=[1], keep=false, order=lanes} : f32[N] return %1 }",
    ),
    (
        "reduce_one",
        "(%x: f32[N]) -> f32[1, N] { %0 = reshape %x {shape=[1, N]} : f32[1, N] %1 = reduce_prod %0 {axes=[0], keep=true, order=chain} : f32[1, N] return %1 }",
    ),
    (
        "reduce_one",
        "(%x: f64[N]) -> f64[N] { %0 = reshape %x {shape=[N, 1]} : f64[N, 1] %1 = reduce_min %0 {axes=[1], keep=false, order=lanes} : f64[N] return %1 }",
    ),
    (
        "reduce_one",
        "(%x: bool[N]) -> bool[N] { %0 = reshape %x {shape=[N, 1]} : bool[N, 1] %1 = reduce_any %0 {axes=[1], keep=false, order=lanes} : bool[N] return %1 }",
    ),
    ("nothing_reversed", "(%x: f32[N]) -> f32[N] { %0 = reverse %x {axes=[]} : f32[N] return %0 }"),
];

fn parse(body: &str) -> Graph {
    let text = format!("func @left{body}");
    Graph::parse(&text).unwrap_or_else(|mistake| panic!("{mistake}\n{text}"))
}

/// The rules that apply at some node of a graph.
fn rules_that_apply(graph: &Graph) -> Vec<&'static str> {
    let mut b = Builder::new("copy");
    let mut made: ValueMap<Value> = ValueMap::new();
    for (param, role) in graph.params().iter().zip(graph.roles()) {
        made.insert(*param, b.param("", graph.ty(*param).clone(), *role));
    }
    let mut names = vec![];
    for (id, node) in graph.nodes() {
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let x: Vec<Value> = node.operands.iter().map(|x| made[*x]).collect();
        for rule in RULES {
            if (rule.apply)(&mut Site { b: &mut b, op: &node.op, x: &x }).unwrap().is_some() {
                names.push(rule.name);
            }
        }
        made.insert(id.value(), b.push_like(node, &x).unwrap()[0]);
    }
    names
}

/// Every exponent with a few mantissas and both signs: zeros, subnormals, infinities and NaNs are among them.
fn floats() -> Vec<f32> {
    let mantissas = [0u32, 1, 0x0012_3457, 0x003f_ffff, 0x0040_0000, 0x007f_ffff];
    let bits = (0..512u32).flat_map(|head| mantissas.map(|mantissa| head << 23 | mantissa));
    bits.map(f32::from_bits).collect()
}

/// As many values as there are floats, those of parameter `n` begun at another place.
fn values(dtype: DType, n: usize) -> Array {
    let floats: Vec<f32> = floats();
    let count = floats.len();
    let at = |i: usize| (i * (n + 1) * 7 + n * 1013) % count;
    let whole = |i: usize| [0, 1, -1, i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1][at(i) % 7] ^ (at(i) as i64 / 7);
    fn collect<T>(count: usize, item: impl Fn(usize) -> T) -> Vec<T> {
        (0..count).map(item).collect()
    }
    let made = match dtype {
        DType::F32 => Array::new([count], collect(count, |i| floats[at(i)])),
        DType::F64 => Array::new([count], collect(count, |i| f64::from(floats[at(i)]) * 1.000_000_1)),
        DType::I32 => Array::new([count], collect(count, |i| (whole(i) as i32) ^ (whole(i) >> 32) as i32)),
        DType::I64 => Array::new([count], collect(count, whole)),
        DType::U8 => Array::new([count], collect(count, |i| at(i) as u8)),
        _ => Array::new([count], collect(count, |i| at(i) % 2 == 0)),
    };
    made.unwrap()
}

#[test]
fn both_sides_have_equal_bits() {
    for (rule, body) in LEFT_SIDES {
        let left = parse(body);
        let right = simplify(&left).unwrap();
        assert!(rules_that_apply(&left).contains(rule), "`{rule}` does not apply to\n{left}");
        assert!(right.len() < left.len() || *rule == "power_product" || *rule == "reduce_one", "{left}\n{right}");
        let arguments: Vec<Array> = left.param_types().enumerate().map(|(n, ty)| values(ty.dtype(), n)).collect();
        let (expected, given) = (evaluate(&left, &arguments).unwrap(), evaluate(&right, &arguments).unwrap());
        assert!(expected == given, "`{rule}` changes bits: {left}\n{right}");
    }
}

#[test]
fn every_rule_applies_somewhere() {
    for rule in RULES {
        let known = LEFT_SIDES.iter().any(|(name, _)| *name == rule.name);
        assert!(known, "`{}` ({}) has no left side in this test", rule.name, rule.equation);
    }
}
