//! Sorting, running sums, named axes, pieces, norms, diagonals: values, gradients, equal bits on every engine, mistakes.

use tracelift_function::{
    Array, Cumulation, Engine, F32, Function, I32, Options, Tensor, Variable, clip_by_global_norm, einsum, grad, s,
    spec, stack, tensor,
};

/// The value, which every engine gives with equal bits.
fn on_all(x: &Tensor, f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static) -> Array {
    let array = |y: Tensor| y.to_array().unwrap_or_else(|error| panic!("{error}"));
    let eager = array(f(x));
    for engine in Engine::ALL {
        let traced = Function::new(f.clone()).options(Options { engine, ..Options::default() });
        let y = array(traced(x));
        assert!(eager.bit_eq(&y), "{}: {y} rather than {eager}", engine.name());
    }
    eager
}

fn floats(x: &Tensor, f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static) -> Vec<f32> {
    on_all(x, f).to_vec().unwrap()
}

fn ints(x: &Tensor, f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static) -> Vec<i32> {
    on_all(x, f).to_vec().unwrap()
}

fn matrix() -> Tensor {
    tensor([[3., -1., 2.], [0.5, 7., -4.]])
}

fn message(x: &Tensor) -> String {
    x.error().expect("a mistake was made").to_string()
}

#[test]
fn sorting() {
    let x = matrix();
    assert_eq!(floats(&x, |x| x.sort(-1)), [-1., 2., 3., -4., 0.5, 7.]);
    assert_eq!(floats(&x, |x| x.sort(0)), [0.5, -1., -4., 3., 7., 2.]);
    assert_eq!(floats(&x, |x| x.sort_descending(1)), [3., 2., -1., 7., 0.5, -4.]);
    assert_eq!(ints(&x, |x| x.argsort(1)), [1, 2, 0, 2, 0, 1]);
    let nan = tensor([f32::NAN, 1., -0., 0., f32::NEG_INFINITY]);
    assert_eq!(ints(&nan, |x| x.argsort(0)), [4, 2, 3, 1, 0]);
    assert_eq!(ints(&nan, |x| x.argsort_descending(0)), [0, 1, 2, 3, 4]);
    assert_eq!(floats(&x, |x| x.top_k(2).0), [3., 2., 7., 0.5]);
    assert_eq!(ints(&x, |x| x.top_k(2).1), [0, 2, 1, 0]);
    assert_eq!(floats(&x, |x| x.take_along(&tensor([[1], [0]]), 1)), [-1., 0.5]);
    assert_eq!(floats(&x, |x| x.take_along(&tensor([[1, 0, 1]]), 0)), [0.5, -1., -4.]);
    // Gradients go where the elements came from.
    let weights = tensor([1., 10., 100.]);
    assert_eq!(floats(&x, move |x| grad(|x: &Tensor| x.sort(-1) * &weights)(x)), [100., 1., 10., 10., 100., 1.]);
    assert_eq!(floats(&x, |x| grad(|x: &Tensor| x.top_k(1).0)(x)), [1., 0., 0., 0., 1., 0.]);
    assert!(message(&x.top_k(4).0).starts_with("`top_k` wants 4 elements of the last axis of f32[2, 3]"));
    assert!(message(&x.sort(2)).starts_with("`argsort`"));
    assert!(message(&tensor(1.).sort(-1)).starts_with("`argsort`"));
}

#[test]
fn sorting_of_unknown_sizes() {
    let f = Function::new(|x: &Tensor| x.sort(0)).input_signature([spec!(f32[None])]);
    for n in [0, 1, 2, 100] {
        let x = (Tensor::range(n).cast(F32) * 7.).sin();
        let mut expected: Vec<f32> = x.to_vec().unwrap();
        expected.sort_by(f32::total_cmp);
        assert_eq!(f(&x).to_vec::<f32>().unwrap(), expected);
    }
    assert_eq!(f.trace_count(), 1);
}

#[test]
fn running_sums_and_products() {
    let x = tensor([[1., 2., 3.], [4., 5., 6.]]);
    assert_eq!(floats(&x, |x| x.cumsum(1)), [1., 3., 6., 4., 9., 15.]);
    assert_eq!(floats(&x, |x| x.cumsum(0)), [1., 2., 3., 5., 7., 9.]);
    assert_eq!(floats(&x, |x| x.cumsum_by(1, Cumulation::new().exclusive())), [0., 1., 3., 0., 4., 9.]);
    assert_eq!(floats(&x, |x| x.cumsum_by(1, Cumulation::new().reverse())), [6., 5., 3., 15., 11., 6.]);
    assert_eq!(floats(&x, |x| x.cumsum_by(1, Cumulation::new().reverse().exclusive())), [5., 3., 0., 11., 6., 0.]);
    assert_eq!(floats(&x, |x| x.cumprod(1)), [1., 2., 6., 4., 20., 120.]);
    assert_eq!(floats(&x, |x| x.cumprod_by(-1, Cumulation::new().exclusive())), [1., 1., 2., 1., 4., 20.]);
    assert_eq!(ints(&tensor([1, 2, 3]), |x| x.cumsum(0)), [1, 3, 6]);
    assert_eq!(floats(&x, |x| grad(|x: &Tensor| x.cumsum(1))(x)), [3., 2., 1., 3., 2., 1.]);
    assert_eq!(floats(&tensor([2., 0., 3.]), |x| grad(|x: &Tensor| x.cumprod(0))(x)), [1., 8., 0.]);
    assert_eq!(Tensor::zeros([0]).cumsum_by(0, Cumulation::new().exclusive()).shape(), [0]);
}

#[test]
fn named_axes() {
    let (a, b) = (tensor([[1., 2.], [3., 4.]]), tensor([[1., -1., 2.], [0.5, 3., 1.]]));
    let e = |equation: &'static str, other: &Tensor| {
        let other = other.clone();
        floats(&a, move |a| einsum(equation, &[a, &other]))
    };
    assert_eq!(e("ij,jk->ik", &b), a.matmul(&b).to_vec::<f32>().unwrap());
    assert_eq!(e("ij,jk", &b), a.matmul(&b).to_vec::<f32>().unwrap());
    assert_eq!(e("ij,jk->ki", &b), a.matmul(&b).t().to_vec::<f32>().unwrap());
    assert_eq!(e("ij,ij->ij", &a), [1., 4., 9., 16.]);
    assert_eq!(e("ij,ij->", &a), [30.]);
    assert_eq!(e("ij,kl->", &b), [10. * 6.5]);
    let one = |equation: &'static str| floats(&a, move |a| einsum(equation, &[a]));
    assert_eq!(one("ij->ji"), [1., 3., 2., 4.]);
    assert_eq!(one("ij->j"), [4., 6.]);
    assert_eq!(one("ii->i"), [1., 4.]);
    assert_eq!(one("ii"), [5.]);
    assert_eq!(one("ba"), [1., 3., 2., 4.]);
    assert_eq!(one("...j->..."), [3., 7.]);
    // Three operands, a batch, broadcast dots.
    let v = tensor([1., 2., 3.]);
    let by = b.clone();
    assert_eq!(
        floats(&a, move |a| einsum("ij,jk,k->i", &[a, &by, &v])),
        a.matmul(&b).matmul(tensor([1., 2., 3.])).to_vec::<f32>().unwrap()
    );
    let batch = stack(&[&b, &(&b * 2)], 0);
    let product = floats(&batch, |x| einsum("bij,bkj->bik", &[x, x]));
    assert_eq!(product[..4], b.matmul(b.t()).to_vec::<f32>().unwrap());
    let row = tensor([[1., 10., 100.]]);
    assert_eq!(
        floats(&batch, move |x| einsum("...,...->...", &[x, &row])),
        (&batch * tensor([1., 10., 100.])).to_vec::<f32>().unwrap()
    );
    assert_eq!(floats(&a, |a| grad(|a: &Tensor| einsum("ij,ij->i", &[a, a]))(a)), [2., 4., 6., 8.]);
    for (equation, wrong) in [
        ("ij", "names 1 operands"),
        ("ij,jkl->ik", "not one name per axis"),
        ("ij,kj->ijz", "a name in its result that no operand has"),
        ("ij,jk->ii", "names an axis of its result twice"),
        ("i?,jk", "names are letters"),
        ("ij,ik->jk", ""),
    ] {
        let y = einsum(equation, &[&a, &b]);
        assert!(
            wrong.is_empty() == y.error().is_none() && (wrong.is_empty() || message(&y).contains(wrong)),
            "{equation}: {y:?}"
        );
    }
    assert!(message(&einsum("ij,ji", &[&a, &b])).contains("has sizes 2 and 3 for `i`"));
    assert!(message(&einsum("i,i", &[&tensor([1.]), &tensor([1])])).contains("one dtype"));
}

#[test]
fn pieces() {
    let x = tensor([[1, 2, 3, 4], [5, 6, 7, 8]]);
    assert_eq!(ints(&x, |x| x.split(2, 1)[1].clone()), [3, 4, 7, 8]);
    assert_eq!(ints(&x, |x| x.split_sizes(&[1, 3], -1)[1].clone()), [2, 3, 4, 6, 7, 8]);
    assert_eq!(ints(&x, |x| x.unstack(1)[2].clone()), [3, 7]);
    assert_eq!(x.unstack(0).len(), 2);
    assert_eq!(ints(&x, |x| stack(&x.unstack(0).iter().collect::<Vec<_>>(), 1)), [1, 5, 2, 6, 3, 7, 4, 8]);
    assert_eq!(ints(&tensor([[1], [2]]), |x| x.tile(&[2, 3])), [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
    assert_eq!(floats(&tensor([1., 2.]), |x| grad(|x: &Tensor| x.tile(&[3]))(x)), [3., 3.]);
    assert!(message(&x.split(3, 1)[2]).starts_with("`split` cannot make 3 equal parts of axis 1 of i32[2, 4]"));
    assert!(message(&x.split_sizes(&[1, 1], 1)[0]).starts_with("`split` has parts of 2 elements"));
    assert!(message(&x.tile(&[2])).starts_with("`tile` wants a number for each of the 2 axes"));
    assert!(message(&x.unstack(5)[0]).starts_with("`unstack`"));
}

#[test]
fn classes() {
    let x = tensor([2, 0, -1, 7]);
    assert_eq!(floats(&x, |x| x.one_hot(3)), [0., 0., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0.]);
    assert_eq!(ints(&x, |x| x.one_hot_with(3, 0, tensor(5), tensor(1))), [1, 5, 1, 1, 1, 1, 1, 1, 5, 1, 1, 1]);
    let three = tensor([[0, 1], [1, 1]]);
    assert_eq!(three.one_hot_with(2, 1, 1., 0.).shape(), [2, 2, 2]);
}

#[test]
fn norms_and_bounds() {
    let x = tensor([[3., -4.], [0., 0.]]);
    assert_eq!(floats(&x, |x| x.norm(2, ..)), [5.]);
    assert_eq!(floats(&x, |x| x.norm(1, 1)), [7., 0.]);
    assert_eq!(floats(&x, |x| x.norm_keep(f64::INFINITY, 0)), [3., 4.]);
    assert_eq!(floats(&x, |x| x.norm(3, 0)), [3., 4.]);
    assert_eq!(floats(&x, |x| x.clip_by_norm(1.)), [0.6, -0.8, 0., 0.]);
    assert_eq!(floats(&x, |x| x.clip_by_norm(10.)), [3., -4., 0., 0.]);
    assert_eq!(floats(&x, |x| x.clip(-1., 2.)), [2., -1., 0., 0.]);
    // At zero nothing flows back through a length.
    assert_eq!(floats(&tensor([0., 0.]), |x| grad(|x: &Tensor| x.norm(2, ..))(x)), [0., 0.]);
    let (clipped, norm) = clip_by_global_norm(&[tensor([3., 0.]), tensor([[4.]])], 2.5);
    assert_eq!((norm.item::<f32>().unwrap(), clipped[0].to_vec::<f32>().unwrap()), (5., vec![1.5, 0.]));
    let (kept, _) = clip_by_global_norm(&[tensor([3., 4.])], 10.);
    assert_eq!(kept[0].to_vec::<f32>().unwrap(), [3., 4.]);
    let (bad, _) = clip_by_global_norm(&[tensor([f32::INFINITY]), tensor([1.])], 1.);
    assert!(bad[1].item::<f32>().unwrap().is_nan());
    let odd = tensor([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.5]);
    assert_eq!(floats(&odd, Tensor::nan_to_num), [0., f32::MAX, f32::MIN, -1.5]);
    assert_eq!(tensor([1, 2]).nan_to_num().to_vec::<i32>().unwrap(), [1, 2]);
    assert!(message(&tensor([1]).norm(2, ..)).starts_with("`norm` wants floats"));
    assert!(message(&tensor([1.]).norm(0, ..)).starts_with("`norm` has no length by the power 0"));
}

#[test]
fn diagonals_and_triangles() {
    let x = tensor([[1., 2., 3.], [4., 5., 6.], [7., 8., 9.]]);
    assert_eq!(floats(&x, Tensor::diag_part), [1., 5., 9.]);
    assert_eq!(floats(&x, |x| x.slice(..2).diag_part()), [1., 5.]);
    assert_eq!(floats(&x, |x| x.slice(s![.., ..2]).diag_part()), [1., 5.]);
    assert_eq!(floats(&x, |x| x.diag_part().diag()), [1., 0., 0., 0., 5., 0., 0., 0., 9.]);
    assert_eq!(floats(&x, Tensor::trace), [15.]);
    assert_eq!(floats(&x, |x| x.tril(0)), [1., 0., 0., 4., 5., 0., 7., 8., 9.]);
    assert_eq!(floats(&x, |x| x.triu(1)), [0., 2., 3., 0., 0., 6., 0., 0., 0.]);
    assert_eq!(floats(&x, |x| x.band_part(1, 0)), [1., 0., 0., 4., 5., 0., 0., 8., 9.]);
    assert_eq!(floats(&x, |x| x.band_part(-1, 1)), [1., 2., 0., 4., 5., 6., 7., 8., 9.]);
    assert_eq!(floats(&x, |x| x.band_part(-1, -1)), x.to_vec::<f32>().unwrap());
    // What is not in the band is zero, infinities and NaN included; batches keep their axes.
    assert_eq!(tensor([[f32::NAN, 1.], [f32::INFINITY, 2.]]).triu(1).to_vec::<f32>().unwrap(), [0., 1., 0., 0.]);
    assert_eq!(Tensor::ones([4, 2]).diag().shape(), [4, 2, 2]);
    assert_eq!(Tensor::ones([4, 2, 5]).diag_part().shape(), [4, 2]);
    let square = Function::new(|x: &Tensor| x.matmul(x.t()).trace()).input_signature([spec!(f32[None, 2])]);
    assert_eq!(square(&tensor([[1., 2.], [3., 4.]])).item::<f32>().unwrap(), 30.);
    assert!(message(&tensor([1.]).tril(0)).contains("wants matrices"));
    assert!(message(&tensor(1.).diag()).starts_with("`diag` has no axis"));
}

#[test]
fn angles_and_their_inverses() {
    let x = tensor([-0.9, -0.3, 0., 0.5, 0.99]);
    let near = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 3e-6 * b.abs().max(1.));
    assert!(near(floats(&x, |x| x.asin().sin()), floats(&x, Tensor::identity)));
    assert!(near(floats(&x, |x| x.acos().cos()), floats(&x, Tensor::identity)));
    assert!(near(floats(&x, |x| x.atan().tan()), floats(&x, Tensor::identity)));
    assert!(near(floats(&x, |x| x.asinh().sinh()), floats(&x, Tensor::identity)));
    assert!(near(floats(&x, |x| x.atanh().tanh()), floats(&x, Tensor::identity)));
    assert!(near(floats(&x, |x| (x.abs() + 1.).acosh().cosh()), floats(&x, |x| x.abs() + 1.)));
    assert!(near(floats(&x, |x| x.erf_inv().erf()), floats(&x, Tensor::identity)));
    assert!(near(floats(&x, |x| (x * 0.5).sin().atan2((x * 0.5).cos())), floats(&x, |x| x * 0.5)));
}

#[test]
fn updates_at_indices_known_only_at_a_call() {
    let v = Variable::new([[1., 2.], [3., 4.], [5., 6.]]);
    let set = Function::new({
        let v = v.clone();
        move |at: &Tensor, to: &Tensor| v.scatter_nd_update(at, to)
    });
    set(&tensor([[2], [0], [2]]), &tensor([[7., 7.], [8., 8.], [9., 9.]])).unwrap();
    assert_eq!(v.to_vec::<f32>().unwrap(), [8., 8., 3., 4., 9., 9.]);
    set(&tensor([[1, 0], [1, 0]]).cast(I32), &tensor([-1., -2.])).unwrap();
    assert_eq!(v.to_vec::<f32>().unwrap(), [8., 8., -2., 4., 9., 9.]);
    assert!(set(&tensor([[3]]), &tensor([[0., 0.]])).is_err());
    assert_eq!(v.to_vec::<f32>().unwrap(), [8., 8., -2., 4., 9., 9.]);
}
