//! The trait of layers, and what using one does: build, name, check, call.

use std::{any::Any, panic::Location, sync::Arc};

use tracelift_function::{Error, Origin, Result, Shape, Tensor, Tree, Variable, layer_path, push_layer_at};

use crate::{
    Call, Inputs, Late, Module, Visitor, Weight, call, initializers,
    inputs::Feed,
    name::{short, snake_case},
    paths, seed,
    weight::{Place, WEIGHT_DTYPE},
};

/// Part of a model: a config, weights made by `build`, and `call`.
///
/// ```
/// # extern crate tracelift_nn as tracelift;
/// use tracelift_nn::{Build, Call, Layer, Module, Result, Shape, Tensor, Weight};
///
/// #[derive(Module)]
/// struct Scale { factor: Weight }
///
/// impl Layer for Scale {
///     fn build(&self, input: &Shape, cx: &mut Build) -> Result {
///         cx.add_weight(&self.factor, [input.last()?])
///     }
///     fn call(&self, x: &Tensor, _: &Call) -> Tensor {
///         x * &self.factor
///     }
/// }
///
/// let scale = Scale { factor: Weight::new("ones") };
/// assert_eq!(scale.apply(&Tensor::full([1, 2], 3.0f32)).to_vec::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no layer from `{In}` to `{Out}`",
    note = "implement `Layer` and `#[derive(Module)]`; a closure becomes a layer through `Lambda::new`"
)]
pub trait Layer<In: Inputs = Tensor, Out: Tree = Tensor>: Module {
    /// Fills the places of weights when the shape of the input is first known; must not mind being called again.
    fn build(&self, input: &In::Shapes, cx: &mut Build) -> Result {
        let _ = (input, cx);
        Ok(())
    }

    /// Computes the output; to use a sub-layer in it, `apply` it.
    fn call(&self, x: &In, cx: &Call) -> Out;

    /// The name in messages and summaries: by default the type's, in snake case.
    fn display_name(&self) -> String {
        snake_case(std::any::type_name::<Self>())
    }

    /// The type with its sizes, as messages show it: `Dense, units=10`.
    fn description(&self) -> String {
        short(std::any::type_name::<Self>()).to_owned()
    }

    /// Whether it only holds layers, so that messages need not name it.
    #[doc(hidden)]
    fn is_container(&self) -> bool {
        false
    }

    /// Uses the layer: builds it if need be, then calls it, in the call under way or else for inference.
    #[track_caller]
    fn apply(&self, x: impl Feed<In>) -> Out
    where
        Self: Sized,
    {
        match Call::current() {
            // Messages name the user's line: where the outermost layer was applied.
            Some((_, line)) => apply(self, &x.feed(), line),
            None => Call::inference().apply_at(self, x, Location::caller()),
        }
    }

    /// Keeps the layer, whatever its type.
    fn boxed(self) -> AnyLayer<In, Out>
    where
        Self: Sized,
    {
        AnyLayer(Arc::new(self))
    }
}

/// Builds the layer if need be and calls it, in the call under way.
pub(crate) fn apply<In: Inputs, Out: Tree>(
    layer: &impl Layer<In, Out>,
    x: &In,
    line: &'static Location<'static>,
) -> Out {
    paths::give(layer);
    let _scope = (!layer.is_container()).then(|| push_layer_at(&layer.display_name(), &layer.description(), line));
    let call = Call::current().map_or_else(Call::inference, |(call, _)| call);
    match build(layer, x) {
        Ok(()) => {
            let y = layer.call(x, &call);
            if !layer.is_container() {
                call::applied(layer.display_name(), &y);
            }
            y
        }
        Err(error) => {
            let error = if error.origin.is_unknown() { error.at(origin(&layer.description())) } else { error };
            layer.call(&x.map(&mut |_| Tensor::failed(error.clone())), &call)
        }
    }
}

/// Calls `build` as long as a weight is missing.
fn build<In: Inputs, Out: Tree>(layer: &impl Layer<In, Out>, x: &In) -> Result {
    let mut unbuilt = Unbuilt(false);
    layer.visit(&mut unbuilt);
    let (mut failed, mut before) = (false, None);
    let _ = x.map(&mut |x| {
        failed |= x.error().is_some();
        before = before.take().or_else(|| call::made_by(x));
        x.clone()
    });
    // What failed before has no shape to build from.
    if !unbuilt.0 || failed {
        return Ok(());
    }
    layer.build(&x.shapes(), &mut Build { before })
}

/// Where an error of the layer under way was made: its path, and the line where the outermost layer was applied.
pub(crate) fn origin(description: &str) -> Origin {
    let layer = layer_path().map(|path| format!("`{path}` ({description})").into());
    Origin { location: Call::current().map(|(_, line)| line), layer }
}

struct Unbuilt(bool);

impl Visitor for Unbuilt {
    fn weight(&mut self, weight: &Weight) {
        self.0 |= !weight.is_built();
    }

    fn place(&mut self, _: &Place) {
        // A late sub-layer may have to be made.
        self.0 = true;
    }
}

/// What `build` is given.
pub struct Build {
    /// The layer that made the input, as far as is known.
    before: Option<String>,
}

impl Build {
    /// Fills a place for a weight, unless it is filled; a weight of another shape is an error.
    #[track_caller]
    pub fn add_weight(&mut self, weight: &Weight, shape: impl Into<Shape>) -> Result {
        let shape = shape.into();
        let Some(sizes) = shape.known() else {
            return Err(Error::invalid(format!("cannot make a weight of shape {shape}: its sizes must be known"))
                .op("add_weight"));
        };
        if weight.is_built() {
            let own = weight.shape();
            return if own == shape {
                Ok(())
            } else {
                let message =
                    format!("made the weight `{}` with shape {own}, but the input needs {shape}", weight.name());
                Err(Error::value(message).op("build").help("the layer was built for another input"))
            };
        }
        if sizes.contains(&0) {
            let error =
                Error::value(format!("cannot make a weight of shape {shape}, which holds no numbers")).op("build");
            return Err(error.help("sizes such as `units` and the width of the input must be at least 1"));
        }
        let path = weight.place().path().cloned().unwrap_or_else(|| "unnamed".into());
        let key = tracelift_tensor::fold_in(seed::seed() as i64, &*path) as u64;
        weight.first_values().check()?;
        let values = initializers::values(weight.first_values(), key, &sizes, WEIGHT_DTYPE).ok()?;
        if values.shape() != shape {
            let message = format!(
                "got shape {1} from the initializer `{0}` for a weight of shape {shape}",
                weight.first_values().name(),
                values.shape()
            );
            return Err(Error::value(message).op("build"));
        }
        // The root's number says nothing to the reader.
        let name = path.split_once('/').map_or(&*path, |(_, name)| name);
        weight.fill(tracelift_function::eagerly(|| Variable::new(values).named(name)), self.before.clone());
        Ok(())
    }
}

/// Any layer, for lists of different ones; clones are the same layer.
pub struct AnyLayer<In: Inputs = Tensor, Out: Tree = Tensor>(Arc<dyn Layer<In, Out>>);

impl<In: Inputs, Out: Tree> AnyLayer<In, Out> {
    /// The concrete layer, if it is an `L`.
    pub fn get<L: Layer<In, Out>>(&self) -> Option<&L> {
        let layer: &dyn Any = &*self.0;
        layer.downcast_ref()
    }
}

impl<In: Inputs, Out: Tree> Module for AnyLayer<In, Out> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.0.visit(visitor);
    }

    fn share(&self) -> Self {
        AnyLayer(self.0.clone())
    }
}

impl<In: Inputs, Out: Tree> Layer<In, Out> for AnyLayer<In, Out> {
    fn build(&self, input: &In::Shapes, cx: &mut Build) -> Result {
        self.0.build(input, cx)
    }

    fn call(&self, x: &In, cx: &Call) -> Out {
        self.0.call(x, cx)
    }

    fn display_name(&self) -> String {
        self.0.display_name()
    }

    fn description(&self) -> String {
        self.0.description()
    }

    fn is_container(&self) -> bool {
        self.0.is_container()
    }
}

impl<L: Layer> Layer for Late<L> {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        match self.get() {
            // Applied, not called: it may have to be built.
            Some(made) => made.apply(x),
            None => {
                let error = Error::runtime("the sub-layer is not made yet").at(origin("Late"));
                Tensor::failed(error.help("make it in `build`: `self.field.make(|| …)`"))
            }
        }
    }

    fn is_container(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dense, Sequential};
    use tracelift_function::tensor;

    /// Rebuilds its input; what it does not reach is a loss.
    #[derive(Module)]
    struct Reconstructing {
        hidden: Dense,
        reconstruct: Late<Dense>,
    }

    impl Layer for Reconstructing {
        fn build(&self, input: &Shape, _: &mut Build) -> Result {
            let width = input.last()?;
            self.reconstruct.make(|| Dense::new(width));
            Ok(())
        }

        fn call(&self, x: &Tensor, cx: &Call) -> Tensor {
            let z = self.hidden.apply(x);
            cx.add_loss((self.reconstruct.apply(&z) - x).square().mean(..));
            z
        }
    }

    #[test]
    fn a_late_layer_is_made_by_build_and_losses_are_the_calls() {
        let layer = Reconstructing { hidden: Dense::new(2), reconstruct: Late::default() };
        let call = Call::training();
        assert_eq!(call.apply(&layer, &Tensor::ones([3, 5])).shape(), [3, 2]);
        assert_eq!(call.losses().len(), 1);
        assert_eq!(layer.variables().len(), 4);
        assert_eq!(layer.variables()[2].name(), "reconstruct/kernel");
        let unmade = Late::<Dense>::default();
        assert!(unmade.apply(&tensor([[1.0]])).ok().unwrap_err().to_string().contains("make it in `build`"));
    }

    #[test]
    fn a_shared_layer_has_its_weights_once() {
        let block = Dense::new(4);
        let net = Sequential::new().add(Dense::new(4)).add(block.share()).add(block.share()).add(block);
        net.apply(&Tensor::ones([1, 4])).ok().unwrap();
        assert_eq!(net.variables().len(), 4);
    }

    #[test]
    fn a_layer_in_a_wrong_place_names_its_path() {
        let block = Reconstructing { hidden: Dense::new(2).name("inner"), reconstruct: Late::default() };
        let net = Sequential::new().add(block);
        let text = net.apply(&tensor(1.0)).ok().unwrap_err().to_string();
        assert!(text.contains("in layer `reconstructing`"), "{text}");
    }
}
