//! Which buffer of a program stands for which argument, result and state.

use tracelift_kernel::program::*;
use tracelift_tensor::{DType, Error, Result};

/// The buffers of a program by role, and what becomes of its results.
#[derive(Clone, Debug)]
pub(super) struct Roles {
    /// The buffer of each input; `None` for one that is never used.
    pub(super) inputs: Vec<Option<BufferId>>,
    /// The buffer of each state on entry.
    pub(super) states: Vec<Option<BufferId>>,
    /// The buffer of each state on exit.
    pub(super) nexts: Vec<Option<BufferId>>,
    /// Where each result comes from.
    pub(super) results: Vec<Source>,
    pub(super) result_types: Vec<DType>,
}

/// Where a result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A rank-0 value in the result's own slot.
    Scalar,
    /// Written straight into the result.
    Output(BufferId),
    /// The same as an earlier result, perhaps with another shape.
    Same(usize),
    /// An argument handed through.
    Input(usize),
    /// A state that is only read.
    State(usize),
}

impl Source {
    /// Whether the program makes it, rather than hands it through.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Source::Scalar | Source::Output(_))
    }
}

impl Roles {
    /// The roles in a verified program.
    pub(super) fn of(program: &Program) -> Result<Roles> {
        let (mut inputs, mut states, mut nexts, mut outputs) = (vec![], vec![], vec![], vec![]);
        for (n, buffer) in program.buffers.iter().enumerate() {
            let (list, at) = match buffer.role {
                Role::Input(at) => (&mut inputs, at),
                Role::Output(at) => (&mut outputs, at),
                Role::State(at) => (&mut states, at),
                Role::NextState(at) => (&mut nexts, at),
                Role::Arena | Role::View(_) | Role::Constant(_) | Role::Stack(_) => continue,
            };
            let at = at as usize;
            list.resize(list.len().max(at + 1), None);
            list[at] = Some(BufferId(n as u32));
        }
        states.resize(program.states.len(), None);
        nexts.resize(program.states.len(), None);
        let mut results: Vec<Source> = Vec::with_capacity(program.results.len());
        for place in &program.results {
            let source = source(program, place, &results);
            results.push(source);
        }
        if let Some(lost) = outputs.iter().flatten().find(|id| !results.contains(&Source::Output(**id))) {
            let name = &program.buffer(*lost).name;
            return Err(Error::internal(format!("output `${name}` of program `{}` is no result", program.name)));
        }
        let dtype = |place: &ResultPlace| match place {
            ResultPlace::Buffer(id) => program.buffer(*id).dtype,
            ResultPlace::Scalar(value) => program.dtype(value),
        };
        let result_types = program.results.iter().map(dtype).collect();
        Ok(Roles { inputs, states, nexts, results, result_types })
    }
}

fn source(program: &Program, place: &ResultPlace, earlier: &[Source]) -> Source {
    let ResultPlace::Buffer(id) = place else { return Source::Scalar };
    let owner = program.owner(*id);
    match &program.buffer(owner).role {
        Role::Output(_) => match earlier.iter().position(|source| *source == Source::Output(owner)) {
            Some(same) => Source::Same(same),
            None => Source::Output(owner),
        },
        Role::Input(n) => Source::Input(*n as usize),
        Role::State(n) => Source::State(*n as usize),
        other => unreachable!("the verifier admits no result of role {other:?}"),
    }
}
