//! Branches.

use super::{Relaxed, enter, laws, linear, results};
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::found::{shape_uses, uses};
use crate::graph::{Graph, ParamRole};
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Sym};

/// Runs one of two regions, by a bool: only the one that is taken.
///
/// Operand 0 is the condition; the others are given to the region. Both regions answer values of equal types, but for
/// the sizes in which they differ if these have names: then the branch finds them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cond {
    /// Runs when the condition is true.
    pub then: Arc<Graph>,
    /// Runs when it is false.
    pub otherwise: Arc<Graph>,
    /// Names for the sizes in which the results of the regions differ, or which a region finds itself, in their order; none
    /// if there may be no such sizes.
    pub sizes: Vec<Sym>,
}

impl Cond {
    /// A branch whose regions answer values of equal types.
    pub fn new(then: Arc<Graph>, otherwise: Arc<Graph>) -> Cond {
        Cond { then, otherwise, sizes: Vec::new() }
    }

    /// In how many sizes the results differ: as many [`sizes`](Cond::sizes) it needs, to answer them all the same.
    pub fn open_sizes(&self) -> usize {
        let found = [&self.then, &self.otherwise].map(|region| region.found_sizes());
        let pairs = self.then.result_types().zip(self.otherwise.result_types());
        pairs.map(|(a, b)| open_axes(a, b, &found).len()).sum()
    }

    fn exchanged(&self) -> Cond {
        Cond { then: self.otherwise.clone(), otherwise: self.then.clone(), sizes: self.sizes.clone() }
    }

    /// That no size of a result is known inside of a region only.
    fn check_own(&self) -> Result {
        for (which, region) in [("first", &self.then), ("second", &self.otherwise)] {
            let found = region.found_sizes();
            let own = |ty: &&Type| ty.held().is_some_and(|tensor| shape_uses(&tensor.shape, &found));
            if let Some(ty) = region.result_types().find(own) {
                let message = format!("has a {which} branch that gives {ty}, whose size is known only inside of it");
                return Err(Error::value(message).help("both branches answer values of equal dtype and shape"));
            }
        }
        Ok(())
    }

    /// The types of the results, with names for the sizes in which they differ.
    fn joined(&self, x: &[Type]) -> Result<Types> {
        let taken = |sym: &Sym| {
            let own = std::slice::from_ref(sym);
            let given = x.iter().any(|ty| ty.held().is_some_and(|tensor| shape_uses(&tensor.shape, own)));
            given || self.sizes.iter().filter(|other| *other == sym).count() > 1
        };
        if let Some(sym) = self.sizes.iter().find(|sym| taken(sym)) {
            return Err(Error::invalid(format!("cannot call a size that it finds `{sym}`")));
        }
        let open = self.open_sizes();
        if open != self.sizes.len() {
            let message = format!("has results that differ in {open} sizes, with names for {}", self.sizes.len());
            return Err(Error::invalid(message));
        }
        let found = [&self.then, &self.otherwise].map(|region| region.found_sizes());
        let mut names = self.sizes.iter();
        let pairs = self.then.result_types().zip(self.otherwise.result_types());
        let joined = pairs.map(|(a, b)| {
            let mut ty = a.clone();
            if let Type::Tensor(tensor) = &mut ty {
                let mut dims = tensor.shape.to_vec();
                for axis in open_axes(a, b, &found) {
                    dims[axis] = Dim::from(names.next().expect("they were counted"));
                }
                tensor.shape = dims.into();
            }
            ty
        });
        Ok(joined.collect())
    }
}

/// The axes on which two tensors of one dtype and rank differ, or have a size that their own regions have found.
fn open_axes(a: &Type, b: &Type, found: &[Vec<Sym>; 2]) -> Vec<usize> {
    let (Type::Tensor(a), Type::Tensor(b)) = (a, b) else { return Vec::new() };
    if a.dtype != b.dtype || a.shape.rank() != b.shape.rank() {
        return Vec::new();
    }
    let is_open = |(a, b): (&Dim, &Dim)| a != b || uses(a, &found[0]) || uses(b, &found[1]);
    let axes = a.shape.iter().zip(&b.shape).enumerate();
    axes.filter(|(_, pair)| is_open(*pair)).map(|(axis, _)| axis).collect()
}

impl OpDef for Cond {
    const NAMES: &'static [&'static str] = &["cond"];

    fn name(&self) -> &'static str {
        "cond"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let Some((condition, captured)) = x.split_first() else {
            return Err(Error::type_("wants a condition as its first operand"));
        };
        if *condition != Type::scalar(DType::Bool) {
            return Err(Error::type_(format!("wants bool[] as its condition, not {condition}")));
        }
        enter(cx, "first branch", &self.then, captured, &Relaxed::NONE)?;
        enter(cx, "second branch", &self.otherwise, captured, &Relaxed::NONE)?;
        let (then, otherwise) = (results(&self.then), results(&self.otherwise));
        if then.len() != otherwise.len() {
            let message = format!("has branches of {} and {} results", then.len(), otherwise.len());
            return Err(Error::invalid(message));
        }
        let (then, otherwise) = match self.sizes.is_empty() {
            true => {
                self.check_own()?;
                (then, otherwise)
            }
            false => (self.joined(x)?, self.exchanged().joined(x)?),
        };
        for (i, (a, b)) in then.iter().zip(&otherwise).enumerate() {
            if !cx.same_type(a, b) {
                let message = format!("has branches whose results {i} are {a} and {b}");
                let same_dtype = a.as_tensor().map(|t| t.dtype) == b.as_tensor().map(|t| t.dtype);
                let error = if same_dtype { Error::value(message) } else { Error::type_(message) };
                return Err(error.help("both branches answer values of equal dtype and shape"));
            }
        }
        linear::check_branch(self)?;
        Ok(then)
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let taken = if x[0].item::<bool>()? { &self.then } else { &self.otherwise };
        cx.run(taken, &x[1..])
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Region)
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Region)
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Control
    }

    fn attributes(&self) -> Attrs {
        let attrs = match self.sizes.is_empty() {
            true => Attrs::new(),
            false => Attrs::new().dims("sizes", &self.sizes.iter().map(Dim::from).collect::<Vec<_>>()),
        };
        attrs.region("then", &self.then).region("otherwise", &self.otherwise)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Cond { sizes: attrs.names("sizes")?, ..Cond::new(attrs.region("then")?, attrs.region("otherwise")?) })
    }

    fn laws(&self, _: DType) -> Laws {
        laws([&*self.then, &*self.otherwise])
    }

    fn samples() -> Vec<Sample> {
        let branches = |rows: Dim| {
            let region = |name: &str, square: bool| {
                let mut b = Builder::new(name);
                let x = b.param("", Type::tensor(DType::F32, [rows.clone()]), ParamRole::Input);
                let y = if square { b.mul(x, x) } else { b.neg(x) };
                let y = y.expect("the operands of the sample fit");
                Arc::new(b.finish(&[y]).expect("the sample is a graph"))
            };
            Cond::new(region("then", true), region("otherwise", false))
        };
        let sample = |rows: usize, taken: bool, dim: Dim| {
            let inputs = vec![Array::scalar(taken), special_values(DType::F32, &[rows])];
            Sample::new(branches(dim.clone()), inputs)
                .traced_as(vec![Type::scalar(DType::Bool), Type::tensor(DType::F32, [dim])])
        };
        vec![
            sample(13, true, Dim::from(13)),
            sample(13, false, Dim::from(13)),
            sample(1, true, Dim::from(1)),
            sample(0, false, Dim::from(0)),
            sample(5, true, Dim::sym("B")),
            sample(5, false, Dim::sym("B")),
        ]
    }
}
