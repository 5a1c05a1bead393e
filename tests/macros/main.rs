//! What the macros make: traced functions and methods, modules, trees; and what they say about mistakes.

mod mistakes;

use tracelift::{Visitor, prelude::*};

/// The third power.
#[function]
fn cube(x: &Tensor) -> Tensor {
    x.powi(3)
}

#[function(input_signature([spec!(f32[None, 4])]), no_retrace)]
fn halves(x: &Tensor) -> Tensor {
    x.slice(s![.., ..;2])
}

#[function]
fn power(x: &Tensor, n: i32) -> Tensor {
    x.powi(n)
}

#[function]
fn add_to(total: &Variable, x: Tensor) -> Result<Tensor> {
    total.assign_add(x)
}

#[test]
fn a_function_is_called_like_a_function() {
    assert_eq!(cube(&tensor(2.0)).item::<f32>().unwrap(), 8.0);
    assert_eq!(cube(&tensor(3.0)).item::<f32>().unwrap(), 27.0);
    assert_eq!(cube::function().trace_count(), 1);
    let text = cube::function().concrete(spec!(f32[None, 3])).unwrap().graph().to_string();
    assert!(text.starts_with("func @cube(%x: f32[B, 3]) -> f32[B, 3] {"), "{text}");
    // The name may be shadowed, as any function's.
    let cube = cube(&tensor(1.0));
    assert_eq!(cube.item::<f32>().unwrap(), 1.0);
}

#[test]
fn options_and_host_values() {
    assert_eq!(halves(&Tensor::ones([3, 4])).shape(), [3, 2]);
    assert_eq!(halves(&Tensor::ones([5, 4])).shape(), [5, 2]);
    assert_eq!(halves::function().trace_count(), 1);
    assert!(halves(&Tensor::ones([5, 3])).error().is_some());

    assert_eq!(power(&tensor(2.0), 3).item::<f32>().unwrap(), 8.0);
    assert_eq!(power(&tensor(2.0), 4).item::<f32>().unwrap(), 16.0);
    assert_eq!(power::function().trace_count(), 2, "a host value is part of the signature");
}

#[test]
fn variables_are_arguments() {
    let (a, b) = (Variable::new(1.0), Variable::new(10.0));
    add_to(&a, tensor(2.0)).unwrap();
    add_to(&b, tensor(2.0)).unwrap();
    assert_eq!((a.item::<f32>().unwrap(), b.item::<f32>().unwrap()), (3.0, 12.0));
    assert_eq!(add_to::function().trace_count(), 1);
    assert!(add_to(&a, tensor([1.0, 2.0])).is_err());
}

/// Counts by a step of its own.
#[derive(Module)]
struct Counter {
    count: Variable,
    step: i32,
}

impl Counter {
    #[function]
    fn increment(&self, times: i32) -> Result<Tensor> {
        self.count.assign_add(self.step * times)
    }
}

#[test]
fn methods_are_traced_by_object() {
    let one = Counter { count: Variable::new(0), step: 1 };
    let ten = Counter { count: one.count.clone(), step: 10 };
    one.increment(2).unwrap();
    ten.increment(2).unwrap();
    one.increment(2).unwrap();
    assert_eq!(one.count.item::<i32>().unwrap(), 24);
    assert_eq!(one.increment_function().trace_count(), 1);
    assert_eq!(one.share().increment_function().trace_count(), 1, "a share is the same object");
    let graph = one.increment_function().concrete(2).unwrap().graph().to_string();
    assert!(graph.contains("func @increment("), "{graph}");
}

#[test]
fn functions_call_functions() {
    #[function]
    fn sixth_power(x: &Tensor) -> Tensor {
        cube(&(x * x))
    }
    assert_eq!(sixth_power(&tensor(2.0)).item::<f32>().unwrap(), 64.0);
}

#[derive(Clone, Tree)]
struct State {
    x: Tensor,
    n: i32,
    pair: (Tensor, Tensor),
}

#[test]
fn trees_go_through_functions() {
    let step = Function::new(|state: &State| State {
        x: &state.x * state.n,
        n: state.n,
        pair: (state.pair.1.clone(), state.pair.0.clone()),
    });
    let state = State { x: tensor(2.0), n: 3, pair: (tensor(1), tensor(2.5)) };
    let next = step(&state);
    assert_eq!((next.x.item::<f32>().unwrap(), next.n), (6.0, 3));
    assert_eq!((next.pair.0.item::<f32>().unwrap(), next.pair.1.item::<i32>().unwrap()), (2.5, 1));
    step(&State { n: 4, ..state });
    assert_eq!(step.trace_count(), 2);
    // Explanations name the field.
    assert_eq!(step.retraces()[0].reason(), "`.n` of argument 0 is 4, not 3");
    step.concrete((spec!(f32[]), 5, spec!(i32[]), spec!(f32[]))).unwrap();
    assert_eq!(step.trace_count(), 3);
}

/// A type of somebody else's, without weights.
#[derive(Clone)]
struct Foreign;

#[derive(Module)]
struct Nested<T: Module> {
    blocks: Vec<(Dense, Option<Dense>)>,
    #[module(skip)]
    foreign: Foreign,
    last: [Box<Dense>; 1],
    other: T,
}

impl<T: Module> Layer for Nested<T> {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let x = self.blocks.iter().fold(x.clone(), |x, (a, b)| {
            let x = a.apply(&x);
            b.as_ref().map_or_else(|| x.clone(), |b| b.apply(&x))
        });
        let _ = (&self.foreign, &self.other);
        self.last[0].apply(&x)
    }
}

#[test]
fn weights_are_found_in_all_fields_under_their_paths() {
    #[derive(Default)]
    struct Names(Vec<String>);
    impl Visitor for Names {
        fn weight(&mut self, weight: &Weight) {
            self.0.push(weight.name().to_owned());
        }
    }
    let dense = || Dense::new(2).without_bias();
    let nested = Nested {
        blocks: vec![(dense(), Some(dense())), (dense(), None)],
        foreign: Foreign,
        last: [Box::new(dense())],
        other: Late::<Dense>::default(),
    };
    nested.apply(&Tensor::ones([1, 3])).ok().unwrap();
    let mut names = Names::default();
    nested.visit(&mut names);
    assert_eq!(names.0, ["blocks/0/0/kernel", "blocks/0/1/kernel", "blocks/1/0/kernel", "last/0/kernel"]);
    assert!(nested.share().variables()[0].same(&nested.variables()[0]));
}
