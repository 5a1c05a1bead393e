//! Every op on its samples.

use crate::eval::Evaluator;
use crate::op::Op;
use crate::{Builder, ParamRole, Type, evaluate};

#[test]
fn samples_run_through_graphs_and_alone() {
    for sample in Op::all_samples() {
        let text = format!("{:?} on {:?}", sample.op, sample.types);
        let mut b = Builder::new("sample");
        let x: Vec<_> = sample.types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let made = b.push_multi(sample.op.clone(), &x);
        if sample.fails && made.is_err() {
            continue;
        }
        let results = made.unwrap_or_else(|error| panic!("{text}: {error}"));
        let graph = b.finish(&results).unwrap();
        let given = evaluate(&graph, &sample.inputs);
        if sample.fails {
            assert!(given.is_err(), "{text} is not refused");
            continue;
        }
        let given = given.unwrap_or_else(|error| panic!("{text}: {error}"));
        // Attributes may hold sizes that only a graph can know, and tokens exist in graphs alone.
        let alone = match graph.unknowns().is_empty() && !sample.types.contains(&Type::Token) {
            true => Evaluator::new().apply(&sample.op, &sample.inputs).unwrap(),
            false => given.clone(),
        };
        for (i, array) in given.iter().enumerate() {
            assert!(array.bit_eq(&alone[i]), "{text}");
            let expect = sample.expect.as_ref().map(|expect| &expect[i]);
            assert!(expect.is_none_or(|expect| array.bit_eq(expect)), "{text} is {array:?} and not {expect:?}");
        }
    }
}
