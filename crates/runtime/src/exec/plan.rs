//! Everything about a call that depends on the sizes of its arguments alone, worked out once per binding.

use super::cost::{alone, tiles};
use super::lifetimes::Lifetime;
use super::place::{Request, align, live_bytes, place};
use crate::matmul::{Axis, MatMul, Order, Spread, Strides};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracelift_codegen::driver::{Layout, LibraryPlace};
use tracelift_kernel::guard::Guard;
use tracelift_kernel::program::{verify_plan, *};
use tracelift_tensor::{Binding, Dims, Error, Result};

/// The values of a program's unknowns, in their order.
pub type Key = SmallVec<[i64; 4]>;

/// Why a call was refused or broke off.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// The program was made for other sizes: the caller makes another one with the sizes in question known.
    Guard(Guard),
    /// The user's mistake, or the machine's.
    Failed(Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> CallError {
        CallError::Failed(error)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Error {
        match error {
            CallError::Guard(guard) => Error::invalid(format!("the sizes of this call do not satisfy `{guard}`"))
                .help("trace the function again for these sizes"),
            CallError::Failed(error) => error,
        }
    }
}

/// Sizes, addresses and choices for one binding of a program's unknowns.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The values of the unknowns.
    pub key: Key,
    /// How many threads its work is divided among at most.
    pub threads: usize,
    /// The value of each of [`Layout::sizes`].
    pub sizes: Vec<i64>,
    /// The shape of each buffer.
    pub shapes: Vec<Dims>,
    /// The size of each buffer in bytes.
    pub bytes: Vec<usize>,
    /// Where each table entry lies in the arena, if it does.
    pub offsets: Vec<Option<usize>>,
    /// How much arena a call needs.
    pub arena_bytes: usize,
    /// How much of the arena is in use at once at least, wherever things lie.
    pub live_bytes: usize,
    /// How much memory a call needs for intermediate values and results.
    pub peak_bytes: usize,
    /// For each launch, how many tiles it is cut into.
    pub tiles: Vec<usize>,
    /// For each launch that is cut, about how long one thread takes for it.
    pub alone: Vec<Duration>,
    /// For each launch, the extent of its outermost loop.
    pub extents: Vec<i64>,
    /// The launches that are cut.
    pub split: Vec<usize>,
    /// The distance between two tiles' copies of each scratch row.
    pub scratch_strides: Vec<usize>,
    /// The product of each library call, if it is one.
    pub products: Vec<Option<Product>>,
    /// The items of each stack.
    pub stacks: Vec<StackPlan>,
}

/// A product of matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its sizes and strides.
    pub spec: MatMul,
    /// Where rows and steps of the left operand lie, if they are not evenly spaced.
    pub spread: Option<Spread>,
}

/// The items of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackPlan {
    /// How many bytes each item takes; at least one, so that items of no bytes are counted.
    pub stride: usize,
    /// How many items there may be, if that is known.
    pub capacity: Option<usize>,
}

impl Plan {
    /// Evaluates sizes, checks guards and limits, and places everything.
    pub fn new(
        program: &Program,
        layout: &Layout,
        lifetimes: &[Option<Lifetime>],
        key: Key,
        threads: usize,
        max_bytes: Option<usize>,
    ) -> Result<Plan, CallError> {
        let unknowns = program.unknowns.iter().map(|unknown| unknown.sym.clone());
        let binding: Binding = unknowns.zip(key.iter().copied()).collect();
        for guard in &program.guards {
            if !guard.holds(&binding)? {
                return Err(CallError::Guard(guard.clone()));
            }
        }
        let shapes = program.buffers.iter().map(|buffer| buffer.shape.eval(&binding)).collect::<Result<Vec<Dims>>>()?;
        let bytes = buffer_bytes(program, &shapes)?;
        let sizes = layout.sizes.iter().map(|dim| dim.eval(&binding)).collect::<Result<Vec<i64>>>()?;
        let cut = layout.launches.iter().map(|launch| tiles(program.kernel(launch.kernel), &binding, threads));
        let mut plan = Plan { key, threads, sizes, shapes, bytes, tiles: cut.collect(), ..Plan::empty() };
        // An epilogue is run by its library call, which splits by itself.
        for epilogue in layout.libraries.iter().filter_map(|library| library.epilogue) {
            plan.tiles[epilogue] = 1;
        }
        plan.split = (0..plan.tiles.len()).filter(|&launch| plan.tiles[launch] > 1).collect();
        plan.alone = vec![Duration::ZERO; plan.tiles.len()];
        for &launch in &plan.split {
            plan.alone[launch] = alone(program.kernel(layout.launches[launch].kernel), &binding);
        }
        for launch in &layout.launches {
            plan.extents.push(launch.outer.as_ref().map_or(Ok(0), |extent| extent.eval(&binding))?);
        }
        for row in &layout.scratch {
            let bytes = usize::try_from(row.extent.eval(&binding)?).ok();
            let bytes = bytes.and_then(|extent| align(extent.checked_mul(row.dtype.size())?));
            plan.scratch_strides.push(bytes.ok_or_else(too_large)?);
        }
        for library in &layout.libraries {
            plan.products.push(product(library, &binding)?);
        }
        for id in &layout.stacks {
            let capacity = match &program.buffer(*id).role {
                Role::Stack(Some(capacity)) => {
                    Some(usize::try_from(capacity.eval(&binding)?).map_err(|_| too_large())?)
                }
                _ => None,
            };
            plan.stacks.push(StackPlan { stride: plan.bytes[id.0 as usize].max(1), capacity });
        }
        plan.place(program, layout, lifetimes)?;
        if cfg!(debug_assertions) {
            verify_plan(program, &plan.offsets, &binding)?;
        }
        match max_bytes {
            Some(limit) if plan.peak_bytes > limit => Err(CallError::Failed(
                Error::out_of_memory(format!(
                    "`{}` needs {} bytes for this call, more than the limit of {limit}",
                    program.name, plan.peak_bytes
                ))
                .help("raise `max_bytes` in the options, or use smaller batches"),
            )),
            _ => Ok(plan),
        }
    }

    fn empty() -> Plan {
        Plan {
            key: Key::new(),
            threads: 1,
            sizes: vec![],
            shapes: vec![],
            bytes: vec![],
            offsets: vec![],
            arena_bytes: 0,
            live_bytes: 0,
            peak_bytes: 0,
            tiles: vec![],
            alone: vec![],
            extents: vec![],
            split: vec![],
            scratch_strides: vec![],
            products: vec![],
            stacks: vec![],
        }
    }

    fn place(&mut self, program: &Program, layout: &Layout, lifetimes: &[Option<Lifetime>]) -> Result<()> {
        let mut entries = Vec::new();
        let mut requests = Vec::new();
        for (entry, lifetime) in lifetimes.iter().enumerate() {
            let Some(lifetime) = lifetime else { continue };
            let stack = layout.stacks.iter().position(|id| id.0 as usize == entry);
            let bytes = match entry.checked_sub(layout.buffers) {
                // Where there is no item, zeros are popped from the place of the first.
                None if let Some(stack) = stack => {
                    let stack = &self.stacks[stack];
                    stack.stride.checked_mul(stack.capacity.unwrap_or(0).max(1))
                }
                None => Some(self.bytes[entry]),
                Some(row) => self.scratch_strides[row].checked_mul(self.tiles[layout.scratch[row].launch as usize]),
            };
            entries.push(entry);
            requests.push(Request { lifetime: lifetime.clone(), bytes: bytes.ok_or_else(too_large)? });
        }
        let (offsets, total) = place(&requests).ok_or_else(too_large)?;
        self.offsets = vec![None; lifetimes.len()];
        for (entry, offset) in entries.into_iter().zip(offsets) {
            self.offsets[entry] = Some(offset);
        }
        self.arena_bytes = total;
        self.live_bytes = live_bytes(&requests).ok_or_else(too_large)?;
        let results = program.buffers.iter().zip(&self.bytes);
        let results = results.filter(|(buffer, _)| matches!(buffer.role, Role::Output(_)));
        self.peak_bytes = results.fold(total, |sum, (_, bytes)| sum.saturating_add(*bytes));
        Ok(())
    }
}

fn too_large() -> Error {
    Error::out_of_memory("the arrays of this call do not fit into the address space")
}

fn buffer_bytes(program: &Program, shapes: &[Dims]) -> Result<Vec<usize>> {
    let sizes = program.buffers.iter().zip(shapes).map(|(buffer, shape)| {
        let elements = tracelift_tensor::count_elements(shape)?;
        elements.checked_mul(buffer.dtype.size()).ok_or_else(too_large)
    });
    sizes.collect()
}

fn product(library: &LibraryPlace, binding: &Binding) -> Result<Option<Product>> {
    let LibraryOp::MatMul(spec) = &library.call.op else { return Ok(None) };
    let size = |dim: &tracelift_tensor::Dim| {
        usize::try_from(dim.eval(binding)?).map_err(|_| Error::internal(format!("`matmul` has a size of {dim} < 0")))
    };
    let stride = |dim: &tracelift_tensor::Dim| Ok::<isize, Error>(dim.eval(binding)? as isize);
    let [batch, m, k, n] = [size(&spec.batch)?, size(&spec.m)?, size(&spec.k)?, size(&spec.n)?];
    let axes = |axes: &[(tracelift_tensor::Dim, tracelift_tensor::Dim)]| -> Result<Vec<Axis>> {
        axes.iter().map(|(n, step)| Ok(Axis { size: size(n)?, stride: stride(step)? })).collect()
    };
    let spread = match &spec.spread {
        Some(spread) => Some(Spread { rows: axes(&spread.rows)?, steps: axes(&spread.steps)? }),
        None => None,
    };
    let spec = MatMul {
        batch,
        m,
        k,
        n,
        a: Strides { batch: stride(&spec.a[0])?, row: stride(&spec.a[1])?, col: stride(&spec.a[2])? },
        b: Strides { batch: stride(&spec.b[0])?, row: stride(&spec.b[1])?, col: stride(&spec.b[2])? },
        c_row: n,
        c_batch: m.checked_mul(n).ok_or_else(too_large)?,
        order: if spec.vector { Order::Lanes } else { Order::Chain },
    };
    Ok(Some(Product { spec, spread }))
}

/// The plans used last.
#[derive(Debug, Default)]
pub struct PlanTable {
    /// Most recently used first.
    recent: Mutex<Vec<Arc<Plan>>>,
}

impl PlanTable {
    /// How many plans are kept.
    pub const CAPACITY: usize = 4;

    /// The plan for a key and a number of threads: a kept one, or a new one.
    pub fn find(
        &self,
        key: &[i64],
        threads: usize,
        make: impl FnOnce() -> Result<Plan, CallError>,
    ) -> Result<Arc<Plan>, CallError> {
        if let Some(plan) = self.kept(key, threads) {
            return Ok(plan);
        }
        let plan = Arc::new(make()?);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(Self::CAPACITY - 1);
        recent.insert(0, Arc::clone(&plan));
        Ok(plan)
    }

    fn kept(&self, key: &[i64], threads: usize) -> Option<Arc<Plan>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|plan| plan.threads == threads && plan.key.as_slice() == key)?;
        recent[..=at].rotate_right(1);
        Some(Arc::clone(&recent[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::lifetimes;
    use tracelift_kernel::text::{Module, Source};

    fn plans_for(text: &str, sizes: &[i64]) -> Vec<Plan> {
        let module = Module::parse(Source::new("test", text)).unwrap_or_else(|mistake| panic!("{mistake}"));
        let program = &module.programs[0];
        let layout = Layout::of(program);
        let lifetimes = lifetimes(program, &layout);
        let plan = |n: &i64| Plan::new(program, &layout, &lifetimes, Key::from_slice(&[*n]), 1, None);
        sizes.iter().map(|n| plan(n).unwrap()).collect()
    }

    #[test]
    fn a_chain_of_buffers_takes_the_space_of_two() {
        let text = "program @p {
          unknown B = input 0 axis 0
          buffer $x : f32[B] input 0
          buffer $a : f32[B] arena
          buffer $b : f32[B] arena
          buffer $c : f32[2*B] arena
          buffer $y : f32[B] output 0
          copy $x -> $a
          copy $a -> $b
          copy $b -> $c
          copy $c -> $y
          result $y
        }";
        for (plan, n) in plans_for(text, &[0, 16, 1000]).iter().zip([0usize, 16, 1000]) {
            let line = |bytes: usize| bytes.next_multiple_of(64);
            assert_eq!(plan.bytes, [4 * n, 4 * n, 4 * n, 8 * n, 4 * n]);
            assert_eq!((plan.offsets[1], plan.offsets[2]), (Some(0), Some(line(8 * n))));
            assert_eq!(plan.arena_bytes, line(4 * n) + line(8 * n), "`$a` lies where `$c` will");
            assert_eq!(plan.peak_bytes, plan.arena_bytes + 4 * n);
        }
    }

    #[test]
    fn the_table_keeps_the_four_plans_used_last() {
        let plan = &plans_for("program @p { unknown B = input 0 axis 0 buffer $x : f32[B] input 0 }", &[1])[0];
        let table = PlanTable::default();
        let made = std::cell::Cell::new(0);
        let find_for = |threads: usize, n: i64| {
            let make = || {
                made.set(made.get() + 1);
                Ok(Plan { key: Key::from_slice(&[n]), threads, ..plan.clone() })
            };
            let found = table.find(&[n], threads, make).unwrap();
            assert_eq!((found.key.as_slice(), found.threads), (&[n][..], threads));
        };
        let find = |n| find_for(1, n);
        (1..=4).for_each(find);
        (1..=4).for_each(find);
        assert_eq!(made.get(), 4);
        find(1);
        find(5); // 2 goes
        (3..=5).for_each(find);
        find(1);
        assert_eq!(made.get(), 5);
        find(2);
        assert_eq!(made.get(), 6);
        find_for(2, 2); // another plan: work is divided otherwise
        find(2);
        assert_eq!(made.get(), 7);
    }

    #[test]
    fn sizes_that_overflow_are_errors() {
        let text = "program @p { unknown B = input 0 axis 0 buffer $x : f32[B, B] arena }";
        let module = Module::parse(Source::new("test", text)).unwrap();
        let layout = Layout::of(&module.programs[0]);
        let key = Key::from_slice(&[i64::MAX / 2]);
        assert!(Plan::new(&module.programs[0], &layout, &[None], key, 1, None).is_err());
    }
}
