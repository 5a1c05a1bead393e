//! Loops.

use super::{Relaxed, enter, laws, linear, results};
use crate::attrs::{Attr, AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::found::shape_uses;
use crate::graph::{Graph, ParamRole};
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::Sample;
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Sym};

/// Repeats `body` while `condition` answers true.
///
/// Both take the carried values and then the captured ones; the condition answers one bool, the body the next carried
/// values, which keep their types. Results are the last carried values.
///
/// An axis of a carried value whose size in the regions is one of `sizes` may have another size in each iteration: inside
/// the regions the unknown is the size in this iteration, behind the loop it is that of the last value.
///
/// Values that the body answers behind those are kept: each iteration pushes them, each onto a stack of its own, and
/// the stacks are further results. Gradients of loops are made with them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct While {
    /// Whether there is another iteration.
    pub condition: Arc<Graph>,
    /// One iteration.
    pub body: Arc<Graph>,
    /// What its gradient keeps of each iteration.
    pub save: Save,
    /// How many of the body's results are kept on stacks.
    pub stacks: usize,
    /// How many iterations there are, where that is known before it runs: as much room the stacks have.
    pub trips: Option<Dim>,
    /// The unknown sizes of carried values that may change from iteration to iteration.
    pub sizes: Vec<Sym>,
}

/// What the gradient of a loop keeps of each iteration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Save {
    /// What the iteration starts with; the rest of the body is computed again.
    Carried,
    /// Also those results inside the body that are dear to compute again: products and transcendental functions.
    Residuals,
    /// As `Residuals` if these results of all iterations take no more than so many bytes, which is known where the sizes
    /// and the number of iterations are; else as `Carried`.
    Within(usize),
}

impl Save {
    /// What a loop may keep if nobody says otherwise: 1 GiB.
    pub const DEFAULT_BYTES: usize = 1 << 30;
}

impl Default for Save {
    fn default() -> Save {
        Save::Within(Save::DEFAULT_BYTES)
    }
}

impl While {
    /// A loop whose gradient keeps what is dear if that is not too much.
    pub fn new(condition: Arc<Graph>, body: Arc<Graph>) -> While {
        While { condition, body, save: Save::default(), stacks: 0, trips: None, sizes: Vec::new() }
    }

    /// How many values are carried.
    pub fn carried(&self) -> usize {
        self.body.results().len().saturating_sub(self.stacks)
    }
}

impl OpDef for While {
    const NAMES: &'static [&'static str] = &["while"];

    fn name(&self) -> &'static str {
        "while"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let relaxed = Relaxed::of(self, x)?;
        enter(cx, "condition", &self.condition, x, &relaxed)?;
        enter(cx, "body", &self.body, x, &relaxed)?;
        match results(&self.condition).as_slice() {
            [ty] if *ty == Type::scalar(DType::Bool) => {}
            other => {
                let given: Vec<String> = other.iter().map(ToString::to_string).collect();
                return Err(Error::type_(format!("wants bool[] from its condition, not {}", given.join(", "))));
            }
        }
        if self.carried() > x.len() {
            return Err(Error::invalid("has a body with more results than parameters"));
        }
        if self.stacks > self.body.results().len() {
            return Err(Error::invalid(format!("keeps {} results of a body that has fewer", self.stacks)));
        }
        for (next, param) in self.body.results()[..self.carried()].iter().zip(self.body.params()) {
            let (before, after) = (self.body.ty(*param), self.body.ty(*next));
            if !relaxed.keeps(before, after) {
                let name = self.body.name_of(*param).map_or("a value", |name| name);
                let message = format!("carries `{name}` as {before}, which cannot become {after}");
                let same_dtype = before.as_tensor().map(|t| t.dtype) == after.as_tensor().map(|t| t.dtype);
                let error = if same_dtype { Error::value(message) } else { Error::type_(message) };
                return Err(error.help("what a loop carries keeps its dtype and shape"));
            }
        }
        linear::check_loop(self)?;
        let mut types: Types = self.body.param_types().take(self.carried()).cloned().collect();
        for kept in self.body.result_types().skip(self.carried()) {
            let Some(item) = kept.as_tensor() else {
                return Err(Error::type_(format!("keeps a {kept} of each iteration, which is no tensor")));
            };
            if relaxed.changes(item) || shape_uses(&item.shape, &self.body.found_sizes()) {
                return Err(Error::invalid(format!("keeps {kept} of each iteration, whose size changes")));
            }
            types.push(Type::Stack(item.clone()));
        }
        Ok(types)
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut values = x.to_vec();
        let capacity = self.trips.as_ref().map(|trips| cx.len(trips)).transpose()?;
        let stacks: Vec<Array> = (0..self.stacks).map(|_| cx.new_stack(capacity)).collect();
        while cx.run(&self.condition, &values)?[0].item::<bool>()? {
            cx.check_stop()?;
            let mut next = cx.run(&self.body, &values)?;
            for (stack, kept) in stacks.iter().zip(next.drain(self.carried()..)) {
                cx.stack(stack)?.push(kept)?;
            }
            for (value, next) in next.into_iter().enumerate() {
                values[value] = next;
            }
        }
        values.truncate(self.carried());
        values.extend(stacks);
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
        let mut attrs = match self.save {
            Save::Carried => Attrs::new().word("save", "carried"),
            Save::Residuals => Attrs::new().word("save", "residuals"),
            Save::Within(Save::DEFAULT_BYTES) => Attrs::new(),
            Save::Within(bytes) => Attrs::new().int("save_bytes", bytes as i64),
        };
        if self.stacks > 0 {
            attrs = attrs.int("stacks", self.stacks as i64);
        }
        if let Some(trips) = &self.trips {
            attrs = attrs.with("trips", Attr::Dim(trips.clone()));
        }
        if !self.sizes.is_empty() {
            attrs = attrs.dims("sizes", &self.sizes.iter().map(Dim::from).collect::<Vec<_>>());
        }
        attrs.region("condition", &self.condition).region("body", &self.body)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let save = match attrs.has("save").then(|| attrs.word("save")).transpose()? {
            None if attrs.has("save_bytes") => Save::Within(attrs.number("save_bytes")?),
            None => Save::default(),
            Some("carried") => Save::Carried,
            Some("residuals") => Save::Residuals,
            Some(other) => {
                return Err(Error::format(format!(
                    "wants `carried` or `residuals` as attribute `save`, not `{other}`"
                )));
            }
        };
        let stacks = if attrs.has("stacks") { attrs.number("stacks")? } else { 0 };
        let trips = if attrs.has("trips") { Some(attrs.dim("trips")?) } else { None };
        let sizes = attrs.names("sizes")?;
        Ok(While { condition: attrs.region("condition")?, body: attrs.region("body")?, save, stacks, trips, sizes })
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
            While::new(
                region("condition", &|b, p| Ok(vec![b.lt(p[0], p[2])?])),
                region("body", &|b, p| {
                    let one = b.scalar_like(p[0], 1.0)?;
                    let square = b.mul(p[1], p[1])?;
                    Ok(vec![b.add(p[0], one)?, b.add(square, p[1])?])
                }),
            )
        };
        let inputs = |rows: usize, n: i32| {
            vec![Array::scalar(0i32), crate::sample::plain_values(DType::F32, &[rows]), Array::scalar(n)]
        };
        let keeping = |rows: usize, trips: Option<usize>| {
            let mut op = power(Dim::from(rows));
            op.body = Arc::new(op.body.with_more_results(&[op.body.params()[1]]));
            While { stacks: 1, trips: trips.map(Dim::from), ..op }
        };
        vec![
            Sample::new(keeping(3, None), inputs(3, 4)),
            Sample::new(keeping(2, Some(5)), inputs(2, 5)),
            Sample::new(keeping(2, Some(3)), inputs(2, 4)).refused(),
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
