//! Loops.

use super::{enter, laws, results};
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::graph::{Graph, ParamRole};
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::Sample;
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Error, Result};

/// Repeats `body` while `condition` answers true.
///
/// Both take the carried values and then the captured ones; the condition answers one bool, the body the next carried
/// values, which keep their types. Results are the last carried values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct While {
    /// Whether there is another iteration.
    pub condition: Arc<Graph>,
    /// One iteration.
    pub body: Arc<Graph>,
}

impl While {
    /// How many values are carried.
    pub fn carried(&self) -> usize {
        self.body.results().len()
    }
}

impl OpDef for While {
    const NAMES: &'static [&'static str] = &["while"];

    fn name(&self) -> &'static str {
        "while"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        enter(cx, "condition", &self.condition, x)?;
        enter(cx, "body", &self.body, x)?;
        match results(&self.condition).as_slice() {
            [ty] if *ty == Type::scalar(DType::Bool) => {}
            other => {
                let given: Vec<String> = other.iter().map(ToString::to_string).collect();
                return Err(Error::type_(format!("wants bool[] from its condition, not {}", given.join(", "))));
            }
        }
        for (next, param) in self.body.results().iter().zip(self.body.params()) {
            let (before, after) = (self.body.ty(*param), self.body.ty(*next));
            if before != after {
                let name = self.body.name_of(*param).map_or("a value", |name| name);
                let message = format!("carries `{name}` as {before}, which cannot become {after}");
                let same_dtype = before.as_tensor().map(|t| t.dtype) == after.as_tensor().map(|t| t.dtype);
                let error = if same_dtype { Error::value(message) } else { Error::type_(message) };
                return Err(error.help("what a loop carries keeps its dtype and shape"));
            }
        }
        if self.carried() > x.len() {
            return Err(Error::invalid("has a body with more results than parameters"));
        }
        Ok(self.body.param_types().take(self.carried()).cloned().collect())
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut values = x.to_vec();
        while cx.run(&self.condition, &values)?[0].item::<bool>()? {
            cx.check_stop()?;
            for (value, next) in cx.run(&self.body, &values)?.into_iter().enumerate() {
                values[value] = next;
            }
        }
        values.truncate(self.carried());
        Ok(values)
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
        Attrs::new().region("condition", &self.condition).region("body", &self.body)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(While { condition: attrs.region("condition")?, body: attrs.region("body")? })
    }

    fn laws(&self, _: DType) -> Laws {
        laws([&*self.condition, &*self.body])
    }

    fn samples() -> Vec<Sample> {
        // for i in 0..n { acc = acc * acc + x }
        let power = |rows: Dim| {
            let types = [Type::scalar(DType::I32), Type::tensor(DType::F32, [rows]), Type::scalar(DType::I32)];
            let region = |name: &str, build: &dyn Fn(&mut Builder, &[crate::Value]) -> Result<Vec<crate::Value>>| {
                let mut b = Builder::new(name);
                let params: Vec<_> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
                let results = build(&mut b, &params).expect("the operands of the sample fit");
                Arc::new(b.finish(&results).expect("the sample is a graph"))
            };
            While {
                condition: region("condition", &|b, p| Ok(vec![b.lt(p[0], p[2])?])),
                body: region("body", &|b, p| {
                    let one = b.scalar_like(p[0], 1.0)?;
                    let square = b.mul(p[1], p[1])?;
                    Ok(vec![b.add(p[0], one)?, b.add(square, p[1])?])
                }),
            }
        };
        let inputs = |rows: usize, n: i32| {
            vec![Array::scalar(0i32), crate::sample::plain_values(DType::F32, &[rows]), Array::scalar(n)]
        };
        vec![
            Sample::new(power(Dim::from(3)), inputs(3, 4)),
            Sample::new(power(Dim::from(1)), inputs(1, 0)),
            Sample::new(power(Dim::from(0)), inputs(0, 2)),
            Sample::new(power(Dim::sym("B")), inputs(5, 3)).traced_as(vec![
                Type::scalar(DType::I32),
                Type::tensor(DType::F32, [Dim::sym("B")]),
                Type::scalar(DType::I32),
            ]),
        ]
    }
}
