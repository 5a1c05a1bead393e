//! Texts read back, and mistakes in texts point at their place.

use super::Module;
use crate::op::Op;
use crate::testing::{grow, steps};
use crate::{Builder, Graph, ParamRole, Type, evaluate, verify};
use proptest::prelude::*;
use tracelift_kernel::text::Source;
use tracelift_tensor::{Array, F32, I32};

const EVERY_FORM: &str = r#"func @square(%x: f32[N]) -> f32[N] {
  %0 = mul %x, %x : f32[N]
  return %0
}

func @grown(%x: f32[N], %p: bool[]) -> f32[r1 + r2], f32[r2] {
  %0 = while (%y = %x) captures (%p) {sizes=[r1]} : f32[r1] {
    yield %p
  } do {
    %1 = concat %y, %y {axis=0} : f32[2*r1]
    yield %1
  }
  %2 = cond %p captures (%0) {sizes=[r2]} : f32[r2] {
    %3 = concat %0, %0 {axis=0} : f32[2*r1]
    yield %3
  } else {
    yield %0
  }
  %4 = concat %0, %2 {axis=0} : f32[r1 + r2]
  return %4, %2
}

func @every/form(%x: f32[B], %n: i32[], captured %c: f32[2, 2], state %dense/kernel: f32[C], %0: bool[]) -> f32[B], f32[C], token {
  guard B == C
  %1 = const [[1.0, -0.0], [inf, NaN]] : f32[2, 2]
  %2 = const [] : i64[0, 3]
  %zero = const 0 : i32[]
  %4, %5 = while (%i = %zero, %acc = %x) captures (%n, %k: f32[C] = %x) : i32[], f32[B] {
    guard B == C
    %6 = lt %i, %n : bool[]
    yield %6
  } do {
    %7 = const 1 : i32[]
    %8 = add %i, %7 : i32[]
    %9 = const 1.0 : f32[]
    %10 = broadcast %9 {shape=[B]} : f32[B]
    %11 = add %acc, %10 : f32[B]
    yield %8, %11
  }
  %12 = cond %0 captures (%5, %13 = %x) : f32[B] {
    yield %5
  } else {
    %14 = call @square(%13) : f32[B]
    %15 = fusion captures (%14) : f32[B] {
      %16 = tanh %14 : f32[B]
      yield %16
    }
    yield %15
  }
  %17 = token : token
  %18 = print %17, %12 {message="a \"b\"\n"} : token
  %sum = reduce_sum %12 {axes=[0], keep=true, order=lanes} : f32[1]
  %sum.1 = slice %12 {start=[B - 1], size=[B], step=[-1]} : f32[B]
  %y.1.0, %y.0 = cond %0 captures (%x) : f32[B], f32[B] {
    yield %x, %x
  } else {
    yield %x, %x
  }
  %19 = add %dense/kernel, %12 : f32[C]
  %20, %21 = call @grown(%x, %0) {sizes=[s1, s2]} : f32[s1], f32[s2]
  return %y.0, %dense/kernel <- %19, %18
}
"#;

#[test]
fn every_form_reads_back() {
    let module = Module::parse(Source::new("every.tl", EVERY_FORM));
    let module = module.unwrap_or_else(|mistake| panic!("{mistake}"));
    let graph = module.function("every/form").unwrap();
    let printed = graph.to_string();
    let again = Graph::parse(&printed).unwrap_or_else(|mistake| panic!("{mistake}\n{printed}"));
    assert_eq!(again, **graph);
    assert_eq!(again.to_string(), printed);
    assert_eq!(again.name(), "every/form");
    verify(&again).unwrap();
}

#[test]
fn samples_read_back() {
    for sample in Op::all_samples() {
        let mut b = Builder::new("sample");
        let x: Vec<_> = sample.types.iter().map(|ty| b.param("x", ty.clone(), ParamRole::Input)).collect();
        let Ok(results) = b.push_multi(sample.op.clone(), &x) else { continue };
        let graph = b.finish(&results).unwrap();
        let text = graph.to_string();
        let again = Graph::parse(&text).unwrap_or_else(|mistake| panic!("{mistake}\n{text}"));
        assert_eq!(again, graph, "{text}");
        assert_eq!(again.to_string(), text);
    }
}

#[test]
fn the_loop_of_the_documentation_runs() {
    let text = "func @add_n(%x: f32[B], %n: i32[]) -> f32[B] {
  %0 = const 0 : i32[]
  %1, %2 = while (%i = %0, %acc = %x) captures (%n) : i32[], f32[B] {
    %3 = lt %i, %n : bool[]
    yield %3
  } do {
    %4 = const 1 : i32[]
    %5 = add %i, %4 : i32[]
    %6 = const 1.0 : f32[]
    %7 = broadcast %6 {shape=[B]} : f32[B]
    %8 = add %acc, %7 : f32[B]
    yield %5, %8
  }
  return %2
}
";
    let graph = Graph::parse(text).unwrap();
    assert_eq!(graph.to_string(), text);
    let x = Array::vector([0.5f32, -1.0]).unwrap();
    let y = evaluate(&graph, &[x, Array::scalar(3i32)]).unwrap();
    assert_eq!(y[0].to_vec::<f32>().unwrap(), [3.5, 2.0]);
}

#[test]
fn names_are_made_unique_and_read_back() {
    let mut b = Builder::new("12");
    let ty = Type::tensor(F32, [2]);
    let names = ["x", "x", "x.1", "3", "a b", "", "x.1", "é\"\\\n"];
    let mut last = b.param("x", ty.clone(), ParamRole::Input);
    for name in names {
        last = b.neg(last).unwrap();
        b.set_name(last, name);
    }
    let graph = b.finish(&[last]).unwrap();
    let text = graph.to_string();
    let again = Graph::parse(&text).unwrap_or_else(|mistake| panic!("{mistake}\n{text}"));
    assert_eq!(again, graph, "{text}");
}

#[test]
fn deep_texts_are_refused() {
    let level = "%1 = cond %0 captures (%0) : bool[] {\n";
    let text = format!("func @f(%0: bool[]) -> bool[] {{\n{}", level.repeat(100_000));
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    let thread = thread.spawn(move || Graph::parse(&text).unwrap_err().to_string()).unwrap();
    assert!(thread.join().unwrap().contains("nested more than"));
}

#[test]
fn long_graphs_need_no_stack() {
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    let run = || {
        let mut b = Builder::new("long");
        let x = b.param("x", Type::tensor(I32, [1]), ParamRole::Input);
        let mut y = x;
        for _ in 0..100_000 {
            y = b.add(y, x).unwrap();
        }
        let graph = b.finish(&[y]).unwrap();
        let again = Graph::parse(&graph.to_string()).unwrap();
        assert!(again == graph);
        verify(&again).unwrap();
        let y = evaluate(&again, &[Array::vector([2i32]).unwrap()]).unwrap();
        assert_eq!(y[0].to_vec::<i32>().unwrap(), [200_002]);
    };
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn mistakes_point_into_the_text() {
    let head = "func @f(%x: f32[2], %n: i32[]) -> f32[2] {";
    for (text, message) in [
        ("func f", "t:1:6: expected the function's name, like `@f`, found `f`"),
        ("func @f(%x: f31[2])", "t:1:13: expected an element type (f32, f64, i32, i64, u8, bool), found `f31`"),
        ("func @f(%x: f32[2], %x: i32[])", "t:1:21: there are two parameters called `%x`"),
        ("{H} %0 = add %x, %y : f32[2]", "t:1:57: there is no value `%y` before this"),
        ("{H} %0 = ad %x, %x : f32[2]", "t:1:49: `ad` is no op that is known"),
        (
            "{H} %0 = add %x, %n : f32[2]",
            "t:1:49: `add` takes operands of one type, not f32 and i32 (operands: f32[2], i32[])",
        ),
        ("{H} %0 = add %x, %x : f32[3]", "t:1:62: expected f32[2], found f32[3]"),
        ("{H} %x = add %x, %x : f32[2]", "t:1:44: there are two values called `%x`"),
        ("{H} %0, %1 = neg %x : f32[2]", "t:1:53: `neg` has 1 results, not 2"),
        ("{H} %0 = neg %x {k=1} : f32[2]", "t:1:49: `neg` has no attribute `k`: it has none at all"),
        ("{H} %0 = powi %x {m=1} : f32[2]", "t:1:49: `powi` lacks its attribute `n`"),
        ("{H} %0 = powi %x {n=[1]} : f32[2]", "t:1:49: `powi` wants an integer as attribute `n`"),
        ("{H} %0 = powi %x {n=1, n=2} : f32[2]", "t:1:63: there are two attributes `n`"),
        ("{H} %0 = const [1, 2] : f32[3]", "t:1:55: expected f32[3], found elements of shape [2]"),
        ("{H} %0 = const [1, 2] : token", "t:1:64: a constant has one type, with dtype and shape"),
        ("{H} %0 = call @g(%x) : f32[2]", "t:1:54: there is no function `@g` before this"),
        ("{H} return %n }", "t:1:35: expected i32[], found f32[2]"),
        ("{H} return %x <- %n }", "t:1:60: `x` is f32[2] and cannot become i32[]"),
        ("{H} %0 = parameter : f32[2]", "t:1:49: parameters stand in the head of the function"),
        ("{H} ; nothing", "t:1:53: expected a node or `return`, found the end of the text"),
        ("fnc @f", "t:1:1: expected `func`, `kernel` or `program`, found `fnc`"),
    ] {
        let text = text.replace("{H}", head);
        let mistake = Module::parse(Source::new("t", &text)).unwrap_err().to_string();
        assert_eq!(mistake.lines().next().unwrap(), message, "{text}");
    }
}

proptest! {
    #[test]
    fn random_graphs_read_back(steps in steps()) {
        let graph = grow(&steps);
        let text = graph.to_string();
        let again = Graph::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert!(again == graph, "{}", text);
        prop_assert_eq!(again.to_string(), text);
        verify(&again).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let json = serde_json::to_string(&graph).unwrap();
        let from_json: Graph = serde_json::from_str(&json).unwrap();
        prop_assert!(from_json == graph, "{}", json);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), cut in any::<prop::sample::Index>(), put in "[%@{}():=,a-z0-9 ]{0,3}") {
        let _ = Module::parse(Source::new("t", &text));
        // A good text with something put into it.
        let at = cut.index(EVERY_FORM.len());
        if EVERY_FORM.is_char_boundary(at) {
            let text = format!("{}{put}{}", &EVERY_FORM[..at], &EVERY_FORM[at..]);
            let _ = Module::parse(Source::new("t", &text));
        }
    }
}
