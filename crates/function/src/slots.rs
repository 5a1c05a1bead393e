//! The traces of one function, by signature: found fast when they were used last, dropped when there are too many.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::{
    concrete::ConcreteFunction,
    front::Front,
    key::{ArgType, Key, fits},
    tree::Leaves,
};

/// The place of one trace; whoever comes first makes it, the others wait.
pub(crate) struct Slot {
    key: Key,
    pub(crate) types: Vec<ArgType>,
    pub(crate) host: Vec<u64>,
    pub(crate) made: OnceLock<Arc<ConcreteFunction>>,
    pub(crate) making: Mutex<()>,
    /// When it was last looked up by its key.
    used: AtomicU64,
}

impl Slot {
    /// Whether it has a trace for these arguments.
    #[inline]
    pub(crate) fn serves(&self, leaves: &Leaves<'_>) -> bool {
        let captures = |concrete: &Arc<ConcreteFunction>| concrete.captures_argument(leaves);
        self.made.get().is_some_and(|concrete| fits(&self.types, &self.host, leaves) && !captures(concrete))
    }
}

/// All slots of a function.
#[derive(Default)]
pub(crate) struct Slots {
    table: RwLock<Table>,
    /// The slots of the last calls, the latest first; compared with arguments directly, without making a key.
    recent: RwLock<SmallVec<[Arc<Slot>; RECENT]>>,
    pub(crate) front: Front,
    clock: AtomicU64,
    evicted: AtomicUsize,
}

const RECENT: usize = 4;

#[derive(Default)]
struct Table {
    by_key: HashMap<Key, Arc<Slot>, FxBuildHasher>,
    /// The same slots in the order in which they were asked for.
    order: Vec<Arc<Slot>>,
}

impl Slots {
    /// The slot for these arguments if it is one of those used last.
    pub(crate) fn recent(&self, leaves: &Leaves<'_>) -> Option<Arc<Slot>> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|slot| slot.serves(leaves)).cloned()
    }

    /// Makes a slot the first that is tried at the next call.
    pub(crate) fn remember(&self, slot: &Arc<Slot>) {
        self.front.note(slot);
        // Whoever comes second may be forgotten: this only makes calls faster.
        let Ok(mut recent) = self.recent.try_write() else { return };
        let known = recent.iter().position(|known| Arc::ptr_eq(known, slot));
        match known {
            Some(at) => recent[..=at].rotate_right(1),
            None => {
                if recent.len() == RECENT
                    && let Some(last) = recent.pop()
                {
                    self.touch(&last);
                }
                recent.insert(0, slot.clone());
            }
        }
    }

    /// The slot of a key.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Slot>> {
        let slot = self.read().by_key.get(key).cloned()?;
        self.touch(&slot);
        Some(slot)
    }

    /// The slot of these types and host values, made if there is none.
    pub(crate) fn get_or_insert(&self, types: &[ArgType], host: &[u64]) -> Arc<Slot> {
        let key = Key::of_types(types, host);
        if let Some(slot) = self.get(&key) {
            return slot;
        }
        let mut table = self.write();
        let Table { by_key, order } = &mut *table;
        let slot = by_key.entry(key).or_insert_with_key(|key| {
            let slot = Arc::new(Slot {
                key: key.clone(),
                types: types.to_vec(),
                host: host.to_vec(),
                made: OnceLock::new(),
                making: Mutex::default(),
                used: AtomicU64::new(0),
            });
            order.push(slot.clone());
            slot
        });
        self.touch(slot);
        slot.clone()
    }

    /// The slots that hold a trace, oldest first.
    pub(crate) fn made(&self) -> Vec<Arc<Slot>> {
        self.read().order.iter().filter(|slot| slot.made.get().is_some()).cloned().collect()
    }

    /// The latest slot that a test likes.
    pub(crate) fn latest(&self, like: impl Fn(&Slot) -> bool) -> Option<Arc<Slot>> {
        self.read().order.iter().rev().find(|slot| like(slot)).cloned()
    }

    /// How many slots were dropped because there were too many.
    pub(crate) fn evicted(&self) -> usize {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Drops a slot whose trace failed.
    pub(crate) fn forget(&self, slot: &Arc<Slot>) {
        if slot.made.get().is_none() {
            self.write().remove(slot);
        }
    }

    /// Forgets which slots were used last.
    pub(crate) fn forget_recent(&self) {
        self.recent.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.front.forget();
    }

    /// Drops the traces that were not used for longest until at most `most` are left: first those that nobody holds.
    ///
    /// Code goes with the last holder, so calls under way end well.
    pub(crate) fn evict(&self, most: usize, keep: &Arc<Slot>) {
        let mut dropped: Vec<Arc<Slot>> = Vec::new();
        // The lock order is table, then recent; nobody takes them the other way round.
        let mut table = self.write();
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        while table.order.iter().filter(|slot| slot.made.get().is_some()).count() > most.max(1) {
            let weight = |slot: &&Arc<Slot>| {
                let held = slot.made.get().is_some_and(|concrete| Arc::strong_count(concrete) > 1);
                let hot = recent.iter().any(|other| Arc::ptr_eq(other, slot));
                (held, hot, slot.used.load(Ordering::Relaxed))
            };
            let others = table.order.iter().filter(|slot| slot.made.get().is_some() && !Arc::ptr_eq(slot, keep));
            let Some(oldest) = others.min_by_key(weight).cloned() else { break };
            table.remove(&oldest);
            recent.retain(|slot| !Arc::ptr_eq(slot, &oldest));
            self.evicted.fetch_add(1, Ordering::Relaxed);
            dropped.push(oldest);
        }
        drop((table, recent));
        if !dropped.is_empty() {
            self.front.forget();
        }
        // Freed here, outside of the locks: a trace holds values of users' types.
        drop(dropped);
    }

    fn touch(&self, slot: &Slot) {
        slot.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, slot: &Arc<Slot>) {
        if self.by_key.get(&slot.key).is_some_and(|known| Arc::ptr_eq(known, slot)) {
            self.by_key.remove(&slot.key);
        }
        self.order.retain(|known| !Arc::ptr_eq(known, slot));
    }
}
