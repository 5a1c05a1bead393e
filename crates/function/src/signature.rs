//! Which closures can be traced: those of up to six references to trees.

use std::{any::Any, sync::Arc};

use tracelift_tensor::Result;

use crate::{
    cache::Core,
    outcome::Outcome,
    parts::Part,
    spec::{SpecItem, SpecSource},
    trace,
    tree::{Leaf, Leaves, Tree, Visit, with_leaves},
};

/// A function type that can be traced, written as a function pointer: `fn(&Tensor, &i32) -> Tensor`.
pub trait Signature: 'static {
    /// What a [`Function`](crate::Function) of it derefs to.
    #[doc(hidden)]
    type Dyn: ?Sized + Send + Sync + 'static;
}

/// A closure that has a signature.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be traced",
    note = "arguments are references to tensors, host values or trees, as in `|x: &Tensor, n: &i32|`; the result is a tree or a `Result` of one; captures are `Send + Sync + 'static`"
)]
pub trait Traceable<S: Signature> {
    /// What the function's clones share, and the closure that calls its traces.
    #[doc(hidden)]
    fn traceable(self) -> (Arc<Core>, Arc<S::Dyn>);
}

/// A closure without its types, for the cache.
pub(crate) struct Body {
    /// Runs the closure on arguments made like these from other leaves.
    pub(crate) run: Box<dyn Fn(&dyn Any, Vec<Leaf<'static>>) -> Result<Ran> + Send + Sync>,
    /// Arguments, and their leaves, from specs.
    pub(crate) from_specs: fn(Vec<SpecItem>) -> Result<(Arc<dyn Any>, Leaves<'static>)>,
    /// What arguments consist of.
    pub(crate) parts: fn(&dyn Any) -> Vec<Part>,
}

/// What a closure gave.
pub(crate) struct Ran {
    /// The tree it returned: a pattern for the results of calls.
    pub(crate) pattern: Box<dyn Any + Send + Sync>,
    pub(crate) leaves: Vec<Leaf<'static>>,
}

fn body<A: Tree, R: Outcome>(f: impl Fn(&A) -> R + Send + Sync + 'static, parts: fn(&dyn Any) -> Vec<Part>) -> Body {
    Body {
        run: Box::new(move |arguments, leaves| {
            let tree = f(&with_leaves(typed::<A>(arguments), leaves)).split()?;
            let leaves = Leaves::of(&tree).into_owned().leaves.into_vec();
            Ok(Ran { pattern: Box::new(tree), leaves })
        }),
        from_specs: |specs| {
            let mut source = SpecSource::new(specs);
            let arguments = A::from_spec(&mut source)?;
            source.finish()?;
            let leaves = Leaves::of(&arguments).into_owned();
            Ok((Arc::new(arguments), leaves))
        },
        parts,
    }
}

fn typed<A: Tree>(arguments: &dyn Any) -> &A {
    arguments.downcast_ref::<A>().expect("a function's body gets arguments of its own types")
}

/// What a call gives: the result of the right trace, or the error in the form that the closure's result has.
fn outcome<A: Tree, R: Outcome>(core: &Core, leaves: &Leaves<'_>, arguments: impl Fn() -> A, f: impl Fn(&A) -> R) -> R {
    let called = core.call(leaves, &|| Arc::new(arguments()), |concrete, results| {
        let pattern = concrete.pattern().downcast_ref::<R::Tree>();
        with_leaves(pattern.expect("a trace keeps what its closure returned"), results)
    });
    let error = match called {
        Ok(tree) => return R::join(Ok(tree), || unreachable!("the call succeeded")),
        Err(error) => error,
    };
    trace::record(&error);
    R::join(Err(error.clone()), || {
        // The structure of the result is only known from running the closure, here on tensors that carry the error.
        trace::discarded(|| f(&crate::tree::poisoned(&arguments(), &error)))
    })
}

macro_rules! signatures {
    ($($($A:ident $a:ident)*;)*) => {$(
        impl<$($A: Tree,)* R: Outcome> Signature for fn($(&$A),*) -> R {
            type Dyn = dyn Fn($(&$A),*) -> R + Send + Sync;
        }

        impl<$($A: Tree,)* R: Outcome, Closure> Traceable<fn($(&$A),*) -> R> for Closure
        where
            Closure: Fn($(&$A),*) -> R + Send + Sync + 'static,
        {
            fn traceable(self) -> (Arc<Core>, Arc<dyn Fn($(&$A),*) -> R + Send + Sync>) {
                let f = Arc::new(self);
                let run = {
                    let f = f.clone();
                    move |($($a,)*): &($($A,)*)| f($($a),*)
                };
                let parts = |arguments: &dyn Any| {
                    let ($($a,)*): &($($A,)*) = typed(arguments);
                    Leaves::parts(&[$($a as &dyn Visit),*])
                };
                let core = Arc::new(Core::new(std::any::type_name::<Closure>(), body(run, parts)));
                let shared = core.clone();
                let call = move |$($a: &$A),*| -> R {
                    // Made where it stays: it is large, and moving it costs more than a small kernel.
                    let mut leaves = Leaves::default();
                    let _ = &mut leaves;
                    $($a.visit(&mut leaves);)*
                    let arguments = || ($($a.clone(),)*);
                    outcome(&shared, &leaves, arguments, |($($a,)*)| f($($a),*))
                };
                (core, Arc::new(call))
            }
        }
    )*};
}
signatures! { ; A a; A a B b; A a B b C c; A a B b C c D d; A a B b C c D d E e; A a B b C c D d E e G g; }
