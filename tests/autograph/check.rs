//! The comparison of a rewritten function at once and traced.

use tracelift::{Array, Engine, Function, Options, Tensor, Tree};

/// What a function of a tensor gives at once and on every engine, which must be the same bits.
#[track_caller]
pub(crate) fn everywhere<R: Tree + Leaf>(
    f: impl Fn(&Tensor) -> R + Clone + Send + Sync + 'static,
    x: &Tensor,
) -> Vec<Array> {
    let eager = f(x).arrays();
    for engine in Engine::ALL {
        let f = f.clone();
        let traced = Function::new(move |x: &Tensor| f(x)).options(Options { engine, ..Options::default() });
        let given = traced(x).arrays();
        assert_eq!(eager.len(), given.len());
        for (eager, given) in eager.iter().zip(&given) {
            assert!(eager.bit_eq(given), "{eager:?} at once, {given:?} on {}", engine.name());
        }
        assert_eq!(traced.trace_count(), 1);
    }
    eager
}

/// That an `f32` function gives the same on tensors as on numbers.
#[track_caller]
pub(crate) fn like_numbers(
    f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static,
    plain: impl Fn(f32) -> f32,
    xs: &[f32],
) {
    for &x in xs {
        let given = everywhere(f.clone(), &Tensor::from(x));
        assert_eq!(given[0].item::<f32>().expect("a number"), plain(x), "of {x}");
    }
}

/// That an `i32` function gives the same on tensors as on numbers.
#[track_caller]
pub(crate) fn like_integers(
    f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static,
    plain: impl Fn(i32) -> i32,
    xs: impl IntoIterator<Item = i32>,
) {
    for x in xs {
        let given = everywhere(f.clone(), &Tensor::from(x));
        assert_eq!(given[0].item::<i32>().expect("an integer"), plain(x), "of {x}");
    }
}

/// The tensors of results.
pub(crate) trait Leaf {
    fn arrays(&self) -> Vec<Array>;
}

impl Leaf for Tensor {
    #[track_caller]
    fn arrays(&self) -> Vec<Array> {
        vec![self.to_array().unwrap_or_else(|error| panic!("{error}"))]
    }
}

impl<A: Leaf, B: Leaf> Leaf for (A, B) {
    fn arrays(&self) -> Vec<Array> {
        [self.0.arrays(), self.1.arrays()].concat()
    }
}

impl<T: Leaf> Leaf for Vec<T> {
    fn arrays(&self) -> Vec<Array> {
        self.iter().flat_map(Leaf::arrays).collect()
    }
}
