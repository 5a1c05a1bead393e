//! The public items of the façade, as a golden list: `docs/API.txt`. `BLESS=1` rewrites it.
//!
//! The list is read from the sources: the items that `crates/tracelift` exports, through the crates whose items it
//! passes on, with the methods that are written out for them (not those that macros make).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{ImplItem, Item, UseTree, Visibility};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A module's items, with the folder in which its child modules lie.
struct Source {
    items: Vec<Item>,
    children: PathBuf,
}

fn read(path: &Path, children: PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Source { items: syn::parse_file(&text).expect("sources parse").items, children }
}

fn crate_root(name: &str) -> Source {
    let folder = root().join("crates").join(name).join("src");
    read(&folder.join("lib.rs"), folder)
}

/// The source of a child module, inline or in a file of its own.
fn child(parent: &Source, module: &syn::ItemMod) -> Source {
    let name = module.ident.to_string();
    if let Some((_, items)) = &module.content {
        return Source { items: items.clone(), children: parent.children.join(&name) };
    }
    let file = parent.children.join(format!("{name}.rs"));
    let folder = parent.children.join(&name);
    if file.is_file() { read(&file, folder) } else { read(&folder.join("mod.rs"), folder) }
}

fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "hidden")
    })
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The kind and name of an item that can be exported.
fn named(item: &Item) -> Option<(&'static str, String, &Visibility, &[syn::Attribute])> {
    Some(match item {
        Item::Struct(i) => ("struct", i.ident.to_string(), &i.vis, &i.attrs),
        Item::Enum(i) => ("enum", i.ident.to_string(), &i.vis, &i.attrs),
        Item::Trait(i) => ("trait", i.ident.to_string(), &i.vis, &i.attrs),
        Item::Fn(i) => ("fn", i.sig.ident.to_string(), &i.vis, &i.attrs),
        Item::Const(i) => ("const", i.ident.to_string(), &i.vis, &i.attrs),
        Item::Type(i) => ("type", i.ident.to_string(), &i.vis, &i.attrs),
        _ => return None,
    })
}

/// Everything in a crate: items by name, and the written methods of types.
#[derive(Default)]
struct Known {
    items: Vec<(&'static str, String)>,
    methods: Vec<(String, String)>,
}

fn know(source: &Source, known: &mut Known) {
    for item in &source.items {
        if let Some((kind, name, visibility, attributes)) = named(item)
            && is_public(visibility)
            && !is_hidden(attributes)
        {
            known.items.push((kind, name));
        }
        match item {
            Item::Mod(module) if !is_hidden(&module.attrs) && module.ident != "tests" => {
                know(&child(source, module), known)
            }
            Item::Impl(block) if block.trait_.is_none() => {
                let syn::Type::Path(path) = &*block.self_ty else { continue };
                let of = path.path.segments.last().expect("a path has a segment").ident.to_string();
                for item in &block.items {
                    if let ImplItem::Fn(method) = item
                        && is_public(&method.vis)
                        && !is_hidden(&method.attrs)
                    {
                        known.methods.push((of.clone(), method.sig.ident.to_string()));
                    }
                }
            }
            Item::Macro(made) if made.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
                if let Some(name) = &made.ident {
                    known.items.push(("macro", name.to_string()));
                }
            }
            _ => {}
        }
    }
}

/// The crates whose items the façade passes on.
const CRATES: [&str; 6] = ["nn", "function", "data", "tensor", "runtime", "macros"];

struct Listing {
    known: Vec<Known>,
    lines: BTreeSet<String>,
}

impl Listing {
    fn add(&mut self, path: &str, name: &str) {
        let found = self.known.iter().flat_map(|known| &known.items).find(|(_, known)| known == name);
        let kind = found.map_or("item", |(kind, _)| *kind);
        self.lines.insert(format!("{kind} {path}::{name}"));
        for (of, method) in self.known.iter().flat_map(|known| &known.methods) {
            if of == name && kind != "fn" {
                self.lines.insert(format!("  fn {path}::{name}::{method}"));
            }
        }
    }

    /// What a module exports under a path.
    fn module(&mut self, path: &str, source: &Source) {
        for item in &source.items {
            match item {
                Item::Mod(module) if is_public(&module.vis) && !is_hidden(&module.attrs) => {
                    let name = format!("{path}::{}", module.ident);
                    self.lines.insert(format!("mod {name}"));
                    if module.ident != "prelude" {
                        self.module(&name, &child(source, module));
                    }
                }
                Item::Use(used) if is_public(&used.vis) && !is_hidden(&used.attrs) => self.used(path, &used.tree, &[]),
                Item::Macro(made) if made.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
                    if let Some(name) = &made.ident {
                        self.lines.insert(format!("macro {path}::{name}"));
                    }
                }
                _ => {
                    if let Some((_, name, visibility, attributes)) = named(item)
                        && is_public(visibility)
                        && !is_hidden(attributes)
                    {
                        self.add(path, &name);
                    }
                }
            }
        }
    }

    fn used(&mut self, path: &str, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(part) => {
                let mut before = before.to_vec();
                before.push(part.ident.to_string());
                self.used(path, &part.tree, &before);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.used(path, tree, before)),
            UseTree::Name(name) if name.ident == "__rt" => {}
            UseTree::Name(name) => self.add(path, &name.ident.to_string()),
            UseTree::Rename(renamed) => self.add(path, &renamed.rename.to_string()),
            UseTree::Glob(_) => {
                if let Some(folder) = before.first().and_then(|name| name.strip_prefix("tracelift_")) {
                    self.module(path, &crate_root(folder));
                }
            }
        }
    }
}

#[test]
fn the_list_of_public_items_is_true() {
    let known = CRATES.map(|name| {
        let mut known = Known::default();
        know(&crate_root(name), &mut known);
        known
    });
    let mut listing = Listing { known: known.into(), lines: BTreeSet::new() };
    listing.module("tracelift", &crate_root("tracelift"));
    assert!(listing.lines.iter().any(|line| line == "struct tracelift::Tensor"), "the scanner found no `Tensor`");
    // Methods stand below what they belong to.
    let mut lines: Vec<String> = listing.lines.into_iter().collect();
    let key = |line: &String| line.trim_start().split_once(' ').map(|(_, path)| path.to_string()).unwrap_or_default();
    lines.sort_by_key(key);
    let wanted = lines.join("\n") + "\n";
    let page = root().join("docs/API.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&page, &wanted).expect("the page can be written");
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(found == wanted, "docs/API.txt is stale: run `BLESS=1 cargo test --test api` and read the difference");
}
