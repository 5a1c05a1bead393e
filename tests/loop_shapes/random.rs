//! Random programs over a list that changes its length, against the same in plain Rust.

use proptest::prelude::*;
use tracelift::prelude::*;
use tracelift::{WhileLoop, concat, cond};

/// What a random program does with its list.
#[derive(Clone, Debug)]
enum Step {
    /// Appends the number of the round.
    Append,
    /// Appends the list to itself while it is short.
    Twice,
    Reverse,
    Scale,
    /// In even rounds.
    If(Vec<Step>),
    Repeat(i32, Vec<Step>),
}

fn programs() -> impl Strategy<Value = Vec<Step>> {
    let plain = prop_oneof![Just(Step::Append), Just(Step::Twice), Just(Step::Reverse), Just(Step::Scale)];
    let step = plain.prop_recursive(3, 12, 3, |inner| {
        let block = prop::collection::vec(inner, 0..4);
        prop_oneof![block.clone().prop_map(Step::If), (0..4, block).prop_map(|(n, steps)| Step::Repeat(n, steps))]
    });
    prop::collection::vec(step, 0..5)
}

fn run(steps: &[Step], x: Tensor, round: &Tensor) -> Tensor {
    steps.iter().fold(x, |x, step| match step {
        Step::Append => concat(&[&x, &round.cast(F32).reshape([1])], 0),
        Step::Twice => cond(&x.dim(0).lt(20), || concat(&[&x, &x], 0), || x.clone()),
        Step::Reverse => x.slice(s![..;-1]),
        Step::Scale => x * 0.5 + 1.0,
        Step::If(inner) => cond(&(round % 2).eq(0), || run(inner, x.clone(), round), || x.clone()),
        Step::Repeat(n, inner) => {
            let body = |(i, x): (Tensor, Tensor)| (&i + 1, run(inner, x, &i));
            WhileLoop::new().shape_invariants((None, spec!(f32[None]))).run((tensor(0), x), |(i, _)| i.lt(*n), body).1
        }
    })
}

/// The same in plain Rust.
fn model(steps: &[Step], x: &mut Vec<f32>, round: i32) {
    for step in steps {
        match step {
            Step::Append => x.push(round as f32),
            Step::Twice if x.len() < 20 => *x = x.repeat(2),
            Step::Twice => {}
            Step::Reverse => x.reverse(),
            Step::Scale => x.iter_mut().for_each(|x| *x = *x * 0.5 + 1.0),
            Step::If(inner) if round % 2 == 0 => model(inner, x, round),
            Step::If(_) => {}
            Step::Repeat(n, inner) => (0..*n).for_each(|i| model(inner, x, i)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_are_those_of_plain_rust(steps in programs(), x in prop::collection::vec(-2f32..2.0, 0..4), n in 0..4) {
        let whole = [Step::Repeat(n, steps)];
        let mut expect = x.clone();
        model(&whole, &mut expect, 0);
        let x = Tensor::from(x);
        let eager = run(&whole, x.clone(), &tensor(0)).to_vec::<f32>().unwrap();
        prop_assert_eq!(&eager, &expect);
        let traced = {
            let whole = whole.clone();
            Function::new(move |x: &Tensor| run(&whole, x.clone(), &tensor(0)))
        };
        prop_assert_eq!(&traced(&x).to_vec::<f32>().unwrap(), &expect);
        // For any size, through all passes, and as text.
        let any = traced.concrete(spec!(f32[None])).unwrap();
        let graph = any.graph();
        let array = x.to_array().unwrap();
        if let Err(fault) = tracelift_testkit::check::reads_back(graph) {
            prop_assert!(false, "{fault}\n{graph}");
        }
        match tracelift_testkit::engines::compare(graph, &[array]) {
            Ok(answered) => prop_assert_eq!(answered.results.unwrap()[0].to_vec::<f32>().unwrap(), expect),
            Err(fault) => prop_assert!(false, "{fault}\n{graph}"),
        }
    }
}
