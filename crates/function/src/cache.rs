//! The signature cache: which trace serves a call, and the making of it when there is none.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracelift_kernel::guard::Guard;
use tracelift_runtime::CallError;
use tracelift_tensor::{Dim, Error, Result, Sym};

use crate::{
    concrete::{ConcreteFunction, Making},
    history::History,
    key::{ArgType, arg_types, key_of},
    retrace::{Given, Retrace},
    signature::Body,
    slots::{Slot, Slots},
    spec::{SpecItem, SymNames, TensorSpec},
    trace::Kind,
    tree::{Leaf, Leaves, Results},
};

/// How a function chooses its traces.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) input_signature: Option<Vec<TensorSpec>>,
    pub(crate) reduce_retracing: bool,
    pub(crate) no_retrace: bool,
    pub(crate) options: crate::Options,
    pub(crate) argument_names: Vec<String>,
    /// How many traces are kept.
    pub(crate) max_signatures: usize,
    /// What a macro has made of the function.
    pub(crate) code: Option<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            input_signature: None,
            reduce_retracing: false,
            no_retrace: false,
            options: crate::Options::default(),
            argument_names: Vec::new(),
            max_signatures: 256,
            code: None,
        }
    }
}

/// What all clones of a function share: the closure, its settings, its traces.
pub struct Core {
    name: String,
    /// A name given later.
    given: OnceLock<String>,
    body: Body,
    settings: RwLock<Settings>,
    pub(crate) slots: Slots,
    traces: AtomicUsize,
    pub(crate) history: Mutex<History>,
}

/// What is known of a call when its trace is looked for.
struct Wanted<'a, 'l> {
    leaves: &'a Leaves<'l>,
    /// The arguments themselves.
    arguments: &'a dyn Fn() -> Arc<dyn Any>,
    /// Sizes that the trace is to know, since another one failed for them.
    known: &'a [(Sym, Dim)],
    /// What did not hold for them.
    broken: Option<&'a Guard>,
}

impl Core {
    pub(crate) fn new(type_name: &str, body: Body) -> Core {
        Core {
            name: short_name(type_name),
            given: OnceLock::new(),
            body,
            settings: RwLock::default(),
            slots: Slots::default(),
            traces: AtomicUsize::new(0),
            history: Mutex::default(),
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

    /// The traces that are kept, oldest first.
    pub(crate) fn concretes(&self) -> Vec<Arc<ConcreteFunction>> {
        self.slots.made().iter().filter_map(|slot| slot.made.get().cloned()).collect()
    }

    /// A copy, since what is traced may look at the settings, too.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.write().unwrap_or_else(PoisonError::into_inner));
        self.slots.forget_recent();
    }

    /// Calls the trace for these arguments, made first if need be; `finish` makes of it and the leaves of its result what
    /// the caller wants.
    #[inline]
    pub(crate) fn call<R>(
        &self,
        leaves: &Leaves<'_>,
        arguments: &dyn Fn() -> Arc<dyn Any>,
        finish: impl FnOnce(&ConcreteFunction, Results) -> R,
    ) -> Result<R> {
        let mut results = Results::new();
        if let Some(mut front) = self.slots.front.take(|slot| slot.serves(leaves)) {
            let (concrete, lease) = front.parts();
            match concrete.run(leaves, lease, &mut results) {
                Ok(()) => return Ok(finish(concrete, results)),
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::Guard(_)) => {}
            }
        }
        let concrete = self.look_up(leaves, arguments, &mut results)?;
        Ok(finish(&concrete, results))
    }

    /// A call of another trace than the one in front.
    #[cold]
    fn look_up(
        &self,
        leaves: &Leaves<'_>,
        arguments: &dyn Fn() -> Arc<dyn Any>,
        results: &mut Results,
    ) -> Result<Arc<ConcreteFunction>> {
        if let Some(slot) = self.slots.recent(leaves)
            && let Some(concrete) = slot.made.get().cloned()
        {
            match concrete.run(leaves, None, results) {
                Ok(()) => {
                    self.slots.front.note(&slot);
                    return Ok(concrete);
                }
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::Guard(_)) => {}
            }
        }
        for leaf in &leaves.leaves {
            match leaf {
                Leaf::Tensor(tensor) => tensor.error().map_or(Ok(()), |error| Err(error.clone()))?,
                Leaf::Variable(variable) => variable.data().map(|_| ())?,
            }
        }
        let mut known: Vec<(Sym, Dim)> = Vec::new();
        let mut broken: Option<Guard> = None;
        loop {
            let wanted = Wanted { leaves, arguments, known: &known, broken: broken.as_ref() };
            let (slot, concrete) = self.find(&wanted)?;
            let guard = match concrete.run(leaves, None, results) {
                Ok(()) => {
                    self.slots.remember(&slot);
                    return Ok(concrete);
                }
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::Guard(guard)) => guard,
            };
            // The next trace knows these sizes; each round makes at least one more known.
            let sizes = concrete.sizes_in(&guard, leaves);
            if sizes.iter().all(|size| known.contains(size)) {
                return Err(Error::internal(format!("`{}` cannot be traced for sizes with {guard}", self.name())));
            }
            known.extend(sizes);
            broken = Some(guard);
        }
    }

    /// The trace for specs.
    pub(crate) fn concrete(&self, specs: Vec<SpecItem>) -> Result<Arc<ConcreteFunction>> {
        let (arguments, leaves) = (self.body.from_specs)(specs).map_err(|error| error.op(self.name()))?;
        let again = || arguments.clone();
        let wanted = Wanted { leaves: &leaves, arguments: &again, known: &[], broken: None };
        self.find(&wanted).map(|(_, concrete)| concrete)
    }

    fn find(&self, wanted: &Wanted<'_, '_>) -> Result<(Arc<Slot>, Arc<ConcreteFunction>)> {
        let leaves = wanted.leaves;
        let plain = {
            let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
            settings.input_signature.is_none() && !settings.reduce_retracing && wanted.known.is_empty()
        };
        if plain
            && let Some(slot) = self.slots.get(&key_of(leaves))
            && let Some(concrete) = slot.made.get().cloned()
            && !concrete.captures_argument(leaves)
        {
            return Ok((slot, concrete));
        }
        let settings = self.settings();
        let types = self.wanted_types(&settings, leaves, wanted.known)?;
        let mut slot = self.slots.get_or_insert(&types, &leaves.host);
        let mut concrete = self.get_or_make(&slot, &settings, wanted)?;
        if concrete.captures_argument(leaves) {
            // An argument is also captured: reading one must see what was assigned to the other.
            slot = self.slots.get_or_insert(&concrete.merged(types, leaves), &leaves.host);
            concrete = self.get_or_make(&slot, &settings, wanted)?;
        }
        Ok((slot, concrete))
    }

    /// The types to trace with: those of the arguments, or wider ones that accept them.
    fn wanted_types(&self, settings: &Settings, leaves: &Leaves<'_>, known: &[(Sym, Dim)]) -> Result<Vec<ArgType>> {
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
            *ty = spec.ty(ty.shape.rank(), &mut names);
        }
        Ok(())
    }

    /// Makes unknown the sizes in which the arguments differ from those of an earlier trace.
    fn relax(&self, leaves: &Leaves<'_>, types: &mut [ArgType]) {
        let alike = self.slots.latest(|slot| {
            let mut pairs = slot.types.iter().zip(types.iter());
            *slot.host == *leaves.host && slot.types.len() == types.len() && pairs.all(|(old, new)| old.alike(new))
        });
        let Some(slot) = alike else { return };
        let mut names = SymNames::default();
        for (old, new) in slot.types.iter().zip(types) {
            let (ArgType::Tensor(old), ArgType::Tensor(new)) = (old, new) else { continue };
            let dims = old.shape.iter().zip(new.shape.iter()).enumerate();
            let relaxed = dims.map(|(axis, (old, new))| if old == new { new.clone() } else { names.next(axis) });
            new.shape = relaxed.collect();
        }
    }

    fn get_or_make(
        &self,
        slot: &Arc<Slot>,
        settings: &Settings,
        wanted: &Wanted<'_, '_>,
    ) -> Result<Arc<ConcreteFunction>> {
        if let Some(concrete) = slot.made.get() {
            return Ok(concrete.clone());
        }
        let Some(_here) = UnderWay::begin(slot) else {
            let message = "calls itself with the signature for which it is being traced";
            return Err(Error::runtime(message)
                .op(self.name())
                .help("end the recursion on a host value, or use `while_loop`"));
        };
        let _making = slot.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(concrete) = slot.made.get() {
            return Ok(concrete.clone());
        }
        let made = self.make(slot, settings, wanted).inspect_err(|_| self.slots.forget(slot))?;
        let made = slot.made.get_or_init(|| Arc::new(made)).clone();
        self.slots.evict(settings.max_signatures, slot);
        Ok(made)
    }

    fn make(&self, slot: &Slot, settings: &Settings, wanted: &Wanted<'_, '_>) -> Result<ConcreteFunction> {
        let arguments = (wanted.arguments)();
        let parts = (self.body.parts)(&*arguments);
        let earlier = self.trace_count();
        let retrace =
            if earlier == 0 { None } else { self.explain_retrace(slot, &parts, settings, wanted, earlier + 1) };
        if let Some(retrace) = retrace.as_ref().filter(|_| settings.no_retrace) {
            return Err(Error::value(format!("would be traced again: {}", retrace.reason()))
                .op(self.name())
                .help("`no_retrace` forbids it; give `input_signature` with `None` for sizes that vary"));
        }
        let kind = if earlier == 0 { Kind::Function } else { Kind::Retrace };
        let making = Making { kind, name: self.name(), settings, types: &slot.types, leaves: wanted.leaves, parts };
        let made = making.trace(&self.body, &*arguments)?;
        // A trace that failed has not made the variables that a first trace may make.
        self.traces.fetch_add(1, Ordering::Relaxed);
        if let Some(retrace) = retrace {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            history.add(self.name(), retrace, self.slots.made().len() + 1);
        }
        Ok(made)
    }

    /// Why there is one more trace: which argument differs from the nearest signature.
    fn explain_retrace(
        &self,
        slot: &Slot,
        parts: &[crate::parts::Part],
        settings: &Settings,
        wanted: &Wanted<'_, '_>,
        number: usize,
    ) -> Option<Retrace> {
        let names = &settings.argument_names;
        let others = self.slots.made();
        let others =
            others.iter().filter_map(|slot| Some(Given { types: &slot.types, parts: slot.made.get()?.parts(), names }));
        let broken = wanted.broken.map(ToString::to_string);
        Retrace::explain(others, Given { types: &slot.types, parts, names }, broken, number)
    }
}

thread_local! {
    /// The slots that this thread is filling, by address: a function that calls itself would wait for itself.
    static MAKING: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) };
}

struct UnderWay;

impl UnderWay {
    fn begin(slot: &Arc<Slot>) -> Option<UnderWay> {
        let address = Arc::as_ptr(slot).addr();
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
