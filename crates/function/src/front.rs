//! The trace that calls which follow each other share, with the memory for a call: one lock is all they take.

use std::sync::{
    Arc, Mutex, MutexGuard, TryLockError,
    atomic::{AtomicBool, Ordering},
};

use tracelift_runtime::exec::Lease;

use crate::{concrete::ConcreteFunction, slots::Slot};

/// The trace of the last calls; a call that finds it in use takes another way.
#[derive(Default)]
pub(crate) struct Front {
    held: Mutex<Option<Held>>,
    /// Whether what is held is to be dropped by whoever uses it.
    is_stale: AtomicBool,
}

/// What is in front, locked.
pub(crate) struct Fronted<'a> {
    held: MutexGuard<'a, Option<Held>>,
    front: &'a Front,
}

struct Held {
    slot: Arc<Slot>,
    /// None for what is evaluated op by op.
    lease: Option<Box<Lease>>,
    /// How many calls in a row were for another trace.
    misses: u32,
}

/// After how many calls of other traces in a row there is another one in front.
const PATIENCE: u32 = 2;

impl Front {
    /// The trace in front, if no call uses it and a test likes it.
    #[inline]
    pub(crate) fn take(&self, serves: impl FnOnce(&Slot) -> bool) -> Option<Fronted<'_>> {
        let mut held = self.lock()?;
        let found = held.as_mut()?;
        if !serves(&found.slot) {
            return None;
        }
        found.misses = 0;
        Some(Fronted { held, front: self })
    }

    /// Notes a call of another trace, which comes to the front if it is one of several.
    pub(crate) fn note(&self, slot: &Arc<Slot>) {
        let Some(mut held) = self.lock() else { return };
        if let Some(other) = &mut *held {
            if Arc::ptr_eq(&other.slot, slot) {
                return;
            }
            other.misses += 1;
            if other.misses <= PATIENCE {
                return;
            }
        }
        let compiled = slot.made.get().and_then(|concrete| concrete.compiled().ok());
        let lease = compiled.and_then(|compiled| compiled.executable()).map(|executable| Box::new(executable.lease()));
        let before = held.replace(Held { slot: slot.clone(), lease, misses: 0 });
        drop(held);
        // Freed outside of the lock: a trace holds values of users' types.
        drop(before);
    }

    /// Drops what is in front, at the latest when the call that uses it has ended.
    pub(crate) fn forget(&self) {
        self.is_stale.store(true, Ordering::Release);
        drop(self.lock());
    }

    #[inline]
    fn lock(&self) -> Option<MutexGuard<'_, Option<Held>>> {
        let mut held = match self.held.try_lock() {
            Ok(held) => held,
            Err(TryLockError::WouldBlock) => return None,
            // A call panicked: what it left behind is not used again.
            Err(TryLockError::Poisoned(poisoned)) => {
                self.held.clear_poison();
                self.is_stale.store(true, Ordering::Release);
                poisoned.into_inner()
            }
        };
        if self.is_stale.load(Ordering::Acquire) {
            self.is_stale.store(false, Ordering::Release);
            *held = None;
        }
        Some(held)
    }
}

impl Fronted<'_> {
    /// The trace, and the memory for a call of it.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&ConcreteFunction, Option<&mut Lease>) {
        let held = self.held.as_mut().expect("it was found");
        (held.slot.made.get().expect("a trace in front has been made"), held.lease.as_deref_mut())
    }
}

impl Drop for Fronted<'_> {
    #[inline]
    fn drop(&mut self) {
        // What was to be forgotten meanwhile.
        if self.front.is_stale.load(Ordering::Acquire) {
            self.front.is_stale.store(false, Ordering::Release);
            *self.held = None;
        }
    }
}
