//! Loops with a bound on their rounds, and branches by number.

use super::{cond, loop_with};
use crate::{IntoTensor, Tensor, TensorSpec, Tree};

/// A [`while_loop`](crate::while_loop) with options.
///
/// ```
/// use tracelift_function::{WhileLoop, tensor};
///
/// let x = WhileLoop::new().maximum_iterations(4).run(tensor(1), |x| x.lt(1000), |x| x * 2);
/// assert_eq!(x.item::<i32>()?, 16);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WhileLoop {
    maximum: Option<Tensor>,
    shapes: Vec<Option<TensorSpec>>,
}

impl WhileLoop {
    /// Without a bound, as [`while_loop`](crate::while_loop) is.
    #[must_use]
    pub fn new() -> Self {
        WhileLoop::default()
    }

    /// Ends the loop after so many rounds: a number or an integer tensor.
    #[track_caller]
    #[must_use]
    pub fn maximum_iterations(self, n: impl IntoTensor) -> Self {
        WhileLoop { maximum: Some(n.into_tensor()), ..self }
    }

    /// Lets sizes change from round to round: one spec for each tensor of the state, in its order, with `None` for the
    /// sizes that may change; a tensor that keeps its shape has `None` in the place of its spec.
    ///
    /// Inside the loop such a size is unknown, like that of an argument of any size; behind it the tensor has the shape of
    /// the last round. Shapes that then do not fit together, and no longer fit only while the loop runs, fail the call as
    /// they fail without a loop. What a size must equal is checked, and not broadcast.
    ///
    /// The graph of such a loop has no native code: it is evaluated op by op, with the same bits. Its gradient runs the loop
    /// again for each round, and it cannot be run over a batch.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, WhileLoop, concat, spec, tensor};
    ///
    /// let doubled = Function::new(|x: &Tensor, n: &Tensor| {
    ///     let init = (tensor(0), x.clone());
    ///     WhileLoop::new()
    ///         .shape_invariants((None, spec!(f32[None, 2])))
    ///         .run(init, |(_, x)| x.dim(0).lt(n), |(rounds, x)| (rounds + 1, concat(&[&x, &x], 0)))
    /// });
    /// let (rounds, x) = doubled(&Tensor::ones([3, 2]), &tensor(20));
    /// assert_eq!((rounds.item::<i32>()?, x.shape().to_string()), (3, "[24, 2]".to_owned()));
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[must_use]
    pub fn shape_invariants(self, specs: impl ShapeInvariants) -> Self {
        let mut shapes = Vec::new();
        specs.add_all_to(&mut shapes);
        WhileLoop { shapes, ..self }
    }

    /// Runs it.
    #[track_caller]
    pub fn run<S: Tree>(self, init: S, condition: impl FnOnce(&S) -> Tensor, body: impl FnOnce(S) -> S) -> S {
        let WhileLoop { maximum, mut shapes } = self;
        let Some(maximum) = maximum else { return loop_with(&shapes, init, condition, body) };
        let start = crate::tensor(0).cast(maximum.dtype());
        if !shapes.is_empty() {
            shapes.insert(0, None);
        }
        let goes_on = |(i, state): &(Tensor, S)| i.lt(&maximum).and(condition(state));
        loop_with(&shapes, (start, init), goes_on, |(i, state)| (i + 1, body(state))).1
    }
}

/// What [`WhileLoop::shape_invariants`] takes for one tensor: a spec, or nothing.
pub trait ShapeInvariant {
    /// The spec.
    #[doc(hidden)]
    fn spec(self) -> Option<TensorSpec>;
}

impl ShapeInvariant for TensorSpec {
    fn spec(self) -> Option<TensorSpec> {
        Some(self)
    }
}

impl ShapeInvariant for Option<TensorSpec> {
    fn spec(self) -> Option<TensorSpec> {
        self
    }
}

/// What [`WhileLoop::shape_invariants`] takes for all tensors: one [`ShapeInvariant`], an array or list of them, or a tuple.
pub trait ShapeInvariants {
    /// Adds them to the list.
    #[doc(hidden)]
    fn add_all_to(self, list: &mut Vec<Option<TensorSpec>>);
}

impl<T: ShapeInvariant> ShapeInvariants for T {
    fn add_all_to(self, list: &mut Vec<Option<TensorSpec>>) {
        list.push(self.spec());
    }
}

impl<T: ShapeInvariant, const N: usize> ShapeInvariants for [T; N] {
    fn add_all_to(self, list: &mut Vec<Option<TensorSpec>>) {
        list.extend(self.into_iter().map(T::spec));
    }
}

impl<T: ShapeInvariant> ShapeInvariants for Vec<T> {
    fn add_all_to(self, list: &mut Vec<Option<TensorSpec>>) {
        list.extend(self.into_iter().map(T::spec));
    }
}

macro_rules! tuples {
    ($($($T:ident $t:ident)*;)*) => {$(
        impl<$($T: ShapeInvariant),*> ShapeInvariants for ($($T,)*) {
            fn add_all_to(self, list: &mut Vec<Option<TensorSpec>>) {
                let ($($t,)*) = self;
                list.extend([$($t.spec()),*]);
            }
        }
    )*};
}
tuples! { A a; A a B b; A a B b C c; A a B b C c D d; A a B b C c D d E e; A a B b C c D d E e F f; }

/// One of several branches, by its number; a number of none takes the last one.
///
/// ```
/// use tracelift_function::{Function, Tensor, switch_case, tensor};
///
/// let f = Function::new(|n: &Tensor, x: &Tensor| {
///     switch_case(n, &[&|| x + 1.0, &|| x * 2.0, &|| x.square()])
/// });
/// let given = [0, 1, 2, 7, -1].map(|n| f(&tensor(n), &tensor(5.0)).item::<f32>());
/// assert_eq!(given, [Ok(6.0), Ok(10.0), Ok(25.0), Ok(25.0), Ok(25.0)]);
/// assert_eq!(f.trace_count(), 1);
/// ```
///
/// # Panics
/// If there is no branch.
#[track_caller]
pub fn switch_case<R: Tree>(index: &Tensor, branches: &[&dyn Fn() -> R]) -> R {
    assert!(!branches.is_empty(), "`switch_case` takes at least one branch");
    // Negative numbers are those of no branch.
    let last = i32::try_from(branches.len() - 1).unwrap_or(i32::MAX);
    let index = crate::select(&index.lt(0), crate::tensor(last).cast(index.dtype()), index);
    choose(&index, 0, branches)
}

/// A branch by halves, so that many of them are not many levels.
#[track_caller]
fn choose<R: Tree>(index: &Tensor, first: i32, branches: &[&dyn Fn() -> R]) -> R {
    if let [branch] = branches {
        return branch();
    }
    let middle = branches.len() / 2;
    let (low, high) = branches.split_at(middle);
    let border = first + i32::try_from(middle).unwrap_or(i32::MAX);
    cond(&index.lt(border), || choose(index, first, low), || choose(index, border, high))
}
