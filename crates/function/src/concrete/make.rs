//! The making of a concrete function: the closure is run on tensors that stand for values of a graph.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use tracelift_tensor::{Origin, Result};

use super::{Argument, ConcreteFunction, Hidden, ResultLeaf};
use crate::{
    Tensor, Variable,
    cache::Settings,
    key::ArgType,
    parts::{Part, default_name, leaf_names},
    recompute,
    signature::{Body, Ran},
    trace::{self, Frame, Kind, Source},
    tree::{Leaf, Leaves},
};

/// What a closure is traced for.
pub(crate) struct Making<'a, 'l> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) settings: &'a Settings,
    /// The types to trace with, one for each of `leaves`.
    pub(crate) types: &'a [ArgType],
    pub(crate) leaves: &'a Leaves<'l>,
    /// What the arguments consist of.
    pub(crate) parts: Vec<Part>,
}

/// Arguments that stand for those of a call.
struct StandIns {
    leaves: Vec<Leaf<'static>>,
    /// The variables among them, by their place.
    variables: Vec<(usize, Variable)>,
}

impl Making<'_, '_> {
    /// Traces a closure.
    pub(crate) fn trace(self, body: &Body, arguments: &dyn Any) -> Result<ConcreteFunction> {
        let Making { kind, name, settings, types, leaves, parts } = self;
        let names = leaf_names(&parts, &settings.argument_names);
        let mut frame = Frame::new(kind, name);
        let _save = recompute::within(&settings.options);
        let given = stand_ins(&mut frame, &names, types, leaves)?;
        let entered = trace::enter(frame)?;
        let Ran { pattern, leaves: returned } = match (body.run)(arguments, given.leaves) {
            Ok(ran) => ran,
            Err(error) => {
                trace::record(&error);
                let nothing = trace::finish(entered, &[], &Origin::default());
                return Err(nothing.err().unwrap_or(error));
            }
        };
        let tensors: Vec<Tensor> = returned.iter().filter_map(Leaf::as_tensor).cloned().collect();
        let finished = trace::finish(entered, &tensors, &Origin::default())?;
        let argument_of = |id: u64| {
            let same = given.variables.iter().find(|(_, stand_in)| stand_in.id() == id);
            same.map(|(position, _)| *position)
        };
        let hidden: Vec<Hidden> = finished
            .captures
            .into_iter()
            .map(|source| match source {
                Source::Array(array) => Ok(Hidden::Array(array, None)),
                Source::Variable(variable) => Ok(match argument_of(variable.id()) {
                    Some(position) => Hidden::Argument(position),
                    None => Hidden::Variable(Variable::of_data(variable)),
                }),
                Source::Recorded(recorded) => Ok(Hidden::Array(recorded.array.clone(), Some(recorded))),
                Source::Outer(traced) => Err(trace::leaked(name, &traced, Origin::default())),
            })
            .collect::<Result<_>>()?;
        let assigned = finished.graph.states().iter().map(|state| state.param - finished.inputs).collect();
        let results = returned
            .iter()
            .map(|leaf| match leaf {
                Leaf::Tensor(_) => ResultLeaf::Tensor,
                Leaf::Variable(variable) => match argument_of(variable.id()) {
                    Some(position) => ResultLeaf::Argument(position),
                    None => ResultLeaf::Variable(Variable::clone(variable)),
                },
            })
            .collect();
        let arguments = types.iter().zip(&leaves.leaves).enumerate().map(|(position, (ty, leaf))| match leaf {
            Leaf::Tensor(_) => Argument::Tensor(ty.ty().clone()),
            Leaf::Variable(variable) => {
                let only = matches!(ty, ArgType::Variable { only: Some(_), .. });
                let stand_in = given.variables.iter().find(|(place, _)| *place == position);
                let name = stand_in.map_or(&**variable, |(_, stand_in)| stand_in).name().to_owned();
                Argument::Variable { name, first: Variable::clone(variable), only }
            }
        });
        let guards = finished.graph.guards().cloned().collect();
        let cells = hidden.iter().filter_map(|hidden| match hidden {
            Hidden::Array(..) => None,
            Hidden::Variable(variable) => Some(variable.data().and_then(|data| data.cell().cloned()).ok()),
            Hidden::Argument(_) => Some(None),
        });
        let fixed_cells = cells.collect::<Option<Vec<_>>>();
        Ok(ConcreteFunction {
            graph: Arc::new(finished.graph),
            arguments: arguments.collect(),
            hidden,
            assigned,
            results,
            pattern,
            guards,
            parts,
            fixed_cells,
            options: settings.options.clone(),
            compiled: OnceLock::new(),
        })
    }
}

/// What the closure is run on; each has the name of the leaf that it stands for.
fn stand_ins(frame: &mut Frame, names: &[Option<String>], types: &[ArgType], leaves: &Leaves<'_>) -> Result<StandIns> {
    let mut given = StandIns { leaves: Vec::with_capacity(types.len()), variables: Vec::new() };
    let mut tensors = 0;
    for (position, (ty, leaf)) in types.iter().zip(&leaves.leaves).enumerate() {
        let name = names.get(position).and_then(Option::as_deref);
        given.leaves.push(match (ty, leaf) {
            (ArgType::Tensor(ty), _) => {
                tensors += 1;
                let name = name.map_or_else(|| default_name(tensors - 1), str::to_owned);
                Leaf::of(frame.input(&name, ty))
            }
            (ArgType::Variable { only: Some(_), .. }, Leaf::Variable(variable)) => {
                Leaf::of_variable(variable.clone().into_owned())
            }
            (ArgType::Variable { same_as, .. }, Leaf::Variable(variable)) => {
                let known = given.variables.iter().find(|(first, _)| first == same_as);
                let stand_in = match known {
                    Some((_, stand_in)) => stand_in.clone(),
                    None => variable.stand_in(name)?,
                };
                given.variables.push((position, stand_in.clone()));
                Leaf::of_variable(stand_in)
            }
            (ArgType::Variable { .. }, Leaf::Tensor(_)) => unreachable!("types are those of the leaves"),
        });
    }
    Ok(given)
}
