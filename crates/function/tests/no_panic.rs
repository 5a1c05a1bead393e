//! Whatever is asked of tensors, the answer is a tensor or an error: with bad shapes, axes, dtypes, indices and sizes.

use tracelift_function::{
    Cumulation, DType, F32, Function, GradientTape, Shape, SliceItem, Tensor, TensorArray, Variable, concat,
    custom_gradient, einsum, grad, jacobian, random::Generator, s, stack, tensor, vmap,
};

/// The gradient of something by a tape, from given output gradients.
fn by_tape(x: &Tensor, y: &Tensor) -> Tensor {
    let tape = GradientTape::new();
    tape.watch(x);
    let z = (x * y).tanh();
    tape.output_gradients(y).gradient(&z, x)
}

/// A few thousand numbers in a fixed order that looks random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn int(&mut self) -> i32 {
        *self.pick(&[0, 1, -1, 2, -2, 3, 5, -7, i32::MAX, i32::MIN])
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    fn shape(&mut self) -> Vec<usize> {
        (0..self.below(4)).map(|_| *self.pick(&[0, 1, 2, 3])).collect()
    }

    fn tensor(&mut self) -> Tensor {
        let shape = self.shape();
        let n = shape.iter().product::<usize>();
        let numbers: Vec<f32> =
            (0..n).map(|_| *self.pick(&[0.0, -0.0, 1.0, -2.5, 7.0, f32::NAN, f32::INFINITY])).collect();
        let dtype = if self.below(2) == 0 { DType::F32 } else { *self.pick(&DType::ALL) };
        Tensor::from(numbers).reshape(shape).cast(dtype)
    }

    fn slice_item(&mut self, positions: &Tensor) -> SliceItem {
        let (start, end, step) = (self.int(), self.int(), self.int());
        match self.below(6) {
            0 => start.into(),
            1 => SliceItem::from(start..end).step(step.into()),
            2 => SliceItem::from(..).step(step.into()),
            3 => SliceItem::Ellipsis,
            4 => SliceItem::NewAxis,
            _ => SliceItem::At(positions.clone()),
        }
    }

    /// One thing that can be done with tensors.
    fn act(&mut self, x: &Tensor, y: &Tensor) -> Tensor {
        let (a, b) = (self.int(), self.int());
        match self.below(55) {
            0 => x + y,
            1 => x / y,
            2 => x % y,
            3 => x.floor_div(y),
            4 => x.pow(y),
            5 => x.matmul(y),
            6 => x.select(y, 1.5),
            7 => x.sum(a),
            8 => x.max([a, b]),
            9 => x.mean_keep(a),
            10 => x.argmax(a),
            11 => x.variance(..),
            12 => x.softmax(a),
            13 => x.reshape([a, b]),
            14 => x.transpose(&[a, b]),
            15 => x.expand_dims(a),
            16 => x.squeeze(a),
            17 => x.broadcast_to(Shape::from(self.shape())),
            18 => concat(&[x, y], a),
            19 => stack(&[x, y], a),
            20 => x.gather(y),
            21 => x.take(y, a),
            22 => {
                let items = (0..self.below(4)).map(|_| self.slice_item(y)).collect();
                x.slice(tracelift_function::Slice(items))
            }
            23 => x.powi(a),
            24 => x.shl(y),
            25 => x.cast(*self.pick(&DType::ALL)),
            26 => x.not() + b,
            27 => x.one_hot(2).sqrt(),
            28 => x.pad(&[(1, 0)], y),
            29 => x.reverse(a),
            30 => x.swap_axes(a, b).flatten(),
            31 => x.lt(y).any(a),
            32 => x.sort(a) + x.sort_descending(b),
            33 => x.take_along(y, a),
            34 => x.top_k(self.below(4) as usize).0,
            35 => x.cumsum(a),
            36 => x.cumprod_by(a, Cumulation::new().exclusive().reverse()),
            37 => {
                let equations = ["ij,jk", "...i,i->...", "ii->i", "i,j->ij", "ab...->...b", "i"];
                einsum(equations[self.below(6) as usize], &[x, y])
            }
            38 => einsum(["ii", "ij->ji", "...->...", "i->", "iij->j"][self.below(5) as usize], &[x]),
            39 => concat(&x.split(self.below(4) as usize, a).iter().collect::<Vec<_>>(), b),
            40 => stack(&x.unstack(a).iter().collect::<Vec<_>>(), b),
            41 => x.tile(&[2, 1]),
            42 => x.one_hot_with(2, a, 1, 0),
            43 => x.norm(a, b),
            44 => x.clip_by_norm(1.5).nan_to_num(),
            45 => x.diag().diag_part(),
            46 => x.tril(a.into()) + x.band_part(b.into(), a.into()),
            47 => vmap(|x: &Tensor| x.cumsum(0) * y).in_axes([Some(a)]).out_axes(b)(x),
            48 => grad(|x: &Tensor| (x * 2).tanh())(x),
            50 => by_tape(x, y),
            51 => jacobian(|x: &Tensor| (x * 2).sum(a))(x),
            52 => custom_gradient(x, |x| x * y, |x, _, dy| x * dy.sum(..)),
            53 => TensorArray::new(x.dtype(), 3).write(a, x).write(b, y).stack(),
            54 => TensorArray::new(F32, 2).unstack(x).gather(y.clone()),
            _ => x.slice(s![..., a]) * 2.5,
        }
    }
}

#[test]
fn nothing_that_is_asked_of_tensors_panics() {
    let mut dice = Dice(7);
    let (mut fine, mut failed) = (0, 0);
    for _ in 0..4000 {
        let (x, y) = (dice.tensor(), dice.tensor());
        let z = dice.act(&x, &y);
        let w = if dice.below(2) == 0 { z } else { dice.act(&z, &x) };
        let _ = (w.to_string(), w.shape(), w.to_array());
        *(if w.error().is_some() { &mut failed } else { &mut fine }) += 1;
    }
    assert!(fine > 400 && failed > 400, "{fine} {failed}");
}

#[test]
fn what_fails_at_once_fails_traced_and_the_other_way_round() {
    let mut dice = Dice(11);
    let mut compared = 0;
    for round in 0..1000 {
        let (x, y, seed) = (dice.tensor(), dice.tensor(), dice.0);
        let eager = Dice(seed).act(&x, &y);
        let traced = Function::new(move |x: &Tensor, y: &Tensor| Dice(seed).act(x, y));
        let given = traced(&x, &y);
        match (eager.to_array(), given.to_array()) {
            (Ok(a), Ok(b)) => {
                assert!(a.bit_eq(&b), "round {round}: {a:?} at once, {b:?} traced");
                compared += 1;
            }
            (Err(a), Err(b)) => assert_eq!(a.kind, b.kind, "round {round}: {a}\n{b}"),
            (a, b) => panic!("round {round}: {a:?} at once, {b:?} traced"),
        }
        dice.below(2);
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn a_failed_change_leaves_a_variable_as_it_was() {
    let mut dice = Dice(13);
    let mut failed = 0;
    for _ in 0..1000 {
        let v = Variable::new(dice.tensor());
        let before = v.to_array().unwrap();
        let (x, y) = (dice.tensor(), dice.tensor());
        let changed = match dice.below(5) {
            0 => v.assign(&x),
            1 => v.assign_add(&x),
            2 => v.at((dice.int(), dice.int()..)).assign(&x),
            3 => v.scatter_nd_update(&x, &y),
            _ => v.assign_sub(dice.act(&x, &y)),
        };
        let after = v.to_array().unwrap();
        assert_eq!((after.dtype(), after.shape()), (before.dtype(), before.shape()));
        if changed.is_err() {
            assert!(before.bit_eq(&after));
            failed += 1;
        }
    }
    assert!(failed > 100, "{failed}");
}

#[test]
fn odd_sizes_are_refused() {
    assert!(Generator::new(1).indices(3, 0).error().is_some());
    assert!(tracelift_function::range(i32::MIN).is_empty());
    assert!(tensor(vec![tensor([1.0]), tensor([1, 2])]).error().is_some());
    assert!(tracelift_function::add_n(&[]).error().is_some());
    assert!(concat(&[], 0).error().is_some() && stack(&[], 0).error().is_some());
    assert!(TensorArray::new(F32, usize::MAX).write(0, 1.0).error().is_some());
    assert!(TensorArray::new(F32, 0).dynamic(true).write(i32::MAX, 1.0).error().is_some());
    assert!(Tensor::zeros([usize::MAX, 2]).error().is_some());
}
