//! Loops over a batch: one loop for all elements, or one that runs until the last element has ended.

use super::guarded::{can_fail, stand_in};
use super::{BatchValue, batch_nodes, batched_region, choose, params_like, spread};
use crate::changing_shapes::not_for_a_batch;
use std::sync::Arc;
use tracelift_ir::ops::While;
use tracelift_ir::{Builder, Graph, Type, Value};
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{DType, Dim, Error, Result, Shape};

pub(super) fn while_loop(b: &mut Builder, loop_: &While, x: &[BatchValue], size: &Dim) -> Result<Vec<BatchValue>> {
    let carried = loop_.carried();
    if !loop_.sizes.is_empty() {
        return Err(not_for_a_batch("while", b.origin()));
    }
    let mut batched: Vec<bool> = x.iter().map(|x| x.batched).collect();
    let (mut own_ends, mut kept);
    // A carried value is batched from the start if an iteration makes it so: repeat until nothing is new.
    loop {
        let before = batched.clone();
        let (_, held) = batched_region(&loop_.condition, &batched, size, &|_, batched| batched)?;
        own_ends = held[0];
        let (_, mut held) = batched_region(&loop_.body, &batched, size, &|_, batched| batched)?;
        kept = held.split_off(carried);
        for (n, now) in held.into_iter().enumerate() {
            batched[n] |= now || (own_ends && matches!(b.ty(x[n].value), Type::Tensor(_)));
        }
        if batched == before {
            break;
        }
    }
    let spread_all = x.iter().zip(&batched).map(|(x, batched)| if *batched { spread(b, *x, size) } else { Ok(*x) });
    let x = spread_all.collect::<Result<Vec<BatchValue>>>()?;
    let values = match own_ends {
        true => masked(b, loop_, &x, size)?,
        false => {
            let (condition, _) = batched_region(&loop_.condition, &batched, size, &|_, batched| batched)?;
            let wanted = |n: usize, batched_now| if n < carried { batched[n] } else { batched_now };
            let (body, _) = batched_region(&loop_.body, &batched, size, &wanted)?;
            let operands: Vec<Value> = x.iter().map(|x| x.value).collect();
            b.push_multi(While { condition, body, ..loop_.clone() }, &operands)?.to_vec()
        }
    };
    let batched = batched.into_iter().take(carried).chain(kept);
    Ok(values.into_iter().zip(batched).map(|(value, batched)| BatchValue { value, batched }).collect())
}

/// Elements end at different times: the loop carries a mask of those that go on, and the others keep their values.
fn masked(b: &mut Builder, loop_: &While, x: &[BatchValue], size: &Dim) -> Result<Vec<Value>> {
    let carried = loop_.carried();
    let carries_stack = x.iter().any(|x| b.ty(x.value).is_stack());
    if loop_.stacks > 0 || carries_stack {
        let why =
            "cannot be done for a batch: it keeps values of iterations, and each element ends at a time of its own";
        // Elements do not mix, so that the gradient of the sum holds those of all.
        let help = "differentiate after batching: the gradient of the sum of `vmap(f)` is that of each element";
        return Err(Error::invalid(why).op("while").at(b.origin().clone()).help(help));
    }
    if x.iter().take(carried).any(|x| !matches!(b.ty(x.value), Type::Tensor(_))) {
        return Err(Error::invalid("has effects in a loop that ends at a time of its own for each element of a batch")
            .op("while")
            .at(b.origin().clone()));
    }
    let goes_on = batch_nodes(b, &loop_.condition, x, size)?[0];
    let goes_on = spread(b, goes_on, size)?.value;
    let mask = Type::tensor(DType::Bool, Shape::from([size.clone()]));
    let types: Vec<Type> = x.iter().map(|x| b.ty(x.value).clone()).collect();
    let region = Masked { loop_, batched: x.iter().map(|x| x.batched).collect(), types, mask, size };
    let (condition, body) = (Arc::new(region.condition()?), Arc::new(region.body()?));
    let operands: Vec<Value> = std::iter::once(goes_on).chain(x.iter().map(|x| x.value)).collect();
    let results = b.push_multi(While::new(condition, body), &operands)?;
    Ok(results[1..].to_vec())
}

/// The regions of a loop with a mask: given the mask, what the loop carries, what it captures.
struct Masked<'a> {
    loop_: &'a While,
    batched: Vec<bool>,
    types: Vec<Type>,
    mask: Type,
    size: &'a Dim,
}

impl Masked<'_> {
    fn params(&self, b: &mut Builder) -> (Value, Vec<BatchValue>) {
        let all = std::iter::once(&self.mask).chain(&self.types).cloned();
        let params = params_like(b, all);
        let values = params[1..]
            .iter()
            .zip(&self.batched)
            .map(|(value, batched)| BatchValue { value: *value, batched: *batched });
        (params[0], values.collect())
    }

    /// Whether any element goes on.
    fn condition(&self) -> Result<Graph> {
        let mut b = Builder::new(self.loop_.condition.name());
        let (mask, _) = self.params(&mut b);
        let any = b.reduce(ReduceKind::Any, mask, &[0], false)?;
        b.finish(&[any])
    }

    /// One iteration of the elements that go on, and which of them go on after it.
    fn body(&self) -> Result<Graph> {
        let mut b = Builder::new(self.loop_.body.name());
        let (mask, values) = self.params(&mut b);
        let fails = can_fail(&self.loop_.body, self.size) || can_fail(&self.loop_.condition, self.size);
        let mut given = values.clone();
        if fails {
            for value in given.iter_mut().filter(|value| value.batched) {
                value.value = stand_in(&mut b, mask, value.value)?;
            }
        }
        let mut next = batch_nodes(&mut b, &self.loop_.body, &given, self.size)?;
        next.extend(&given[self.loop_.carried()..]);
        let goes_on = batch_nodes(&mut b, &self.loop_.condition, &next, self.size)?[0];
        let goes_on = spread(&mut b, goes_on, self.size)?.value;
        let mut results = vec![b.and(mask, goes_on)?];
        for (before, after) in values.iter().zip(&next).take(self.loop_.carried()) {
            let after = spread(&mut b, *after, self.size)?;
            results.push(choose(&mut b, mask, after.value, before.value)?);
        }
        b.finish(&results)
    }
}
