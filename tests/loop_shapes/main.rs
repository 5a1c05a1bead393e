//! Loops that carry values whose shape changes from round to round: eager, traced and plain Rust give the same bits.

mod gradients;
mod random;
mod rewritten;

use tracelift::prelude::*;
use tracelift::{WhileLoop, concat, cond, for_range, grad, relax, while_loop};

/// What each of these answers, as dtype, shape and bytes.
fn bits(tensors: &[Tensor]) -> Vec<(String, Vec<u8>)> {
    let bits = |tensor: &Tensor| {
        let array = tensor.to_array().unwrap();
        (array.type_text(), array.bytes().to_vec())
    };
    tensors.iter().map(bits).collect()
}

/// A closure at once and as a traced function, with arguments of known and of unknown sizes; answers what it gives.
fn check(f: impl Fn(&Tensor) -> Vec<Tensor> + Copy + Send + Sync + 'static, xs: &[Tensor]) -> Vec<Vec<Tensor>> {
    let traced = Function::new(f);
    let any = Function::new(f).reduce_retracing();
    let answered = xs.iter().map(|x| {
        let eager = f(x);
        assert_eq!(bits(&eager), bits(&traced(x)), "eager and traced");
        assert_eq!(bits(&eager), bits(&any(x)), "eager and traced for any size");
        eager
    });
    answered.collect()
}

fn shapes(tensors: &[Tensor]) -> Vec<String> {
    tensors.iter().map(|tensor| tensor.shape().to_string()).collect()
}

/// `[0, 1, .. n-1]`, element by element.
fn counted(n: &Tensor) -> (Tensor, Tensor) {
    WhileLoop::new().shape_invariants((None, spec!(i32[None]))).run(
        (tensor(0), Tensor::from(Vec::<i32>::new())),
        |(i, _)| i.lt(n),
        |(i, list)| (&i + 1, concat(&[&list, &i.reshape([1])], 0)),
    )
}

#[test]
fn a_list_that_grows_by_one() {
    let answered = check(
        |n| {
            let (i, list) = counted(n);
            vec![i, list]
        },
        &[tensor(5), tensor(1), tensor(0), tensor(-3)],
    );
    assert_eq!(answered[0][1].to_vec::<i32>().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(shapes(&answered[2]), ["[]", "[0]"]);
    assert_eq!(shapes(&answered[3]), ["[]", "[0]"]);
}

#[test]
fn what_is_relaxed_is_carried_without_a_trace_as_in_one() {
    // One loop after the other, the first of no rounds for some, and beside it the same tensor, which is not relaxed.
    let grown = |n: &Tensor| {
        let x = n.cast(F32).reshape([1]) * 0.5;
        let (list, kept) = for_range(n, (relax(&x, spec!(f32[None])), x.clone()), |i, (list, kept)| {
            (concat(&[&list, &(&kept + i.cast(F32))], 0), kept)
        });
        let doubled = for_range(2, list, |_, list| concat(&[&list, &list], 0));
        vec![doubled, kept]
    };
    let answered = check(grown, &[tensor(2), tensor(0), tensor(-1)]);
    assert_eq!(answered[0][0].to_vec::<f32>().unwrap(), [1., 1., 2., 1., 1., 2., 1., 1., 2., 1., 1., 2.]);
    assert_eq!(shapes(&answered[1]), ["[4]", "[1]"]);
    let tape = GradientTape::new();
    let x = tensor([2.0, 3.0]);
    tape.watch(&x);
    let y = for_range(3, relax(&x, spec!(f32[None])), |_, list| concat(&[&list, &x], 0)).square().sum(..);
    assert_eq!(tape.gradient(&y, &x).to_vec::<f32>().unwrap(), [16.0, 24.0]);
    let narrower = for_range(2, relax(tensor([1.0]), spec!(f32[1])), |_, list| concat(&[&list, &list], 0));
    assert!(narrower.error().unwrap().to_string().contains("cannot become"), "{narrower:?}");
}

#[test]
fn one_trace_serves_all_lengths() {
    let f = Function::new(|n: &Tensor| counted(n).1);
    for n in [3, 0, 100, 1] {
        let list = f(&tensor(n)).to_vec::<i32>().unwrap();
        assert_eq!(list, (0..n).collect::<Vec<_>>());
    }
    assert_eq!(f.trace_count(), 1);
}

#[test]
fn a_value_that_doubles_until_it_is_long_enough() {
    let f = |x: &Tensor| {
        let doubled = |x: Tensor| concat(&[&x, &(&x * 2.0)], 0);
        vec![WhileLoop::new().shape_invariants(spec!(f32[None])).run(x.clone(), |x| x.dim(0).lt(10), doubled)]
    };
    let answered = check(f, &[tensor([1., 2., 3.]), tensor([0.5]), Tensor::ones([12])]);
    assert_eq!(answered[0][0].to_vec::<f32>().unwrap(), [1., 2., 3., 2., 4., 6., 2., 4., 6., 4., 8., 12.]);
    assert_eq!(shapes(&answered[1]), ["[16]"]);
    assert_eq!(shapes(&answered[2]), ["[12]"], "no round at all");
}

#[test]
fn running_sums_of_what_is_there() {
    // Each round adds the sum of what is there.
    let f = |x: &Tensor| {
        let grow = |(i, x): (Tensor, Tensor)| (i + 1, concat(&[&x, &x.sum(..).reshape([1])], 0));
        let (_, x) = WhileLoop::new().shape_invariants([None, Some(spec!(f32[None]))]).run(
            (tensor(0), x.clone()),
            |(i, _)| i.lt(5),
            grow,
        );
        vec![x.cumsum(0), x]
    };
    let answered = check(f, &[tensor([1., 0.25]), tensor([3.])]);
    assert_eq!(answered[1][1].to_vec::<f32>().unwrap(), [3., 3., 6., 12., 24., 48.]);
}

#[test]
fn a_loop_within_a_loop() {
    // 0, 0 1, 0 1 2, …
    let f = |n: &Tensor| {
        let outer = WhileLoop::new().shape_invariants((None, spec!(i32[None])));
        let (_, all) = outer.run(
            (tensor(1), Tensor::from(Vec::<i32>::new())),
            |(k, _)| k.le(n),
            |(k, all)| {
                let inner = WhileLoop::new().shape_invariants((None, spec!(i32[None])));
                let (_, all) = inner.run(
                    (tensor(0), all),
                    |(i, _)| i.lt(&k),
                    |(i, all)| (&i + 1, concat(&[&all, &i.reshape([1])], 0)),
                );
                (k + 1, all)
            },
        );
        vec![all]
    };
    let answered = check(f, &[tensor(3), tensor(0)]);
    assert_eq!(answered[0][0].to_vec::<i32>().unwrap(), [0, 0, 1, 0, 1, 2]);
    assert_eq!(shapes(&answered[1]), ["[0]"]);
}

#[test]
fn what_comes_out_is_used() {
    let f = |n: &Tensor| {
        let rows = |(i, x): (Tensor, Tensor)| {
            let row = (Tensor::range(3).cast(F32) + i.cast(F32)).reshape([1, 3]);
            (i + 1, concat(&[&x, &row], 0))
        };
        let begin = (tensor(0), Tensor::ones([2, 3]));
        let (_, x) = WhileLoop::new().shape_invariants((None, spec!(f32[None, 3]))).run(begin, |(i, _)| i.lt(n), rows);
        let w = tensor([[1., 0.5], [2., -1.], [0.25, 3.]]);
        let y = x.matmul(&w);
        let gram = x.matmul(x.t());
        let zeros = &x * 0.0 + 1.0;
        let half = x.slice(s![1..]);
        vec![x.sum(..), y.relu(), x.dim(0), gram.sum(..), zeros, half.mean([0]), x.t(), x.reshape([-1]), x]
    };
    let answered = check(f, &[tensor(4), tensor(0)]);
    let (x, y) = (&answered[0][8], &answered[0][1]);
    assert_eq!(shapes(&answered[0]), ["[]", "[6, 2]", "[]", "[]", "[6, 3]", "[3]", "[3, 6]", "[18]", "[6, 3]"]);
    let plain = x.matmul(tensor([[1., 0.5], [2., -1.], [0.25, 3.]])).relu();
    assert_eq!(bits(&[plain]), bits(std::slice::from_ref(y)));
}

#[test]
fn two_sizes_and_ordinary_values_beside_them() {
    let f = |n: &Tensor| {
        let state = (tensor(1.0), Tensor::ones([1, 1]), Tensor::zeros([2, 0]), tensor(0));
        let shapes = (None, spec!(f32[None, None]), spec!(f32[2, None]), None);
        let (a, b, c, _) = WhileLoop::new().shape_invariants(shapes).run(
            state,
            |(_, _, _, i)| i.lt(n),
            |(a, b, c, i)| {
                let wide = concat(&[&b, &(&b * 2.0)], 1);
                let b = concat(&[&wide, &wide.slice(s![0..1])], 0);
                let c = concat(&[&c, &(Tensor::ones([2, 1]) * &a)], 1);
                (a * 3.0, b, c, i + 1)
            },
        );
        vec![a, b, c]
    };
    let answered = check(f, &[tensor(3), tensor(0), tensor(1)]);
    assert_eq!(shapes(&answered[0]), ["[]", "[4, 8]", "[2, 3]"]);
    assert_eq!(answered[0][2].to_vec::<f32>().unwrap(), [1., 3., 9., 1., 3., 9.]);
}

#[test]
fn products_with_one_column_and_with_many() {
    // The number of columns decides the order of sums, also where only the loop knows it.
    let f = |x: &Tensor| {
        let state = (tensor(0), Tensor::ones([40, 1]) * 0.1, tensor(0.0));
        let (_, wide, sum) = WhileLoop::new().shape_invariants((None, spec!(f32[40, None]), None)).run(
            state,
            |(i, _, _)| i.lt(3),
            |(i, wide, sum)| {
                let product = x.matmul(&wide);
                (i + 1, concat(&[&wide, &(&wide * 0.7)], 1), sum + product.sum(..))
            },
        );
        vec![wide.sum(..), sum]
    };
    check(f, &[Tensor::ones([3, 40]) * 0.3]);
}

#[test]
fn at_most_so_many_rounds() {
    let f = |n: &Tensor| {
        let grow = |x: Tensor| concat(&[&x, &x], 0);
        let bounded = WhileLoop::new().maximum_iterations(n).shape_invariants(spec!(f32[None]));
        vec![bounded.run(tensor([1., 2.]), |x| x.dim(0).lt(100), grow)]
    };
    let answered = check(f, &[tensor(2), tensor(50), tensor(0)]);
    assert_eq!(shapes(&answered.concat()), ["[8]", "[128]", "[2]"]);
}

#[test]
fn a_function_that_calls_one_with_such_a_loop() {
    let list = Function::new(|n: &Tensor| counted(n).1);
    let outer = Function::new(move |a: &Tensor, b: &Tensor| {
        let (a, b) = (list(a), list(b));
        (concat(&[&a, &b], 0), a.sum(..), &b * 2, b.dim(0))
    });
    for (a, b) in [(3, 2), (0, 4), (1, 1)] {
        let (both, sum, twice, size) = outer(&tensor(a), &tensor(b));
        let expect: Vec<i32> = (0..a).chain(0..b).collect();
        assert_eq!(both.to_vec::<i32>().unwrap(), expect);
        assert_eq!(sum.item::<i32>().unwrap(), (0..a).sum::<i32>());
        assert_eq!(twice.to_vec::<i32>().unwrap(), (0..b).map(|n| 2 * n).collect::<Vec<_>>());
        assert_eq!(size.item::<i32>().unwrap(), b);
    }
    assert_eq!(outer.trace_count(), 1);
}

#[test]
fn a_branch_of_two_lengths() {
    let f = Function::new(|n: &Tensor, long: &Tensor| {
        let (_, list) = counted(n);
        cond(long, || (concat(&[&list, &list], 0), tensor(2)), || (&list * 3, tensor(1)))
    });
    let (list, k) = f(&tensor(3), &tensor(true));
    assert_eq!((list.to_vec::<i32>().unwrap(), k.item::<i32>().unwrap()), (vec![0, 1, 2, 0, 1, 2], 2));
    let (list, k) = f(&tensor(3), &tensor(false));
    assert_eq!((list.to_vec::<i32>().unwrap(), k.item::<i32>().unwrap()), (vec![0, 3, 6], 1));
}

#[test]
fn loops_over_relaxed_tensors_of_every_kind() {
    let f = Function::new(|n: &Tensor| {
        let none = relax(Tensor::zeros([0]), spec!(f32[None]));
        let list = for_range(n, none, |i, list| concat(&[&list, &i.cast(F32).reshape([1])], 0));
        // What comes out may grow on, and an ordinary loop may read it.
        let (_, list) =
            while_loop((tensor(0), list), |(i, _)| i.lt(2), |(i, list)| (i + 1, concat(&[&list, &list], 0)));
        let sum = for_range(3, tensor(0.0), |_, sum| sum + list.sum(..));
        (list, sum)
    });
    let (list, sum) = f(&tensor(3));
    assert_eq!(list.to_vec::<f32>().unwrap(), [0., 1., 2.].repeat(4));
    assert_eq!(sum.item::<f32>().unwrap(), 36.0);
}

#[test]
fn what_is_no_size_of_an_argument_is_looked_at() {
    let list = Function::new(|n: &Tensor| counted(n).1);
    let concrete = list.concrete(spec!(i32[])).unwrap();
    assert_eq!(concrete.signature().to_string(), "(x: i32[]) -> (i32[None])");
    assert!(!concrete.compiled().unwrap().is_native());
    for error in [concrete.program().err(), concrete.kernels().err(), concrete.clif().err(), concrete.assembly().err()]
    {
        let error = error.expect("there is no program").to_string();
        assert!(error.contains("shapes change from round to round, and is evaluated op by op"), "{error}");
    }
    assert!(concrete.memory_plan(&[&tensor(1)]).is_err() && concrete.profile(&[&tensor(1)], 1).is_err());
    let stages: Vec<&str> = concrete.stages().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(stages, ["trace", "sizes", "cse", "simplify", "fold", "inline", "hoist", "fuse"]);
    assert!(concrete.text_after("hoist").unwrap().contains("sizes=[r1]"));
    assert!(concrete.text_after("plan").unwrap_err().to_string().contains("there is no program of it"));
    assert_eq!(concrete.call([&tensor(2)]).unwrap()[0].to_vec::<i32>().unwrap(), [0, 1]);
    let mut results = [tensor(0)];
    concrete.call_into([&tensor(3)], &mut results).unwrap();
    assert_eq!(results[0].to_vec::<i32>().unwrap(), [0, 1, 2]);
}

#[test]
fn variables_are_left_alone_by_a_call_that_fails() {
    let total = Variable::new(tensor(1));
    let f = {
        let total = total.clone();
        Function::new(move |n: &Tensor, x: &Tensor| {
            let (_, list) = counted(n);
            total.assign_add(list.sum(..)).unwrap();
            &list + x
        })
    };
    let x = tensor([10, 20, 30]);
    assert_eq!(f(&tensor(3), &x).to_vec::<i32>().unwrap(), [10, 21, 32]);
    assert_eq!(total.item::<i32>().unwrap(), 4);
    let error = f(&tensor(2), &x).error().expect("the sizes differ").clone();
    assert_eq!((error.kind, error.op.as_deref()), (ErrorKind::InvalidArgument, Some("add")));
    assert_eq!(error.operands, ["i32[2]", "i32[3]"]);
    assert!(error.origin.to_string().contains("loop_shapes"), "{error}");
    assert_eq!(total.item::<i32>().unwrap(), 4);
}

#[test]
fn tapes_see_the_rest() {
    let x = Variable::new(tensor([1., 2., 3.]));
    let list = Function::new(|n: &Tensor, x: &Tensor| (counted(n).1.cast(F32), x * 2.0));
    let tape = GradientTape::new();
    let (list, twice) = list(&tensor(3), &x);
    let y = (&list * &twice + &x).sum(..);
    assert_eq!(y.item::<f32>().unwrap(), 22.0);
    assert_eq!(tape.gradient(&y, &x).to_vec::<f32>().unwrap(), [1., 3., 5.]);

    // A loop that is run at once beside what is differentiated: nothing watched goes through it.
    let tape = GradientTape::new();
    let (_, list) = counted(&tensor(3));
    let y = (list.cast(F32) * &x).sum(..);
    assert_eq!(tape.gradient(&y, &x).to_vec::<f32>().unwrap(), [0., 1., 2.]);

    // Inside a traced function, too.
    let slope = Function::new(|n: &Tensor, x: &Tensor| {
        let list = counted(n).1.cast(F32);
        grad(|x: &Tensor| (&list * x.square()).sum(..))(x)
    });
    assert_eq!(slope(&tensor(3), &tensor([1., 2., 3.])).to_vec::<f32>().unwrap(), [0., 4., 12.]);
}

#[test]
fn every_kind_of_op_takes_sizes_that_were_found() {
    let f = |n: &Tensor| {
        let (_, list) = counted(n);
        let x = list.cast(F32) * 0.5 - 1.0;
        let square = x.expand_dims(0) * x.expand_dims(1);
        vec![
            x.max(0),
            x.softmax(0),
            x.cumsum(0),
            x.sort(0),
            list.argsort(0),
            x.mean(..),
            square.matmul(&x),
            square.t(),
            x.gather(&tensor([0, 1])),
            x.slice(s![1..]),
            x.slice(s![..;-1]),
            x.slice(-1),
            x.reshape([-1, 1]),
            square.sum([1]),
            square.reshape([-1]),
            select(&x.gt(0), &x, 0.0),
            x.argmax(0),
        ]
    };
    check(f, &[tensor(4), tensor(2), tensor(7)]);
}

#[test]
fn what_needs_an_element_fails_where_there_is_none() {
    let f = Function::new(|n: &Tensor| counted(n).1.max(0));
    assert_eq!(f(&tensor(3)).item::<i32>().unwrap(), 2);
    let error = f(&tensor(0)).error().expect("nothing has no largest element").clone();
    assert_eq!((error.kind, error.op.as_deref()), (ErrorKind::InvalidArgument, Some("reduce_max")));
    assert!(error.origin.to_string().contains("loop_shapes"), "{error}");
}

#[test]
fn what_does_not_run_need_not_fit() {
    // The list is added to three numbers in rounds that there are none of, and in a branch that is taken for three only.
    let f = Function::new(|n: &Tensor| {
        let (_, list) = counted(n);
        let three = tensor([10, 20, 30]);
        let rounds = for_range(n - 3, tensor(0), |_, sum| sum + (&list + &three).sum(..));
        let sum = cond(&list.dim(0).eq(3), || (&list + &three).sum(..), || tensor(-1));
        (rounds, sum)
    });
    for (n, expect) in [(3, 63), (2, -1), (0, -1)] {
        let (rounds, sum) = f(&tensor(n));
        assert_eq!((rounds.item::<i32>().unwrap(), sum.item::<i32>().unwrap()), (0, expect));
    }
    assert!(f(&tensor(4)).0.error().is_some(), "here it is a mistake");
}
