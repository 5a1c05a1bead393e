//! Branches.

use super::{Relaxed, enter, laws, linear, results};
use crate::found::shape_uses;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::graph::{Graph, ParamRole};
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Error, Result};

/// Runs one of two regions, by a bool: only the one that is taken.
///
/// Operand 0 is the condition; the others are given to the region. Both regions answer values of equal types.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cond {
    /// Runs when the condition is true.
    pub then: Arc<Graph>,
    /// Runs when it is false.
    pub otherwise: Arc<Graph>,
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
        for (which, region) in [("first", &self.then), ("second", &self.otherwise)] {
            let found = region.found_sizes();
            let own = |ty: &&Type| ty.held().is_some_and(|tensor| shape_uses(&tensor.shape, &found));
            if let Some(ty) = region.result_types().find(own) {
                let message = format!("has a {which} branch that gives {ty}, whose size is known only inside of it");
                return Err(Error::value(message).help("both branches answer values of equal dtype and shape"));
            }
        }
        let (then, otherwise) = (results(&self.then), results(&self.otherwise));
        if then.len() != otherwise.len() {
            let message = format!("has branches of {} and {} results", then.len(), otherwise.len());
            return Err(Error::invalid(message));
        }
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
        Attrs::new().region("then", &self.then).region("otherwise", &self.otherwise)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Cond { then: attrs.region("then")?, otherwise: attrs.region("otherwise")? })
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
            Cond { then: region("then", true), otherwise: region("otherwise", false) }
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
