//! The code of this process: a function that another program needs, too, is compiled once.
//!
//! The table holds no code: it is freed with its last holder, and its key goes some time after.

use super::{Key, Placed};
use crate::code::{Code, Entry};
use rustc_hash::FxHashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, Weak};

/// A function that may be gone.
struct Shared {
    code: Weak<Code>,
    entry: Entry,
    bytes: usize,
}

#[derive(Default)]
struct Table {
    entries: FxHashMap<Key, Shared>,
    /// At this many entries those of freed code are removed.
    full: usize,
}

/// So few entries are not worth looking through.
const FEW: usize = 256;

fn table() -> MutexGuard<'static, Table> {
    static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The functions of these keys that are in memory.
pub(super) fn find(keys: &[Key]) -> Vec<Option<Placed>> {
    let table = table();
    let find = |key: &Key| {
        let Shared { code, entry, bytes } = table.entries.get(key)?;
        Some(Placed { code: code.upgrade()?, entry: *entry, bytes: *bytes })
    };
    keys.iter().map(find).collect()
}

/// Lets others use a function as long as somebody holds its code.
pub(super) fn share(key: &Key, placed: &Placed) {
    let mut table = table();
    let Placed { code, entry, bytes } = placed;
    table.entries.insert(key.clone(), Shared { code: std::sync::Arc::downgrade(code), entry: *entry, bytes: *bytes });
    if table.entries.len() >= table.full.max(FEW) {
        table.entries.retain(|_, shared| shared.code.strong_count() > 0);
        table.full = 2 * table.entries.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::provide;
    use crate::options::CodegenOptions;
    use crate::unit::Unit;

    /// A function that does nothing but return.
    fn nothing() -> Unit {
        Unit { name: "nothing".into(), code: vec![0xC3], align: 16, relocs: vec![], imports: vec![] }
    }

    fn get(text: &str, makes: &mut usize) -> Placed {
        let options = CodegenOptions::default();
        let made = std::cell::Cell::new(0);
        let make = |_: &dyn cranelift_codegen::isa::TargetIsa, wanted: &[usize]| {
            made.set(made.get() + wanted.len());
            Ok(wanted.iter().map(|_| nothing()).collect())
        };
        let placed = provide(&[Key::new("test", text, &options)], &options, &make).unwrap().remove(0);
        *makes += made.get();
        placed
    }

    #[test]
    fn code_is_shared_while_it_is_held() {
        let mut makes = 0;
        let first = get("shared.a", &mut makes);
        let again = get("shared.a", &mut makes);
        assert_eq!((first.entry, makes), (again.entry, 1));
        assert!(std::sync::Arc::ptr_eq(&first.code, &again.code));
        get("shared.b", &mut makes);
        assert_eq!(makes, 2);
        drop((first, again));
        get("shared.a", &mut makes);
        assert_eq!(makes, 3, "freed code is made anew");
    }

    #[test]
    fn the_table_forgets_what_is_freed() {
        let mut makes = 0;
        let held: Vec<Placed> = (0..10).map(|n| get(&format!("forgets.held {n}"), &mut makes)).collect();
        for n in 0..1000 {
            get(&format!("forgets.dropped {n}"), &mut makes);
        }
        // Tests beside this one share a few entries.
        let entries = table().entries.len();
        assert!(entries < 3 * FEW, "{entries}");
        for (n, placed) in held.iter().enumerate() {
            assert_eq!(get(&format!("forgets.held {n}"), &mut makes).entry, placed.entry);
        }
        assert_eq!(makes, 1010);
    }
}
