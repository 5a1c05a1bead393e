//! Variables: cells that hold an array, are locked by the call that works on them, and change only when it succeeds.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use tracelift_tensor::{Array, Error, Result};

/// A named value that outlives calls and can be changed by them. Clones are the same variable.
///
/// A call holds the variables it changes from its beginning to its end; reading waits for it, so that a reader sees all
/// of a call's changes or none.
///
/// ```
/// use tracelift_runtime::Variable;
/// use tracelift_tensor::Array;
/// let weight = Variable::new("w", Array::vector([1.0f32, 2.0])?);
/// let before = weight.value()?;
/// weight.assign(Array::vector([3.0f32, 4.0])?)?;
/// assert_eq!(before.to_vec::<f32>()?, [1.0, 2.0]);
/// assert_eq!(weight.value()?.to_vec::<f32>()?, [3.0, 4.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Variable(Arc<Cell>);

struct Cell {
    id: u64,
    name: Arc<str>,
    state: Mutex<State>,
    released: Condvar,
}

struct State {
    /// `None` while the holder has taken it.
    value: Option<Array>,
    holder: Option<Holder>,
    /// How many threads wait for the holder; waking nobody would cost as much as a small call.
    waiting: usize,
}

/// The call that works on a variable.
struct Holder {
    thread: ThreadId,
    function: Arc<str>,
}

impl Variable {
    /// A variable with its first value.
    pub fn new(name: impl Into<Arc<str>>, value: Array) -> Variable {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Variable(Arc::new(Cell {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            state: Mutex::new(State { value: Some(value), holder: None, waiting: 0 }),
            released: Condvar::new(),
        }))
    }

    /// A number that no other variable has; variables are locked in its order.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The current value, as a snapshot that later changes leave alone.
    pub fn value(&self) -> Result<Array> {
        let state = self.wait("a read")?;
        Ok(state.value.clone().expect(FREE))
    }

    /// Replaces the value by one of the same type and shape; any other leaves the variable as it was.
    pub fn assign(&self, value: Array) -> Result {
        self.update(|_| Ok(value))
    }

    /// Replaces the value by what `change` makes of it, while nobody else can see or change it.
    ///
    /// `change` must not touch variables itself. Its error, and a result of another type or shape, leave the variable as
    /// it was.
    pub fn update(&self, change: impl FnOnce(&Array) -> Result<Array>) -> Result {
        let mut state = self.wait("an assignment")?;
        let current = state.value.as_ref().expect(FREE);
        let next = change(current)?;
        if (next.dtype(), next.shape()) != (current.dtype(), current.shape()) {
            return Err(Error::value(format!(
                "variable `{}` is {} and cannot be given a value of {}",
                self.name(),
                current.type_text(),
                next.type_text()
            ))
            .help("a variable keeps its element type and shape"));
        }
        state.value = Some(next);
        Ok(())
    }

    /// Takes the variable for a call of `function`, after waiting for other threads, and answers its value: the value
    /// itself if `take`, which [`Variable::release`] gives back, else a snapshot.
    pub(crate) fn acquire(&self, function: &Arc<str>, take: bool) -> Result<Array> {
        let mut state = self.wait(function)?;
        state.holder = Some(Holder { thread: thread::current().id(), function: Arc::clone(function) });
        let value = if take { state.value.take() } else { state.value.clone() };
        Ok(value.expect(FREE))
    }

    /// Ends holding; `value` replaces the one taken.
    pub(crate) fn release(&self, value: Option<Array>) {
        let mut state = self.lock();
        if value.is_some() {
            state.value = value;
        }
        state.holder = None;
        let anybody = state.waiting > 0;
        drop(state);
        if anybody {
            self.0.released.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under this lock, so a panic elsewhere does not spoil the value.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody holds it.
    fn wait(&self, wanted_by: &str) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        while let Some(holder) = &state.holder {
            if holder.thread == thread::current().id() {
                return Err(Error::runtime(format!(
                    "variable `{}` is held by a call of `{}` on this thread, so {wanted_by} inside of that call would wait forever",
                    self.name(),
                    holder.function
                ))
                .help("read variables before the call, or pass the value in as an argument"));
            }
            state.waiting += 1;
            state = self.0.released.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        Ok(state)
    }
}

const FREE: &str = "a variable that nobody holds has its value";

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lock().value {
            Some(value) => write!(f, "Variable({}: {})", self.0.name, value.type_text()),
            None => write!(f, "Variable({}: in a call)", self.0.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(elements: &[f32]) -> Array {
        Array::vector(elements).unwrap()
    }

    #[test]
    fn another_shape_or_type_is_refused_and_changes_nothing() {
        let variable = Variable::new("w", vector(&[1.0, 2.0]));
        let error = variable.assign(vector(&[1.0])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "variable `w` is f32[2] and cannot be given a value of f32[1]\n  help: a variable keeps its element type and shape"
        );
        assert!(variable.assign(Array::vector([1i32, 2]).unwrap()).is_err());
        assert_eq!(variable.value().unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn the_same_thread_is_told_instead_of_waiting_forever() {
        let variable = Variable::new("w", vector(&[1.0]));
        variable.acquire(&"train_step".into(), false).unwrap();
        let error = variable.value().unwrap_err();
        assert!(error.message.contains("`train_step`") && error.message.contains("a read"), "{error}");
        assert!(variable.acquire(&"inner".into(), false).unwrap_err().message.contains("inner"));
        variable.release(None);
        assert!(variable.value().is_ok());
    }

    #[test]
    fn a_reader_waits_for_the_holder() {
        let variable = Variable::new("w", vector(&[1.0]));
        let taken = variable.acquire(&"step".into(), true).unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| variable.value().unwrap());
            thread::yield_now();
            drop(taken);
            variable.release(Some(vector(&[2.0])));
            assert_eq!(reader.join().unwrap().to_vec::<f32>().unwrap(), [2.0]);
        });
    }

    #[test]
    fn a_panic_while_updating_leaves_the_value() {
        let variable = Variable::new("w", vector(&[1.0]));
        let other = variable.clone();
        thread::spawn(move || other.update(|_| panic!("on purpose"))).join().unwrap_err();
        assert_eq!(variable.value().unwrap().to_vec::<f32>().unwrap(), [1.0]);
    }
}
