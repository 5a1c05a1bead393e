//! Code that is there already: in this process ([`shared`]), or on disk ([`folder`]).
//!
//! Code is known by a text that determines it ([`Key`]). Texts are compared whole, never by their hashes alone.

mod entry;
mod folder;
mod shared;

use crate::code::{Code, Entry, link};
use crate::isa::host;
use crate::options::CodegenOptions;
use crate::unit::Unit;
use cranelift_codegen::isa::TargetIsa;
use folder::Folder;
use std::sync::Arc;
use tracelift_tensor::Result;

/// What code is made from, without what has no part in it: names, threads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

impl Key {
    /// The key of what `text` determines, made with these options. Texts of different `kind`s are different.
    pub(crate) fn new(kind: &str, text: &str, options: &CodegenOptions) -> Key {
        let CodegenOptions { vectorize, wide: _, non_temporal_from: from, opt_level, threads: _, cache_dir: _ } =
            options;
        let form = options.form();
        Key(format!("{kind} vectorize={vectorize} wide={form:?} non-temporal from {from} {opt_level:?}\n{text}"))
    }
}

/// A function in executable memory.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// The memory it lies in, with others.
    pub(crate) code: Arc<Code>,
    /// Its address.
    pub(crate) entry: Entry,
    /// Its own bytes.
    pub(crate) bytes: usize,
}

/// Makes the functions with these places among the keys, in this order.
pub(crate) type Make<'m> = &'m dyn Fn(&dyn TargetIsa, &[usize]) -> Result<Vec<Unit>>;

/// The functions with these keys, which are distinct; `make` makes those that are nowhere.
///
/// What is new lies in one piece of memory, and stays there as long as somebody holds any function of it.
pub(crate) fn provide(keys: &[Key], options: &CodegenOptions, make: Make<'_>) -> Result<Vec<Placed>> {
    let mut placed: Vec<Option<Placed>> = shared::find(keys);
    let mut missing: Vec<usize> = (0..keys.len()).filter(|n| placed[*n].is_none()).collect();
    if !missing.is_empty() {
        let isa = host(options.opt_level)?;
        let folder = options.cache_dir.as_deref().and_then(|path| Folder::open(path, &*isa));
        let mut units: Vec<(usize, Unit)> = Vec::with_capacity(missing.len());
        if let Some(folder) = &folder {
            missing.retain(|n| match folder.load(&keys[*n]) {
                Some(unit) => {
                    units.push((*n, unit));
                    false
                }
                None => true,
            });
        }
        if !missing.is_empty() {
            let made = make(&*isa, &missing)?;
            if let Some(folder) = &folder {
                folder.store(missing.iter().map(|n| &keys[*n]).zip(&made));
            }
            units.extend(missing.into_iter().zip(made));
        }
        let (code, entries) = link(isa, units.iter().map(|(_, unit)| unit))?;
        for ((n, unit), entry) in units.iter().zip(entries) {
            let new = Placed { code: code.clone(), entry, bytes: unit.code.len() };
            shared::share(&keys[*n], &new);
            placed[*n] = Some(new);
        }
    }
    Ok(placed.into_iter().map(|placed| placed.expect("what was missing has been made")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Wide;
    use std::cell::Cell;

    /// A function that returns, under a key; answers how many had to be made.
    fn get(texts: &[&str], options: &CodegenOptions) -> usize {
        let made = Cell::new(0);
        let make = |_: &dyn TargetIsa, wanted: &[usize]| {
            made.set(wanted.len());
            let unit =
                |_: &usize| Unit { name: "n".into(), code: vec![0xC3], align: 16, relocs: vec![], imports: vec![] };
            Ok(wanted.iter().map(unit).collect())
        };
        let keys: Vec<Key> = texts.iter().map(|text| Key::new("cache", text, options)).collect();
        let placed = provide(&keys, options, &make).unwrap();
        assert_eq!(placed.len(), texts.len());
        // All are dropped here, so the process has none of them any more.
        made.get()
    }

    #[test]
    fn what_an_earlier_process_made_is_read_from_the_disk() {
        let path = std::env::temp_dir().join(format!("tracelift-provide-{}", std::process::id()));
        let options = CodegenOptions { cache_dir: Some(path.clone()), ..CodegenOptions::default() };
        assert_eq!(get(&["a", "b"], &options), 2);
        assert_eq!(get(&["b", "a"], &options), 0);
        assert_eq!(get(&["c", "a"], &options), 1);
        let narrow = CodegenOptions { wide: None, ..options.clone() };
        assert_eq!(get(&["a"], &narrow), usize::from(Wide::best().is_some()), "other vectors, other code");
        let scalar = CodegenOptions { vectorize: false, ..options.clone() };
        assert_eq!(get(&["a"], &scalar), 1, "other options, other code");
        let narrow = CodegenOptions { wide: Some(Wide::Avx2), ..options.clone() };
        let known = Wide::best().is_none_or(|best| best == Wide::Avx2);
        assert_eq!(get(&["a"], &narrow), usize::from(!known), "what comes to the same is the same code");
        assert_eq!(
            get(&["a"], &CodegenOptions { cache_dir: None, ..options.clone() }),
            1,
            "by default nothing is read"
        );
        for file in std::fs::read_dir(&path).unwrap() {
            std::fs::write(file.unwrap().path(), b"something else").unwrap();
        }
        assert_eq!(get(&["a", "b"], &options), 2, "what is damaged is made anew");
        assert_eq!(get(&["a", "b"], &options), 0, "and written anew");
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_no_error() {
        let path = std::env::temp_dir().join(format!("tracelift-unusable-{}", std::process::id()));
        std::fs::write(&path, b"a file").unwrap();
        let options = CodegenOptions { cache_dir: Some(path.clone()), ..CodegenOptions::default() };
        assert_eq!(get(&["unusable"], &options), 1);
        std::fs::remove_file(&path).unwrap();
    }
}
