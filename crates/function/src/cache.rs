//! The signature cache: which trace serves a call, and the making of it when there is none.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustc_hash::FxBuildHasher;
use tracelift_runtime::CallError;
use tracelift_tensor::{Dim, Error, Result, Sym};

use crate::{
    concrete::{ConcreteFunction, Making},
    key::{ArgType, Key, arg_types, explain, key_of},
    signature::Body,
    spec::{SpecItem, SymNames, TensorSpec},
    trace::Kind,
    tree::{Leaf, Leaves},
};

/// How a function chooses its traces.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) input_signature: Option<Vec<TensorSpec>>,
    pub(crate) reduce_retracing: bool,
    pub(crate) no_retrace: bool,
    pub(crate) options: crate::Options,
    pub(crate) argument_names: Vec<String>,
}

/// What all clones of a function share: the closure, its settings, its traces.
pub struct Core {
    name: String,
    /// A name given later.
    given: OnceLock<String>,
    body: Body,
    pub(crate) settings: RwLock<Settings>,
    slots: RwLock<HashMap<Key, Arc<Slot>, FxBuildHasher>>,
    /// The same slots in the order in which they were asked for.
    order: Mutex<Vec<Arc<Slot>>>,
    traces: AtomicUsize,
}

/// The place of one trace; whoever comes first makes it, the others wait.
pub(crate) struct Slot {
    types: Vec<ArgType>,
    host: Vec<u64>,
    made: OnceLock<Arc<ConcreteFunction>>,
    making: Mutex<()>,
}

/// What a call gave.
pub(crate) struct Called {
    pub(crate) concrete: Arc<ConcreteFunction>,
    pub(crate) leaves: Vec<Leaf>,
}

impl Core {
    pub(crate) fn new(type_name: &str, body: Body) -> Core {
        Core {
            name: short_name(type_name),
            given: OnceLock::new(),
            body,
            settings: RwLock::default(),
            slots: RwLock::default(),
            order: Mutex::default(),
            traces: AtomicUsize::new(0),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.given.get().unwrap_or(&self.name)
    }

    /// Gives it another name, once.
    pub(crate) fn rename(&self, name: &str) {
        // A second name is ignored: traces may have the first one.
        let _ = self.given.set(name.to_owned());
    }

    pub(crate) fn trace_count(&self) -> usize {
        self.traces.load(Ordering::Relaxed)
    }

    /// The traces made so far, oldest first.
    pub(crate) fn concretes(&self) -> Vec<Arc<ConcreteFunction>> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.iter().filter_map(|slot| slot.made.get().cloned()).collect()
    }

    /// Calls the trace for these arguments, made first if need be.
    pub(crate) fn call(&self, leaves: Leaves, arguments: &dyn Fn() -> Box<dyn Any>) -> Result<Called> {
        for leaf in &leaves.leaves {
            match leaf {
                Leaf::Tensor(tensor) => tensor.error().map_or(Ok(()), |error| Err(error.clone()))?,
                Leaf::Variable(variable) => variable.data().map(|_| ())?,
            }
        }
        let mut known: Vec<(Sym, Dim)> = Vec::new();
        loop {
            let concrete = self.find(&leaves, arguments, &known)?;
            let guard = match concrete.run(&leaves) {
                Ok(leaves) => return Ok(Called { leaves, concrete }),
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::Guard(guard)) => guard,
            };
            // The next trace knows these sizes; each round makes at least one more known.
            let sizes = concrete.sizes_in(&guard, &leaves);
            if sizes.iter().all(|size| known.contains(size)) {
                return Err(Error::internal(format!("`{}` cannot be traced for sizes with {guard}", self.name())));
            }
            known.extend(sizes);
        }
    }

    /// The trace for specs.
    pub(crate) fn concrete(&self, specs: Vec<SpecItem>) -> Result<Arc<ConcreteFunction>> {
        let (arguments, leaves) = (self.body.from_specs)(specs).map_err(|error| error.op(self.name()))?;
        let arguments = std::cell::RefCell::new(Some(arguments));
        let take = || arguments.borrow_mut().take().expect("arguments are asked for once");
        self.find(&leaves, &take, &[])
    }

    fn find(
        &self,
        leaves: &Leaves,
        arguments: &dyn Fn() -> Box<dyn Any>,
        known: &[(Sym, Dim)],
    ) -> Result<Arc<ConcreteFunction>> {
        let plain = {
            let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
            settings.input_signature.is_none() && !settings.reduce_retracing && known.is_empty()
        };
        if plain {
            let key = key_of(leaves);
            let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(concrete) = slots.get(&key).and_then(|slot| slot.made.get())
                && !concrete.captures_argument(leaves)
            {
                return Ok(concrete.clone());
            }
        }
        // A copy, since what is traced may look at the settings, too.
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let types = self.wanted_types(&settings, leaves, known)?;
        let mut concrete = self.slot(&types, leaves).get_or_make(self, &settings, leaves, arguments)?;
        if concrete.captures_argument(leaves) {
            // An argument is also captured: reading one must see what was assigned to the other.
            let types = concrete.merged(types, leaves);
            concrete = self.slot(&types, leaves).get_or_make(self, &settings, leaves, arguments)?;
        }
        Ok(concrete)
    }

    /// The types to trace with: those of the arguments, or wider ones that accept them.
    fn wanted_types(&self, settings: &Settings, leaves: &Leaves, known: &[(Sym, Dim)]) -> Result<Vec<ArgType>> {
        let mut types = arg_types(leaves);
        if let Some(signature) = &settings.input_signature {
            self.apply_signature(signature, &mut types)?;
        } else if settings.reduce_retracing {
            self.relax(leaves, &mut types);
        }
        for ty in &mut types {
            if let ArgType::Tensor(ty) = ty {
                ty.shape = ty.shape.substitute(known);
            }
        }
        Ok(types)
    }

    fn apply_signature(&self, signature: &[TensorSpec], types: &mut [ArgType]) -> Result {
        let mut names = SymNames::default();
        let mut specs = signature.iter();
        for ty in types {
            let ArgType::Tensor(ty) = ty else { continue };
            let Some(spec) = specs.next() else {
                let message = format!("was given more tensors than the {} of its input signature", signature.len());
                return Err(Error::type_(message).op(self.name()));
            };
            if !spec.accepts(ty) {
                let message = format!("takes {spec} by its input signature, not {ty}");
                return Err(Error::type_(message).op(self.name()));
            }
            *ty = spec.ty(&mut names);
        }
        Ok(())
    }

    /// Makes unknown the sizes in which the arguments differ from those of an earlier trace.
    fn relax(&self, leaves: &Leaves, types: &mut [ArgType]) {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = order.iter().rev().filter(|slot| *slot.host == *leaves.host).find_map(|slot| {
            let pairs = slot.types.iter().zip(types.iter());
            (slot.types.len() == types.len() && pairs.clone().all(|(old, new)| old.alike(new)))
                .then(|| slot.types.clone())
        });
        let Some(old) = alike else { return };
        let mut names = SymNames::default();
        for (old, new) in old.iter().zip(types) {
            let (ArgType::Tensor(old), ArgType::Tensor(new)) = (old, new) else { continue };
            let dims = old.shape.iter().zip(new.shape.iter()).enumerate();
            let relaxed = dims.map(|(axis, (old, new))| if old == new { new.clone() } else { names.next(axis) });
            new.shape = relaxed.collect();
        }
    }

    fn slot(&self, types: &[ArgType], leaves: &Leaves) -> Arc<Slot> {
        let key = Key::of_types(types, &leaves.host);
        if let Some(slot) = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return slot.clone();
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(key).or_insert_with(|| {
            let slot = Slot {
                types: types.to_vec(),
                host: leaves.host.to_vec(),
                made: OnceLock::new(),
                making: Mutex::default(),
            };
            let slot = Arc::new(slot);
            self.order.lock().unwrap_or_else(PoisonError::into_inner).push(slot.clone());
            slot
        });
        slot.clone()
    }

    /// Why there is one more trace: which argument differs from the nearest signature.
    fn explain(&self, types: &[ArgType], host: &[u64]) -> Option<String> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let others = order.iter().filter(|slot| slot.made.get().is_some());
        explain(others.map(|slot| (slot.types.as_slice(), slot.host.as_slice())), types, host)
    }
}

impl Slot {
    fn get_or_make(
        &self,
        core: &Core,
        settings: &Settings,
        leaves: &Leaves,
        arguments: &dyn Fn() -> Box<dyn Any>,
    ) -> Result<Arc<ConcreteFunction>> {
        if let Some(concrete) = self.made.get() {
            return Ok(concrete.clone());
        }
        let Some(_here) = UnderWay::begin(self) else {
            let message = "calls itself with the signature for which it is being traced";
            return Err(Error::runtime(message)
                .op(core.name())
                .help("end the recursion on a host value, or use `while_loop`"));
        };
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(concrete) = self.made.get() {
            return Ok(concrete.clone());
        }
        let made = self.make(core, settings, leaves, arguments)?;
        Ok(self.made.get_or_init(|| Arc::new(made)).clone())
    }

    fn make(
        &self,
        core: &Core,
        settings: &Settings,
        leaves: &Leaves,
        arguments: &dyn Fn() -> Box<dyn Any>,
    ) -> Result<ConcreteFunction> {
        let earlier = core.traces.load(Ordering::Relaxed);
        let reason = core.explain(&self.types, &self.host);
        if let Some(reason) = reason.as_ref().filter(|_| settings.no_retrace) {
            return Err(Error::value(format!("would be traced again: {reason}"))
                .op(core.name())
                .help("`no_retrace` forbids it; give `input_signature` with `None` for sizes that vary"));
        }
        if let Some(reason) = &reason {
            tracing::debug!(function = core.name(), reason, "traced again");
        }
        let kind = if earlier == 0 { Kind::Function } else { Kind::Retrace };
        let making = Making { kind, name: core.name(), settings, types: &self.types, leaves };
        let made = making.trace(&core.body, &*arguments());
        // A trace that failed has not made the variables that a first trace may make.
        if made.is_ok() {
            core.traces.fetch_add(1, Ordering::Relaxed);
        }
        made
    }
}

thread_local! {
    /// The slots that this thread is filling, by address: a function that calls itself would wait for itself.
    static MAKING: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) };
}

struct UnderWay;

impl UnderWay {
    fn begin(slot: &Slot) -> Option<UnderWay> {
        let address = std::ptr::from_ref(slot).addr();
        MAKING.with_borrow_mut(|making| {
            (!making.contains(&address)).then(|| {
                making.push(address);
                UnderWay
            })
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        MAKING.with_borrow_mut(|making| making.pop());
    }
}

/// `cube` of `my_program::cube`; closures are named for the function that they stand in.
fn short_name(type_name: &str) -> String {
    let path = type_name.split('<').next().unwrap_or(type_name);
    let parts = path.split("::").filter(|part| !part.starts_with('{'));
    parts.last().filter(|name| !name.is_empty()).unwrap_or("function").to_owned()
}
