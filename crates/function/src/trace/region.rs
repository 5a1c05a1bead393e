//! Bodies of loops and branches: traced into graphs of their own, whose placeholders become operands afterwards.

use std::sync::Arc;

use indexmap::IndexMap;
use tracelift_ir::{Builder, Graph, ParamRole, TensorType, Type, Value, ops::Cond};
use tracelift_tensor::{Array, Error, Origin, Result};

use super::{Entered, Frame, Kind, Source, Stack, capture::Capture, enter, leave, record, state::Slot, with_active};
use crate::{Tensor, variable::VariableData};

/// A traced body.
pub(crate) struct Region {
    frame: Frame,
    /// The parameters that stand for what the body is given.
    inputs: Vec<Value>,
    results: Vec<Value>,
}

/// A body that is being traced.
pub(crate) struct OpenRegion {
    entered: Entered,
    inputs: Vec<Value>,
}

/// Begins the trace of a body; also gives the tensors that stand for what the body is given.
pub(crate) fn open(name: &str, inputs: &[TensorType]) -> Result<(OpenRegion, Vec<Tensor>)> {
    let mut frame = Frame::new(Kind::Region, name);
    let given: Vec<Tensor> = inputs.iter().map(|ty| frame.input("", ty)).collect();
    let inputs = frame.builder.params().to_vec();
    Ok((OpenRegion { entered: enter(frame)?, inputs }, given))
}

impl OpenRegion {
    /// Ends the trace; every mistake of the body is one of the trace around it.
    pub(crate) fn close(self, results: &[Tensor], origin: &Origin) -> Result<Region> {
        let lifted: Result<Vec<Value>> =
            with_active(|stack| results.iter().map(|result| stack.lift(result, origin)).collect())
                .unwrap_or_else(|| Ok(Vec::new()));
        let mut frame = *self.entered.leave();
        let mut errors = std::mem::take(&mut frame.errors);
        if let Some(left) = frame.left.take() {
            leave(left);
        }
        let results = match lifted {
            Ok(results) => results,
            Err(error) => {
                if !errors.contains(&error) {
                    errors.push(error);
                }
                Vec::new()
            }
        };
        errors.iter().for_each(record);
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Region { frame, inputs: self.inputs, results }),
        }
    }

    /// Ends the trace of a body that nobody wants; its mistakes remain.
    pub(crate) fn abandon(self) {
        let frame = self.entered.leave();
        frame.errors.iter().for_each(record);
        if let Some(left) = frame.left {
            leave(left);
        }
    }
}

/// Traces a body that is given values of some types; also gives what the body says besides its results.
pub(crate) fn region<T>(
    name: &str,
    inputs: &[TensorType],
    origin: &Origin,
    body: impl FnOnce(Vec<Tensor>) -> (Vec<Tensor>, T),
) -> Result<(Region, T)> {
    let (open, given) = open(name, inputs)?;
    let (results, extra) = body(given);
    Ok((open.close(&results, origin)?, extra))
}

impl Region {
    /// The types of the results.
    pub(crate) fn result_types(&self) -> Vec<TensorType> {
        let types = self.results.iter().map(|&value| self.frame.builder.ty(value).as_tensor().cloned());
        types.map(|ty| ty.expect("bodies give tensors")).collect()
    }

    /// The parameters that stand for what the body is given.
    pub(crate) fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// The results.
    pub(crate) fn results(&self) -> &[Value] {
        &self.results
    }

    /// Gives other results than the closed body did.
    pub(crate) fn set_results(&mut self, results: Vec<Value>) {
        self.results = results;
    }

    /// One more value that the body is given, behind the others.
    pub(crate) fn add_input(&mut self, ty: &TensorType) -> Value {
        let value = self.frame.builder.param("", Type::Tensor(ty.clone()), ParamRole::Input);
        self.inputs.push(value);
        value
    }

    /// For more operations at the end of the body.
    pub(crate) fn builder(&mut self) -> &mut Builder {
        &mut self.frame.builder
    }

    /// Makes of a body that gives one bool, and assigns nothing, one that gives `false` if an input is true, and else runs
    /// as before.
    pub(crate) fn unless(&mut self, flag: Value, origin: &Origin) -> Result<()> {
        let captures = self.frame.captures.clone();
        let params: Vec<Value> = self.inputs.iter().copied().chain(captures.iter().map(|one| one.param)).collect();
        let types: Vec<Type> = params.iter().map(|param| self.frame.builder.ty(*param).clone()).collect();
        let with_params = |builder: &mut Builder| -> Vec<Value> {
            types.iter().map(|ty| builder.param("", ty.clone(), ParamRole::Input)).collect()
        };
        let mut frame = Frame::new(Kind::Region, self.frame.name());
        let given = with_params(&mut frame.builder);
        let Frame { builder: mut body, .. } = std::mem::replace(&mut self.frame, frame);
        body.order_params(&params);
        let otherwise = Arc::new(body.finish(&self.results)?);
        let mut left = Builder::new("left");
        with_params(&mut left);
        let no = left.constant(Array::scalar(false));
        let then = Arc::new(left.finish(&[no])?);
        let place = params.iter().position(|param| *param == flag).map(|n| given[n]);
        let place = place.ok_or_else(|| Error::internal("a flag is no input of the body that it guards"))?;
        let operands: Vec<Value> = std::iter::once(place).chain(given.iter().copied()).collect();
        self.results =
            self.frame.builder.at(origin.clone()).push_multi(Cond::new(then, otherwise), &operands)?.to_vec();
        let inputs = self.inputs.len();
        self.inputs = given[..inputs].to_vec();
        let captured = captures.into_iter().zip(&given[inputs..]);
        self.frame.captures = captured.map(|(one, param)| Capture { param: *param, ..one }).collect();
        Ok(())
    }

    /// The variables that the body assigns, in the order of their first use.
    pub(crate) fn assigned(&self) -> Vec<Arc<VariableData>> {
        let slots: &IndexMap<u64, Slot> = &self.frame.variables;
        slots.values().filter(|slot| slot.assigned).map(|slot| slot.variable.clone()).collect()
    }

    /// What the body takes from outside.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.frame.captures.iter().map(|capture| &capture.source)
    }

    /// The body as a graph: it is given its inputs and then these sources, and gives its results and then the values
    /// of these variables.
    pub(crate) fn into_graph(self, sources: &[Source], assigned: &[Arc<VariableData>]) -> Result<Arc<Graph>> {
        let last = self.inputs.len();
        self.graph(last, sources, assigned)
    }

    /// The body as a part of the trace around it; it has no inputs and assigns nothing.
    pub(crate) fn inline(self, origin: &Origin) -> Result<Vec<Tensor>> {
        let sources: Vec<Source> = self.sources().cloned().collect();
        let graph = self.into_graph(&sources, &[])?;
        with_active(|stack| {
            let operands = stack.lift_sources(&sources, origin)?;
            let frame = stack.top_frame();
            let made = frame.builder.splice(&graph, &operands)?;
            for (guard, _) in graph.guards_with_origins() {
                frame.builder.assume(guard.clone());
            }
            Ok(graph.results().iter().map(|result| frame.tensor(made[*result])).collect())
        })
        .unwrap_or_else(|| Err(Error::internal("a body is made part of no trace")))
    }

    /// As [`into_graph`](Self::into_graph) without variables, but the sources stand before the input of this number.
    pub(crate) fn into_graph_at(self, place: usize, sources: &[Source]) -> Result<Arc<Graph>> {
        self.graph(place, sources, &[])
    }

    fn graph(mut self, place: usize, sources: &[Source], assigned: &[Arc<VariableData>]) -> Result<Arc<Graph>> {
        let (first, last) = self.inputs.split_at(place);
        let (mut order, last) = (first.to_vec(), last.to_vec());
        for source in sources {
            order.push(self.param(source));
        }
        order.extend(last);
        let mut results = self.results.clone();
        for variable in assigned {
            let current = self.frame.variables.get(&variable.id()).map(|slot| slot.current);
            // A branch that does not touch a variable gives what it was given.
            results.push(current.unwrap_or_else(|| self.param(&Source::Variable(variable.clone()))));
        }
        self.frame.builder.order_params(&order);
        Ok(Arc::new(self.frame.builder.finish(&results)?))
    }

    fn param(&mut self, source: &Source) -> Value {
        if let Some(capture) = self.frame.captures.iter().find(|capture| capture.source.same(source)) {
            return capture.param;
        }
        let param = self.frame.builder.param(source.name(), Type::Tensor(source.ty()), ParamRole::Input);
        self.frame.captures.push(Capture { source: source.clone(), param });
        param
    }
}

/// What several bodies take from outside, each thing once, in the order of first use, except these variables.
pub(crate) fn shared_sources(regions: &[&Region], except: &[Arc<VariableData>]) -> Vec<Source> {
    let mut shared: Vec<Source> = Vec::new();
    for source in regions.iter().flat_map(|region| region.sources()) {
        let excepted =
            matches!(source, Source::Variable(variable) if except.iter().any(|other| other.id() == variable.id()));
        if !excepted && !shared.iter().any(|known| known.same(source)) {
            shared.push(source.clone());
        }
    }
    shared
}

impl Stack<'_> {
    /// Sources as operands in the top frame.
    pub(crate) fn lift_sources(&mut self, sources: &[Source], origin: &Origin) -> Result<Vec<Value>> {
        sources.iter().map(|source| self.lift_source(source, origin)).collect()
    }
}

/// The error of bodies that do not agree.
pub(crate) fn disagreement(op: &str, message: String, origin: &Origin) -> Error {
    Error::invalid(message).op(op).at(origin.clone())
}
