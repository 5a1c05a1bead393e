//! Random programs: loops and branches in each other, with counters, truth values and floats, for gradients.
//!
//! A program is a list of statements over the values so far. A statement is an operation, a branch whose arms are
//! programs, or a loop whose body is one; what they use from outside is captured. All floats have one shape, and every
//! operation is smooth and keeps them small, so that a gradient is a number to be compared.

mod blocks;
mod features;
mod unroll;

pub use features::{Features, ProgramCounts};
pub use unroll::unroll;

use crate::random::{Case, Chance};
use blocks::Block;
use tracelift_ir::{Builder, ParamRole, Type, Value};
use tracelift_tensor::{Array, DType, Dim, Shape};

/// The program of a seed: parameters are floats, whole numbers and truth values; the one result is a float.
///
/// ```
/// use tracelift_testkit::programs::generate;
/// assert_eq!(generate(3).graph.to_string(), generate(3).graph.to_string());
/// assert!(tracelift_ir::evaluate(&generate(3).graph, &generate(3).arguments).is_ok());
/// ```
pub fn generate(seed: u64) -> Case {
    let mut chance = Chance::new(seed ^ 0x5afe_1009);
    let (shape, dims) = match chance.below(4) {
        0 | 1 => (Shape::scalar(), vec![]),
        2 => (Shape::from([3]), vec![3]),
        _ => (Shape::from([Dim::sym("B")]), vec![*chance.pick(&[1, 2, 5])]),
    };
    let float = Type::tensor(DType::F64, shape);
    let mut b = Builder::new(format!("program{seed}"));
    let (mut types, mut arguments) = (vec![], vec![]);
    for n in 0..2 + chance.below(2) {
        types.push(float.clone());
        arguments.push(floats(&mut chance, &dims, n));
    }
    types.extend([Type::scalar(DType::I32), Type::scalar(DType::Bool)]);
    arguments.extend([Array::scalar(chance.below(5) as i32), Array::scalar(chance.one_in(2))]);
    let params: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let mut block = Block::new(b, &params, &float, &mut chance, 0);
    let steps = 3 + block.chance.below(4);
    block.statements(steps);
    let (mut b, last) = block.finish_with_floats();
    let mut total = None;
    for value in last {
        let axes: Vec<usize> = (0..b.ty(value).rank()).collect();
        let sum = if axes.is_empty() { value } else { b.sum(value, &axes, false).expect("floats have sums") };
        total = Some(match total {
            Some(before) => b.add(before, sum).expect("sums are added"),
            None => sum,
        });
    }
    let graph = b.finish(&[total.expect("a program has floats")]).expect("a program is a graph");
    Case { graph, arguments }
}

fn floats(chance: &mut Chance, dims: &[usize], n: usize) -> Array {
    let count: usize = dims.iter().product();
    let items: Vec<f64> = (0..count).map(|i| chance.unit() * 1.6 - 0.8 + 0.01 * (n + i) as f64).collect();
    Array::new(dims, items).expect("as many items as the shape asks for")
}
