//! Paths of weights: field names and list positions from the root module, which is numbered.
//!
//! Random first values depend on the seed and the path, so appending a layer changes those of no other.

use crate::{Module, Visitor, Weight, seed, weight::Place};

/// Gives all weights of a root module their paths, `0/hidden1/kernel`; those that have one keep it.
pub(crate) fn give(root: &dyn Module) {
    let mut missing = Missing(false);
    root.visit(&mut missing);
    if missing.0 {
        root.visit(&mut Giver { path: vec![seed::next_root().to_string()] });
    }
}

/// Gives all weights of a module their paths below another one.
pub(crate) fn give_below(module: &dyn Module, path: &str) {
    module.visit(&mut Giver { path: vec![path.to_owned()] });
}

struct Missing(bool);

impl Visitor for Missing {
    fn weight(&mut self, weight: &Weight) {
        self.0 |= weight.place().path().is_none();
    }

    fn place(&mut self, place: &Place) {
        self.0 |= place.path().is_none();
    }
}

struct Giver {
    path: Vec<String>,
}

impl Visitor for Giver {
    fn weight(&mut self, weight: &Weight) {
        weight.place().set(&self.path.join("/"));
    }

    fn place(&mut self, place: &Place) {
        place.set(&self.path.join("/"));
    }

    fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    fn leave(&mut self) {
        self.path.pop();
    }
}
