//! Which layer is being called on this thread, so that errors and graph values can name it.

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    panic::Location,
    sync::Arc,
};

use tracelift_tensor::Origin;

thread_local! {
    static LAYERS: RefCell<Vec<Layer>> = const { RefCell::new(Vec::new()) };
}

thread_local! {
    static CALL: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

struct Layer {
    name: Arc<str>,
    /// What an [`Origin`] shows: "`encoder/dense_1` (Dense, units=10)".
    described: Arc<str>,
    location: &'static Location<'static>,
}

/// Says, while it lives, that this thread is inside a layer; see [`push_layer`].
#[must_use = "the layer is left when this is dropped"]
pub struct LayerScope {
    depth: usize,
    // A scope ends on the thread where it began.
    not_send: PhantomData<*const ()>,
}

/// Enters a layer: until the guard is dropped, everything made on this thread names the layer and the caller's line.
///
/// Scopes nest, and their names make a path.
///
/// ```
/// use tracelift_function::{push_layer, tensor};
///
/// let _scope = push_layer("dense_1", "Dense, units=10");
/// let error = tensor([1., 2.]).matmul(tensor([[1.]])).ok().unwrap_err();
/// assert!(error.to_string().contains("in layer `dense_1` (Dense, units=10), called at"));
/// ```
#[track_caller]
pub fn push_layer(name: &str, description: &str) -> LayerScope {
    push_layer_at(name, description, Location::caller())
}

/// Enters a layer that was called at a given line, for callers that cannot be `#[track_caller]` themselves.
pub fn push_layer_at(name: &str, description: &str, location: &'static Location<'static>) -> LayerScope {
    LAYERS.with_borrow_mut(|layers| {
        let path = match layers.last() {
            Some(outer) => format!("{}/{name}", outer.name),
            None => name.to_owned(),
        };
        let described = if description.is_empty() { format!("`{path}`") } else { format!("`{path}` ({description})") };
        // The line shown is the user's: where the outermost layer was called.
        let location = layers.first().map_or(location, |outermost| outermost.location);
        layers.push(Layer { name: path.into(), described: described.into(), location });
        LayerScope { depth: layers.len() - 1, not_send: PhantomData }
    })
}

impl Drop for LayerScope {
    fn drop(&mut self) {
        // Truncating rather than popping mends the stack if guards are dropped out of order.
        LAYERS.with_borrow_mut(|layers| layers.truncate(self.depth));
    }
}

/// The path of the layer being called on this thread, such as `encoder/dense_1`.
pub fn layer_path() -> Option<Arc<str>> {
    LAYERS.with_borrow(|layers| layers.last().map(|layer| layer.name.clone()))
}

/// While it lives, everything made on this thread comes from one line of the user's; see [`here`].
pub(crate) struct Here {
    before: Option<&'static Location<'static>>,
}

/// Makes the caller's line the origin of all that a method does, also in closures, where `#[track_caller]` ends.
///
/// A method called by a method keeps the line of the outer one. No closure of a user may run inside.
#[track_caller]
pub(crate) fn here() -> Here {
    let before = CALL.get();
    CALL.set(before.or(Some(Location::caller())));
    Here { before }
}

impl Drop for Here {
    fn drop(&mut self) {
        CALL.set(self.before);
    }
}

/// The origin of something made now: the caller's line, or the layer and the line where it was called.
#[track_caller]
pub(crate) fn origin() -> Origin {
    let location = CALL.get().unwrap_or(Location::caller());
    LAYERS.with_borrow(|layers| match layers.last() {
        Some(layer) => Origin { location: Some(layer.location), layer: Some(layer.described.clone()) },
        None => Origin::from(location),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_nest_and_unwind() {
        assert_eq!(layer_path(), None);
        let outer = push_layer("encoder", "");
        {
            let _inner = push_layer("dense_1", "Dense, units=10");
            assert_eq!(layer_path().as_deref(), Some("encoder/dense_1"));
            assert_eq!(origin().layer.as_deref(), Some("`encoder/dense_1` (Dense, units=10)"));
            // The line is the outermost call's.
            assert_eq!(origin().location.unwrap().line(), line!() - 6);
        }
        assert_eq!(layer_path().as_deref(), Some("encoder"));
        let panicked = std::panic::catch_unwind(|| {
            let _scope = push_layer("lost", "");
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert_eq!(layer_path().as_deref(), Some("encoder"));
        drop(outer);
        assert_eq!(layer_path(), None);
    }
}
