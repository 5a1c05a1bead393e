//! How much memory calls need: plans near what must be in use at once, large blocks used again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tracelift::prelude::*;
use tracelift::{U8, memory, value_and_gradients};

/// The pool is one for the process, so these tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fifth above what is in use at once is the most that placing may cost.
fn check(what: &str, plan: &tracelift::MemoryPlan) {
    assert!(plan.live_bytes <= plan.arena_bytes && plan.arena_bytes <= plan.peak_bytes, "{what}: {plan}");
    assert!(5 * plan.arena_bytes <= 6 * plan.live_bytes, "{what}: {plan}\nat once {} bytes", plan.live_bytes);
}

fn relu(units: usize) -> Dense {
    Dense::new(units).activation("relu")
}

#[derive(Module)]
struct Residual {
    hidden: Dense,
    first: Dense,
    second: Dense,
    output: Dense,
}

impl Layer for Residual {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let mut z = self.hidden.apply(x);
        for _ in 0..4 {
            z = &z + self.second.apply(&self.first.apply(&z));
        }
        self.output.apply(&z)
    }
}

#[test]
fn training_steps_need_little_more_than_is_in_use_at_once() {
    let _turn = alone();
    let deep = (0..24).fold(Sequential::new(), |net, _| net.add(relu(64))).add(Dense::new(1));
    let residual = Residual { hidden: relu(30), first: relu(30), second: relu(30), output: Dense::new(1) };
    let classes = "sparse_categorical_crossentropy";
    let wide = Sequential::new().add(relu(100)).add(Dense::new(10).activation("softmax"));
    let models: [(&str, AnyLayer, &str, usize); 4] = [
        ("small", Sequential::new().add(relu(30)).add(Dense::new(1)).boxed(), "mse", 8),
        ("wide", wide.boxed(), classes, 784),
        ("residual", residual.boxed(), "mse", 8),
        ("deep", deep.boxed(), "mse", 64),
    ];
    for (name, net, loss, width) in models {
        let mut model = Model::new(net);
        model.compile(Compile::new().loss(loss).optimizer("nadam")).unwrap();
        for rows in [1, 32, 512] {
            let x = Tensor::ones([rows, width]);
            let y = if loss == classes { random::indices(rows, 10) } else { Tensor::ones([rows, 1]) };
            let step = model.training_step(&x, &y).unwrap();
            check(&format!("{name}, {rows} rows"), &step.memory_plan(&[&x, &y]).unwrap());
        }
    }
}

/// `x = norm(x + attention(x))`, `x = norm(x + narrow(wide(x)))`, the mean over the sequence.
#[derive(Module)]
struct Transformer {
    attention: MultiHeadAttention,
    norm: LayerNormalization,
    wide: Dense,
    narrow: Dense,
    last_norm: LayerNormalization,
    mean: GlobalAveragePooling1D,
    classes: Dense,
}

impl Layer for Transformer {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let x = self.norm.apply(&(x + self.attention.apply(x)));
        let x = self.last_norm.apply(&(&x + self.narrow.apply(&self.wide.apply(&x))));
        self.classes.apply(&self.mean.apply(&x))
    }
}

#[test]
fn steps_over_images_and_sequences_need_little_more_than_is_in_use_at_once() {
    let _turn = alone();
    let classes = || Dense::new(10).activation("softmax");
    let images = Sequential::new()
        .add(Conv2D::new(32, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(relu(128))
        .add(classes());
    let transformer = Transformer {
        attention: MultiHeadAttention::new(4, 32),
        norm: LayerNormalization::new(),
        wide: relu(512),
        narrow: Dense::new(128),
        last_norm: LayerNormalization::new(),
        mean: GlobalAveragePooling1D::new(),
        classes: classes(),
    };
    let lstm = Sequential::new().add(Lstm::new(64)).add(classes());
    let models: [(&str, AnyLayer, &[usize]); 3] = [
        ("images", images.boxed(), &[28, 28, 1]),
        ("lstm", lstm.boxed(), &[50, 16]),
        ("transformer", transformer.boxed(), &[64, 128]),
    ];
    for (name, net, shape) in models {
        let mut model = Model::new(net);
        model.compile(Compile::new().loss("sparse_categorical_crossentropy").optimizer("adam")).unwrap();
        for rows in [1, 32] {
            let x = Tensor::ones([&[rows], shape].concat());
            let y = random::indices(rows, 10);
            let step = model.training_step(&x, &y).unwrap();
            check(&format!("{name}, {rows} rows"), &step.memory_plan(&[&x, &y]).unwrap());
        }
    }
}

#[test]
fn layer_norm_and_its_gradient_need_little_more_than_is_in_use_at_once() {
    let _turn = alone();
    let norm = |x: &Tensor, gamma: &Tensor, beta: &Tensor| {
        let centred = x - x.mean_keep(-1);
        let variance = centred.square().mean_keep(-1);
        centred * (variance + 1e-5).rsqrt() * gamma + beta
    };
    let both = Function::new(move |x: &Tensor, gamma: &Tensor, beta: &Tensor, dy: &Tensor| {
        let weighted = || {
            let y = norm(x, gamma, beta);
            ((&y * dy).sum(..), y)
        };
        let ((_, y), [dx, dgamma, dbeta]) = value_and_gradients(weighted, [x, gamma, beta]);
        (y, dx, dgamma, dbeta)
    });
    let (x, gamma) = (Tensor::ones([512, 256]), Tensor::ones([256]));
    let concrete = both.concrete((&x, &gamma, &gamma, &x)).unwrap();
    check("layer norm", &concrete.memory_plan(&[&x, &gamma, &gamma, &x]).unwrap());
}

/// Where the elements lie.
fn address(x: &Tensor) -> usize {
    x.to_array().unwrap().bytes().as_ptr().addr()
}

#[test]
fn large_results_are_used_again_across_functions() {
    let _turn = alone();
    memory::release();
    let (double, negate) = (Function::new(|x: &Tensor| x * 2), Function::new(|x: &Tensor| -x));
    let x = Tensor::ones([1 << 19]);
    let y = double(&x);
    let place = address(&y);
    drop(y);
    assert!(memory::pooled_bytes() >= 2 << 20);
    let z = negate(&x);
    assert_eq!(address(&z), place);
    // What is computed eagerly takes from the same pool.
    drop(z);
    let root = x.sqrt();
    assert_eq!((address(&root), root.slice(..2).to_vec::<f32>().unwrap()), (place, vec![1.0, 1.0]));
    drop(root);
    // Zeros are zeros, whatever was there.
    let zeros = Array::zeros(F32, [1 << 19]).unwrap();
    assert!(zeros.as_slice::<f32>().iter().all(|&zero| zero == 0.0));
}

#[test]
fn functions_that_are_not_called_hold_no_large_intermediate_values() {
    let _turn = alone();
    memory::release();
    let f = Function::new(|x: &Tensor| x.matmul(x.t()).exp().matmul(x));
    let x = Tensor::full([600, 8], 0.01f32);
    let concrete = f.concrete(&x).unwrap();
    let arena = concrete.memory_plan(&[&x]).unwrap().arena_bytes;
    assert!(arena > 1 << 20);
    let first = concrete.call([&x]).unwrap()[0].to_vec::<f32>().unwrap();
    assert!(memory::pooled_bytes() >= arena);
    // Where the memory lies next time is no matter.
    assert!(memory::release() >= arena);
    let other = Array::full(U8, [arena], 255).unwrap();
    assert_eq!(concrete.call([&x]).unwrap()[0].to_vec::<f32>().unwrap(), first);
    drop(other);
    assert_eq!(concrete.call([&x]).unwrap()[0].to_vec::<f32>().unwrap(), first);
}

#[test]
fn the_pool_keeps_to_its_limit_and_gives_everything_back() {
    let _turn = alone();
    memory::release();
    memory::set_pool_limit(5 << 20);
    let blocks: Vec<Tensor> = (0..4).map(|_| Tensor::ones([1 << 19])).collect();
    drop(blocks);
    let held = memory::pooled_bytes();
    assert!((4 << 20..=5 << 20).contains(&held), "{held} bytes");
    drop(Tensor::ones([1 << 21]));
    assert_eq!(memory::pooled_bytes(), held, "what is larger than the limit is freed at once");
    memory::set_pool_limit(3 << 20);
    assert!(memory::pooled_bytes() <= 3 << 20);
    assert!(memory::release() > 2 << 20);
    assert_eq!((memory::pooled_bytes(), memory::release()), (0, 0));
    memory::set_pool_limit(0);
    drop(Tensor::ones([1 << 19]));
    assert_eq!((memory::pooled_bytes(), memory::pool_limit()), (0, 0));
    memory::set_pool_limit(memory::DEFAULT_POOL_LIMIT);
}
