//! Loops over the rows of tensors that give a row for each.

use tracelift_tensor::{Dim, Error, Origin, Result, Shape};

use super::{range::TensorRange, while_loop};
use crate::{
    Tensor,
    once::in_trace,
    ops, scope, trace,
    tree::{Leaves, Tree, poisoned, with_tensors},
};

/// `(state, y) = body(state, x)` for each row `x` of `xs`: gives the last state, and the `y` of all rows along a new
/// first axis.
///
/// `xs` is a tensor or a tree of them with one first size. It is one loop of the graph; `body` is traced twice.
///
/// ```
/// use tracelift_function::{scan, tensor};
///
/// let (total, sums) = scan(tensor(0.0), &tensor([1., 2., 3.]), |sum, x| {
///     let sum = sum + x;
///     (sum.clone(), sum * 10.0)
/// });
/// assert_eq!(total.item::<f32>()?, 6.0);
/// assert_eq!(sums.to_vec::<f32>()?, [10., 30., 60.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn scan<S: Tree, X: Tree, Y: Tree>(init: S, xs: &X, body: impl Fn(S, X) -> (S, Y)) -> (S, Y) {
    scan_in(Order::Forward, init, xs, body)
}

/// [`scan`] from the last row to the first: what a row gives stands in its place.
///
/// ```
/// use tracelift_function::{scan_reverse, tensor};
///
/// let (_, sums) = scan_reverse(tensor(0.0), &tensor([1., 2., 3.]), |sum, x| (&sum + &x, sum + x));
/// assert_eq!(sums.to_vec::<f32>()?, [6., 5., 3.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn scan_reverse<S: Tree, X: Tree, Y: Tree>(init: S, xs: &X, body: impl Fn(S, X) -> (S, Y)) -> (S, Y) {
    scan_in(Order::Reverse, init, xs, body)
}

/// From which end rows are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Forward,
    Reverse,
}

#[track_caller]
fn scan_in<S: Tree, X: Tree, Y: Tree>(order: Order, init: S, xs: &X, body: impl Fn(S, X) -> (S, Y)) -> (S, Y) {
    let origin = scope::origin();
    in_trace("scan", || {
        // The structure of what a row gives, and its types.
        let row = unseen(|| first_row(xs).map(|x| body(init.clone(), x).1));
        match row.and_then(|row| rows(order, &init, xs, &row, &body, &origin)) {
            Ok(given) => given,
            Err(error) => {
                trace::record(&error);
                let (state, row) = unseen(|| body(init.clone(), poisoned(xs, &error)));
                (poisoned(&state, &error), poisoned(&row, &error))
            }
        }
    })
}

/// `f` of each row of a tensor, or of a tree of tensors with one first size, along a new first axis.
///
/// ```
/// use tracelift_function::{map_fn, tensor};
///
/// let norms = map_fn(|row| row.square().sum(..).sqrt(), &tensor([[3., 4.], [6., 8.]]));
/// assert_eq!(norms.to_vec::<f32>()?, [5., 10.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn map_fn<X: Tree, Y: Tree>(f: impl Fn(X) -> Y, xs: &X) -> Y {
    scan((), xs, |(), x| ((), f(x))).1
}

/// Runs a body whose graph, and whose mistakes, nobody wants, inside of the trace under way.
fn unseen<R>(body: impl FnOnce() -> R) -> R {
    let _open = trace::open("unseen", &[]);
    body()
}

/// The row that any row is like.
fn first_row<X: Tree>(xs: &X) -> Result<X> {
    length(xs)?;
    Ok(row_at(xs, &crate::tensor(0)))
}

fn row_at<X: Tree>(xs: &X, position: &Tensor) -> X {
    let rows = Leaves::of(xs).into_tensors();
    with_tensors(xs, rows.iter().map(|tensor| tensor.gather(position)))
}

/// The first size that all tensors have.
fn length(xs: &impl Tree) -> Result<(Tensor, Dim)> {
    let tensors = Leaves::of(xs).into_tensors();
    let mut length: Option<(Tensor, Dim)> = None;
    for tensor in tensors {
        if let Some(error) = tensor.error() {
            return Err(error.clone());
        }
        let Some(size) = tensor.shape().first().cloned() else {
            let error = Error::invalid(format!("goes over rows, which {} does not have", tensor.ty()));
            return Err(error.op("scan").at(scope::origin()));
        };
        match &length {
            Some((first, known)) if *known != size => {
                let message = format!("goes over tensors of one first size, not {} and {}", first.ty(), tensor.ty());
                return Err(Error::value(message).op("scan").at(scope::origin()));
            }
            Some(_) => {}
            None => length = Some((tensor, size)),
        }
    }
    length.ok_or_else(|| Error::invalid("goes over the rows of at least one tensor").op("scan").at(scope::origin()))
}

fn rows<S: Tree, X: Tree, Y: Tree>(
    order: Order,
    init: &S,
    xs: &X,
    row: &Y,
    body: &impl Fn(S, X) -> (S, Y),
    origin: &Origin,
) -> Result<(S, Y)> {
    let (first, size) = length(xs)?;
    let range = TensorRange::rows(&first);
    let like = Leaves::of(row);
    let given = like.into_tensors();
    if let Some(error) = given.iter().find_map(Tensor::error) {
        return Err(error.clone());
    }
    let empty: Vec<Tensor> = given
        .iter()
        .map(|tensor| {
            let shape: Shape = std::iter::once(size.clone()).chain(tensor.shape().iter().cloned()).collect();
            Tensor::zeros(shape).cast(tensor.dtype())
        })
        .collect();
    let host = Leaves::of(row).host;
    let mut changed = None;
    let (_, state, collected) = while_loop(
        (range.start().clone(), init.clone(), empty),
        |(i, ..)| range.goes_on(i),
        |(i, state, collected)| {
            let at = match order {
                Order::Forward => i.clone(),
                Order::Reverse => range.last() - &i,
            };
            let (state, row) = body(state, row_at(xs, &at));
            let leaves = Leaves::of(&row);
            if leaves.host != host {
                let error = Error::type_("gives rows of different structures or host values");
                changed = Some(error.op("scan").at(origin.clone()));
            }
            let rows = leaves.into_tensors();
            let collected = collected.iter().zip(&rows).map(|(all, row)| ops::set_row(all, &at, row)).collect();
            (range.next(&i), state, collected)
        },
    );
    match changed {
        Some(error) => Err(error),
        None => Ok((state, with_tensors(row, collected))),
    }
}
