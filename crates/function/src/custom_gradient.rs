//! Functions that say themselves what flows back through them.

use std::{cell::RefCell, sync::Arc};

use tracelift_ir::{Builder, Graph, ParamRole, TensorType, Type, ops::Call};
use tracelift_tensor::{Error, Origin, Result};

use crate::{
    Tensor, scope, tape,
    tensor::Handle,
    trace::{self, Region, Source, region, shared_sources},
    tree::{Leaves, Tree, with_tensors},
};

/// `forward(x)`, whose gradient is what `backward(x, y, dy)` says.
///
/// `x` is a tensor or a tree of tensors; `backward` is given it, the result `y`, and the gradient `dy` by which the result
/// goes into the target, and gives the gradient for each tensor of `x`. What the closures use besides `x` is a constant.
/// The gradient of a gradient is that of what `backward` computes.
///
/// `backward` is traced, at most once for each call: it has no data to read. `forward` is run as it is, or traced inside of
/// a traced function.
///
/// ```
/// use tracelift_function::{Tensor, custom_gradient, grad, tensor};
///
/// let softplus = |z: &Tensor| {
///     custom_gradient(
///         z,
///         |z| (1 + (-z.abs()).exp()).log() + z.maximum(0),
///         |z, _, dy| dy * (1 - 1 / (1 + z.exp())),
///     )
/// };
/// assert_eq!(softplus(&tensor(1000.)).item::<f32>()?, 1000.);
/// assert_eq!(grad(softplus)(&tensor(1000.)).item::<f32>()?, 1.);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn custom_gradient<X: Tree>(
    x: &X,
    forward: impl FnOnce(&X) -> Tensor,
    backward: impl Fn(&X, &Tensor, &Tensor) -> X,
) -> Tensor {
    let origin = scope::origin();
    let tensors = Leaves::of(x).into_tensors();
    if let Some(failed) = tensors.iter().find(|tensor| tensor.error().is_some()) {
        return failed.clone();
    }
    let backward = |x: &X, tensors: Vec<Tensor>, y: &Tensor, dy: &Tensor| {
        Leaves::of(&backward(&with_tensors(x, tensors), y, dy)).into_tensors()
    };
    let given = Given { x, tensors, origin: origin.clone() };
    let made = if trace::is_active() {
        given.traced(forward, backward)
    } else if tape::is_recording() {
        given.recorded(forward, backward)
    } else {
        return forward(x);
    };
    made.unwrap_or_else(|error| {
        let error = if error.op.is_none() { error.op("custom_gradient") } else { error };
        let error = if error.origin.is_unknown() { error.at(origin) } else { error };
        trace::fail(error, None)
    })
}

/// What a custom gradient is taken of.
struct Given<'a, X> {
    x: &'a X,
    tensors: Vec<Tensor>,
    origin: Origin,
}

impl<X: Tree> Given<'_, X> {
    /// Inside a trace: both closures become functions of the graph.
    fn traced(
        self,
        forward: impl FnOnce(&X) -> Tensor,
        backward: impl Fn(&X, Vec<Tensor>, &Tensor, &Tensor) -> Vec<Tensor>,
    ) -> Result<Tensor> {
        let types: Vec<TensorType> = self.tensors.iter().map(Tensor::ty).collect();
        let (forward, y) = region("forward", &types, &self.origin, |tensors| {
            let y = forward(&with_tensors(self.x, tensors));
            let ty = y.ty();
            (vec![y], ty)
        })?;
        let backward = self.backward(&types, &[], &y, backward)?;
        let sources = shared_sources(&[&forward, &backward], &[]);
        unassigned(&[&forward, &backward])?;
        let callee = closed(forward.into_graph_at(types.len(), &sources)?)?;
        let gradient = closed(backward.into_graph_at(types.len(), &sources)?)?;
        trace::with_active(|stack| {
            let mut operands =
                self.tensors.iter().map(|tensor| stack.lift(tensor, &self.origin)).collect::<Result<Vec<_>>>()?;
            operands.extend(stack.lift_sources(&sources, &self.origin)?);
            let call = Call { gradient: Some(gradient), ..stack.call_of(callee) };
            let frame = stack.top_frame();
            let value = frame.builder.at(self.origin.clone()).push(call, &operands)?;
            Ok(frame.tensor(value))
        })
        .unwrap_or_else(|| Err(Error::internal("a custom gradient is traced outside of any trace")))
    }

    /// Under eager tapes: the result is there already, and the record is told what flows back.
    fn recorded(
        self,
        forward: impl FnOnce(&X) -> Tensor,
        backward: impl Fn(&X, Vec<Tensor>, &Tensor, &Tensor) -> Vec<Tensor>,
    ) -> Result<Tensor> {
        let y = tape::unrecorded(|| forward(self.x)).ok()?;
        let array = y.to_array()?;
        let types: Vec<TensorType> = self.tensors.iter().map(Tensor::ty).collect();
        let result = TensorType::of(&array);
        // To the record, the function gives what it is given: its result, as a last operand.
        let backward = self.backward(&types, std::slice::from_ref(&result), &result, backward)?;
        let sources = shared_sources(&[&backward], &[]);
        unassigned(&[&backward])?;
        let mut b = Builder::new("forward");
        let types = types.into_iter().chain(sources.iter().map(Source::ty)).chain([result]);
        let params: Vec<_> = types.map(|ty| b.param("", Type::Tensor(ty), ParamRole::Input)).collect();
        let callee = Arc::new(b.finish(&params[params.len() - 1..])?);
        let gradient = closed(backward.into_graph_at(self.tensors.len(), &sources)?)?;
        let mut operands = self.tensors;
        for source in sources {
            operands.push(match source {
                Source::Array(array) => Tensor::eager(array),
                Source::Recorded(recorded) => Tensor { handle: Handle::Recorded(recorded) },
                Source::Variable(variable) => tape::read(&variable)?,
                Source::Outer(traced) => return Err(trace::leaked("custom_gradient", &traced, self.origin)),
            });
        }
        operands.push(Tensor::eager(array.clone()));
        let op = Call { gradient: Some(gradient), ..Call::new(callee) }.into();
        Ok(tape::note(&op, &operands, vec![array], &self.origin)?.swap_remove(0))
    }

    /// What flows back, as a function of the tensors, `more` that it does not look at, the result and its gradient.
    fn backward(
        &self,
        types: &[TensorType],
        more: &[TensorType],
        y: &TensorType,
        backward: impl Fn(&X, Vec<Tensor>, &Tensor, &Tensor) -> Vec<Tensor>,
    ) -> Result<Region> {
        let inputs: Vec<TensorType> = types.iter().chain(more).chain([y, y]).cloned().collect();
        let wrong = RefCell::new(None);
        let (region, ()) = region("backward", &inputs, &self.origin, |mut given| {
            let tail = given.split_off(types.len() + more.len());
            given.truncate(types.len());
            let gradients = backward(self.x, given, &tail[0], &tail[1]);
            let misfit = gradients
                .iter()
                .zip(types)
                .find(|(gradient, ty)| gradient.error().is_none() && ty.dtype.is_float() && gradient.ty() != **ty);
            if let Some((gradient, ty)) = misfit {
                let message = format!("has a backward that gives a gradient of {} for {ty}", gradient.ty());
                *wrong.borrow_mut() = Some(Error::invalid(message).help("a gradient has the type of what it is by"));
            }
            if gradients.len() != types.len() {
                let message = format!("has a backward that gives {} gradients, not {}", gradients.len(), types.len());
                *wrong.borrow_mut() = Some(Error::invalid(message));
            }
            let floats = gradients.into_iter().zip(types).filter(|(_, ty)| ty.dtype.is_float());
            (floats.map(|(gradient, _)| gradient).collect(), ())
        })?;
        match wrong.into_inner() {
            Some(error) => Err(error),
            None => Ok(region),
        }
    }
}

fn unassigned(regions: &[&Region]) -> Result {
    match regions.iter().find_map(|region| region.assigned().into_iter().next()) {
        Some(variable) => {
            let message = format!("has closures that assign `{}`, which is not possible", variable.name());
            Err(Error::invalid(message).help("return the value, and assign it outside"))
        }
        None => Ok(()),
    }
}

/// That the sizes a function uses are sizes of what it is given.
pub(crate) fn closed(graph: Arc<Graph>) -> Result<Arc<Graph>> {
    let known: Vec<_> = graph.unknowns().into_iter().map(|(sym, ..)| sym).chain(graph.found_sizes()).collect();
    let used = graph.nodes().flat_map(|(_, node)| &node.types).filter_map(Type::as_tensor);
    let foreign = used.flat_map(|tensor| tensor.shape.syms()).find(|sym| !known.contains(sym));
    match foreign {
        Some(sym) => {
            let message = format!("has a closure that uses the size {sym}, which none of its tensors has");
            Err(Error::invalid(message).help("let it use a tensor of that size"))
        }
        None => Ok(graph),
    }
}
