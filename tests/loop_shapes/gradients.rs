//! Gradients of loops that change shapes, of first and second order, against those of the unrolled programs.

use super::bits;
use tracelift::prelude::*;
use tracelift::{WhileLoop, concat, cond, grad};

/// A loop of the graph and one of Rust have the same value and, but for the order of sums, the same gradients.
fn same_gradient(
    looped: impl Fn(&Tensor) -> Tensor + Copy + Send + Sync + 'static,
    unrolled: impl Fn(&Tensor) -> Tensor + Copy + Send + Sync + 'static,
    x: &[f64],
) {
    let x = Tensor::from(x.to_vec());
    let expect = grad(unrolled)(&x).to_vec::<f64>().unwrap();
    let eager = grad(looped)(&x);
    let traced = Function::new(move |x: &Tensor| grad(looped)(x)).reduce_retracing();
    assert_eq!(bits(std::slice::from_ref(&eager)), bits(&[traced(&x)]), "eager and traced");
    for (given, expect) in eager.to_vec::<f64>().unwrap().iter().zip(&expect) {
        assert!((given - expect).abs() <= 1e-12 * (1.0 + expect.abs()), "{eager} and {expect}");
    }
    let any = traced.concrete(spec!(f64[None])).unwrap();
    tracelift_testkit::engines::compare(any.graph(), &[x.to_array().unwrap()])
        .unwrap_or_else(|fault| panic!("{fault}"));
    let second = Function::new(move |x: &Tensor| grad(move |x: &Tensor| grad(looped)(x).square().sum(..))(x));
    let graph = second.concrete(spec!(f64[None])).unwrap();
    tracelift_ir::verify(graph.graph()).unwrap();
    let expect = grad(move |x: &Tensor| grad(unrolled)(x).square().sum(..))(&x).to_vec::<f64>().unwrap();
    for (given, expect) in second(&x).to_vec::<f64>().unwrap().iter().zip(&expect) {
        assert!((given - expect).abs() <= 1e-10 * (1.0 + expect.abs()), "second order: {given} and {expect}");
    }
}

const X: [f64; 3] = [0.7, -1.3, 0.4];

#[test]
fn gradients_of_a_list_that_doubles() {
    let step = |y: &Tensor, x: &Tensor| concat(&[y, &(y.sin() * x.sum(..))], 0);
    same_gradient(
        move |x| {
            let loop_ = WhileLoop::new().shape_invariants(spec!(f64[None]));
            loop_.run(x.clone(), |y| y.dim(0).lt(20), |y| step(&y, x)).square().sum(..)
        },
        move |x| (0..3).fold(x.clone(), |y, _| step(&y, x)).square().sum(..),
        &X,
    );
}

#[test]
fn gradients_of_a_list_that_grows_beside_a_number() {
    let step = |(y, s): (Tensor, Tensor), x: &Tensor| {
        let s = &s * 0.5 + (&y * y.sum(..)).sum(..).tanh();
        (concat(&[&y, &s.reshape([1]), &(x.slice(s![..1]) * &s)], 0), s)
    };
    same_gradient(
        move |x| {
            let loop_ = WhileLoop::new().shape_invariants((None, spec!(f64[None]), None));
            let start = (tensor(0), x.clone(), x.sum(..));
            let next = |(i, y, s): (Tensor, Tensor, Tensor)| {
                let (y, s) = step((y, s), x);
                (i + 1, y, s)
            };
            let (_, y, s) = loop_.run(start, |(i, _, _)| i.lt(4), next);
            y.sin().sum(..) * s
        },
        move |x| {
            let (y, s) = (0..4).fold((x.clone(), x.sum(..)), |state, _| step(state, x));
            y.sin().sum(..) * s
        },
        &X,
    );
}

#[test]
fn gradients_of_loops_in_loops_and_of_no_round() {
    let inner = |y: &Tensor| concat(&[y, &(y.slice(s![..1]).sin())], 0);
    let rounds = |n: i32, m: i32| {
        same_gradient(
            move |x| {
                let outer = WhileLoop::new().shape_invariants((None, spec!(f64[None])));
                let body = |(i, y): (Tensor, Tensor)| {
                    let again = WhileLoop::new().shape_invariants((None, spec!(f64[None])));
                    let (_, y) =
                        again.run((tensor(0), y * x.mean(..)), |(j, _)| j.lt(&i + m), |(j, y)| (j + 1, inner(&y)));
                    (i + 1, y)
                };
                outer.run((tensor(0), x.clone()), |(i, _)| i.lt(n), body).1.square().sum(..)
            },
            move |x| {
                let grow = |y, i: i32| (0..i + m).fold(y * x.mean(..), |y, _| inner(&y));
                (0..n).fold(x.clone(), grow).square().sum(..)
            },
            &X,
        );
    };
    rounds(2, 1);
    rounds(0, 0);
    rounds(1, 0);
}

#[test]
fn gradients_through_calls_of_such_functions() {
    let grown = |x: &Tensor| {
        let loop_ = WhileLoop::new().shape_invariants(spec!(f64[None]));
        let y = loop_.run(x * 1.5, |y| y.dim(0).lt(10), |y| concat(&[&y, &y.sin()], 0));
        concat(&[&y, &x.slice(s![..1])], 0)
    };
    let function: &'static _ = Box::leak(Box::new(Function::new(grown)));
    same_gradient(
        move |x| function(x).square().sum(..),
        move |x| {
            let y = (0..2).fold(x * 1.5, |y, _| concat(&[&y, &y.sin()], 0));
            concat(&[&y, &x.slice(s![..1])], 0).square().sum(..)
        },
        &X,
    );
}

#[test]
fn gradients_where_a_branch_decides_the_length() {
    same_gradient(
        move |x| {
            let grow = |(i, y): (Tensor, Tensor)| {
                let longer = || concat(&[&y, &(y.slice(s![..1]) * x.sum(..)).sin()], 0);
                let y = cond(&(&i % 2).eq(0), longer, || &y * 1.5);
                (i + 1, y)
            };
            let loop_ = WhileLoop::new().shape_invariants((None, spec!(f64[None])));
            loop_.run((tensor(0), x.clone()), |(i, _)| i.lt(4), grow).1.square().sum(..)
        },
        move |x| {
            let grow = |y: Tensor, i: i32| match i % 2 {
                0 => concat(&[&y, &(y.slice(s![..1]) * x.sum(..)).sin()], 0),
                _ => y * 1.5,
            };
            (0..4).fold(x.clone(), grow).square().sum(..)
        },
        &X,
    );
}
