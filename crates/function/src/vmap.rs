//! A function of one element as a function of many.

use std::{ops::Deref, sync::Arc};

use tracelift_autodiff::{BatchValue, batch_nodes};
use tracelift_ir::{Graph, Op, TensorType};
use tracelift_tensor::{Dim, Error, Origin, Result, Shape};

use crate::{
    Tensor,
    once::in_trace,
    scope,
    trace::{self, Source, region, shared_sources},
    tree::{Leaves, Tree, poisoned, with_tensors},
};

/// A function over a batch, made by [`vmap`]; it is called like the closure.
pub struct Vmap<'f, T, R> {
    f: Arc<dyn Fn(&T) -> R + 'f>,
    axes: Axes,
    origin: Origin,
    call: Box<dyn Fn(&T) -> R + 'f>,
}

/// Where the batch is.
#[derive(Clone)]
struct Axes {
    /// For each tensor of the argument its axis, or that it is the same for all elements; without a list all have it first.
    inputs: Option<Vec<Option<i32>>>,
    output: i32,
}

/// Puts a function of one element over a batch: the function is traced once, for one element, and every op of it becomes
/// an op over all of them.
///
/// All tensors of the argument have the batch as their first axis, and so have those of the result;
/// [`in_axes`](Vmap::in_axes) and [`out_axes`](Vmap::out_axes) say otherwise. What the closure captures is the same for all
/// elements. A branch by a traced condition becomes a choice for each element, and a loop runs until the last one has left
/// it. Variables can be read and not assigned, and so nothing random can be drawn: draw outside, with an axis more.
///
/// Results equal those of single calls, stacked, bit for bit; only products of one matrix with a vector of each element,
/// which become one product of two matrices, are summed in another order.
///
/// ```
/// use tracelift_function::{Tensor, tensor, vmap};
///
/// let w = tensor([[1., 2.], [3., 4.]]);
/// let energy = vmap(|x: &Tensor| x.matmul(&w).matmul(x));
/// assert_eq!(energy(&tensor([[1., 0.], [0., 1.], [1., 1.]])).to_vec::<f32>()?, [1., 4., 10.]);
///
/// let scaled = vmap(|(x, s): &(Tensor, Tensor)| x * s).in_axes([None, Some(0)]).out_axes(-1);
/// assert_eq!(scaled(&(tensor([1., 2.]), tensor([1., 10., 100.]))).to_vec::<f32>()?, [1., 10., 100., 2., 20., 200.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn vmap<'f, T: Tree, R: Tree>(f: impl Fn(&T) -> R + 'f) -> Vmap<'f, T, R> {
    Vmap::new(Arc::new(f), Axes { inputs: None, output: 0 }, scope::origin())
}

impl<'f, T: Tree, R: Tree> Vmap<'f, T, R> {
    fn new(f: Arc<dyn Fn(&T) -> R + 'f>, axes: Axes, origin: Origin) -> Self {
        let call = Box::new({
            let (f, axes, origin) = (f.clone(), axes.clone(), origin.clone());
            move |x: &T| in_trace("vmap", || apply(&*f, x, &axes, &origin))
        });
        Vmap { f, axes, origin, call }
    }

    /// The axis of each tensor of the argument along which the batch lies; `None` for one that is the same for all elements.
    #[must_use]
    pub fn in_axes(self, axes: impl IntoIterator<Item = Option<i32>>) -> Self {
        let inputs = Some(axes.into_iter().collect());
        Vmap::new(self.f, Axes { inputs, ..self.axes }, self.origin)
    }

    /// The axis of the results along which the batch lies.
    #[must_use]
    pub fn out_axes(self, axis: i32) -> Self {
        Vmap::new(self.f, Axes { output: axis, ..self.axes }, self.origin)
    }
}

impl<'f, T, R> Deref for Vmap<'f, T, R> {
    type Target = dyn Fn(&T) -> R + 'f;

    fn deref(&self) -> &Self::Target {
        &*self.call
    }
}

impl<T, R> std::fmt::Debug for Vmap<'_, T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vmap made at {}", self.origin)
    }
}

fn apply<T: Tree, R: Tree>(f: &dyn Fn(&T) -> R, x: &T, axes: &Axes, origin: &Origin) -> R {
    let mut tree = None;
    let made = push(f, x, axes, origin, &mut tree);
    match (made, tree) {
        (Ok(results), Some(tree)) => with_tensors(&tree, results),
        (made, tree) => {
            let error = made.err().unwrap_or_else(|| Error::internal("has traced nothing"));
            let error = if error.op.is_none() { error.op("vmap") } else { error };
            let error = if error.origin.is_unknown() { error.at(origin.clone()) } else { error };
            trace::record(&error);
            poisoned(&tree.unwrap_or_else(|| trace::discarded(|| f(x))), &error)
        }
    }
}

/// The tensors of the argument, brought into order.
struct Given {
    tensors: Vec<Tensor>,
    /// Which of them hold one item per element, along their first axis.
    batched: Vec<bool>,
    /// The types that the function sees.
    types: Vec<TensorType>,
    size: Dim,
}

fn given<T: Tree>(x: &T, axes: &Axes) -> Result<Given> {
    let tensors = Leaves::of(x).into_tensors();
    tensors.iter().try_for_each(|tensor| tensor.error().map_or(Ok(()), |error| Err(error.clone())))?;
    let places = axes.inputs.clone().unwrap_or_else(|| vec![Some(0); tensors.len()]);
    if places.len() != tensors.len() {
        let message = format!("has axes for {} tensors, and the argument is made of {}", places.len(), tensors.len());
        return Err(Error::invalid(message).help("`in_axes` takes an axis or `None` for each tensor"));
    }
    let mut given = Given { tensors: vec![], batched: vec![], types: vec![], size: Dim::ZERO };
    let mut size: Option<Dim> = None;
    for (tensor, place) in tensors.into_iter().zip(places) {
        let mut ty = tensor.ty();
        given.batched.push(place.is_some());
        let Some(place) = place else {
            given.tensors.push(tensor);
            given.types.push(ty);
            continue;
        };
        let axis = ty.shape.axis(place.into())?;
        let mut dims: Vec<Dim> = ty.shape.to_vec();
        let own = dims.remove(axis);
        match &size {
            Some(size) if (size - &own).known().is_some_and(|difference| difference != 0) => {
                let message = format!("has batches of {size} and of {own}: axis {place} of {ty}");
                return Err(Error::invalid(message).help("all tensors have one item for each element of the batch"));
            }
            // A known size is worth more than an unknown one, which is then the same.
            Some(size) if size.known().is_some() => {}
            _ => size = Some(own),
        }
        let order: Vec<i32> =
            std::iter::once(axis).chain((0..=dims.len()).filter(|n| *n != axis)).map(|n| n as i32).collect();
        given.tensors.push(if axis == 0 { tensor } else { tensor.transpose(&order) });
        ty.shape = Shape::from(dims);
        given.types.push(ty);
    }
    given.size = size.ok_or_else(|| {
        Error::invalid("has no tensor with an item for each element").help("give one of them an axis: `Some(0)`")
    })?;
    Ok(given)
}

fn push<T: Tree, R: Tree>(
    f: &dyn Fn(&T) -> R,
    x: &T,
    axes: &Axes,
    origin: &Origin,
    tree: &mut Option<R>,
) -> Result<Vec<Tensor>> {
    let Given { tensors, batched, types, size } = given(x, axes)?;
    let (region, ()) = region("element", &types, origin, |inner| {
        let given = tree.insert(f(&with_tensors(x, inner)));
        (Leaves::of(given).into_tensors(), ())
    })?;
    if let Some(variable) = region.assigned().first() {
        let message = format!("assigns `{}`, which has no value for each element", variable.name());
        let help =
            "give the values back and assign them outside; draw random numbers outside, with the batch as an axis";
        return Err(Error::invalid(message).help(help));
    }
    let sources = shared_sources(&[&region], &[]);
    let graph = region.into_graph(&sources, &[])?;
    let results = append(&graph, &tensors, &batched, &sources, &size, origin)?;
    let moved = results.into_iter().map(|result| {
        let rank = result.rank();
        let shape = result.shape();
        let to = shape.axis(axes.output.into())?;
        let mut order: Vec<i32> = (1..rank as i32).collect();
        order.insert(to, 0);
        Ok(if to == 0 { result } else { result.transpose(&order) })
    });
    moved.collect()
}

/// The nodes of one element's graph over the batch, on the active trace.
fn append(
    graph: &Graph,
    tensors: &[Tensor],
    batched: &[bool],
    sources: &[Source],
    size: &Dim,
    origin: &Origin,
) -> Result<Vec<Tensor>> {
    if let Some((_, node)) = graph.nodes().find(|(_, node)| matches!(node.op, Op::Random(_))) {
        let message = "cannot be done for a batch: all elements would draw the same numbers";
        let error = Error::invalid(message).op(node.op.name()).at(node.origin.clone());
        return Err(error.help("draw outside, with the batch as an axis"));
    }
    trace::with_active(|stack| {
        let mut arguments = vec![];
        for (tensor, batched) in tensors.iter().zip(batched) {
            arguments.push(BatchValue { value: stack.lift(tensor, origin)?, batched: *batched });
        }
        for value in stack.lift_sources(sources, origin)? {
            arguments.push(BatchValue { value, batched: false });
        }
        let frame = stack.top_frame();
        let results = batch_nodes(frame.builder.at(origin.clone()), graph, &arguments, size)?;
        let all = results.into_iter().map(|result| result.for_each(&mut frame.builder, size));
        let all = all.collect::<Result<Vec<_>>>()?;
        Ok(all.into_iter().map(|value| frame.tensor(value)).collect())
    })
    .unwrap_or_else(|| Err(Error::internal("is built outside of any trace")))
}
