//! Gradients held to central differences.

use tracelift_autodiff::grad;
use tracelift_ir::{Builder, Graph, Op, ParamRole, Type, Value, evaluate};
use tracelift_tensor::{Array, DType, Result};

/// Numbers without ties or symmetry, away from the edges of every op's domain.
pub fn generic(shape: &[usize], seed: usize) -> Array {
    let count: usize = shape.iter().product();
    let item = |i: usize| 0.31 + 1.3 * (((i * 7919 + seed * 104_729 + 13) % 1009) as f64 / 1009.0);
    Array::new(shape, (0..count).map(item).collect::<Vec<f64>>()).expect("as many elements as the shape asks for")
}

/// The sum of all f64 results of an op, each element times a number of its own: a function with one answer and a
/// gradient without symmetry. `None` if the op does not take these types or answers no f64.
pub fn weighted(op: &Op, types: &[Type], arguments: &[Array]) -> Option<Graph> {
    let mut b = Builder::new(op.name());
    let params: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let made = b.push_multi(op.clone(), &params).ok()?;
    let plain = {
        let mut b = Builder::new("plain");
        let params: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let made = b.push_multi(op.clone(), &params).ok()?;
        evaluate(&b.finish(&made).ok()?, arguments).ok()?
    };
    let mut total = None;
    for (n, (value, array)) in made.iter().zip(&plain).enumerate() {
        if array.dtype() != DType::F64 || array.is_empty() || b.ty(*value).is_stack() {
            continue;
        }
        let weights = b.constant(generic(array.shape(), 17 + n));
        let product = b.mul(*value, weights).ok()?;
        let axes: Vec<usize> = (0..array.rank()).collect();
        let sum = if axes.is_empty() { product } else { b.sum(product, &axes, false).ok()? };
        total = Some(match total {
            Some(before) => b.add(before, sum).ok()?,
            None => sum,
        });
    }
    b.finish(&[total?]).ok()
}

/// The function that answers Σ gradient · direction, with respect to the f64 parameters.
pub fn slope(graph: &Graph, directions: &[Array]) -> Result<Graph> {
    let wrt: Vec<usize> = (0..graph.params().len()).filter(|n| is_f64(graph, *n)).collect();
    let gradient = grad(graph, &wrt)?;
    let mut b = Builder::new("slope");
    let params: Vec<Value> = graph.param_types().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let made = b.splice(&gradient, &params)?;
    let mut total = b.number(DType::F64, 0.0);
    for (n, dx) in wrt.iter().zip(gradient.results()) {
        let dx = made[*dx];
        let direction = b.constant(directions[*n].clone());
        let product = b.mul(dx, direction)?;
        let axes: Vec<usize> = (0..b.ty(dx).rank()).collect();
        let sum = if axes.is_empty() { product } else { b.sum(product, &axes, false)? };
        total = b.add(total, sum)?;
    }
    b.finish(&[total])
}

/// Compares the slope along a direction with the difference quotient; a text if they disagree.
pub fn check_slope(graph: &Graph, slope: &Graph, arguments: &[Array], directions: &[Array]) -> Result<(), String> {
    let at = |by: f64| -> Result<f64, String> {
        let moved: Vec<Array> = (0..arguments.len()).map(|n| moved(graph, n, arguments, directions, by)).collect();
        number(graph, &moved)
    };
    let step = 1e-6;
    let difference = (at(step)? - at(-step)?) / (2.0 * step);
    let given = number(slope, arguments)?;
    // A quotient of doubles with this step is good to about nine digits.
    match (difference - given).abs() <= 1e-5 * (1.0 + difference.abs()) {
        true => Ok(()),
        false => Err(format!("the gradient says {given}, differences say {difference}\n{slope}")),
    }
}

fn moved(graph: &Graph, n: usize, arguments: &[Array], directions: &[Array], by: f64) -> Array {
    if !is_f64(graph, n) {
        return arguments[n].clone();
    }
    let items = arguments[n].as_slice::<f64>().iter().zip(directions[n].as_slice::<f64>());
    let items: Vec<f64> = items.map(|(x, d)| x + by * d).collect();
    Array::new(arguments[n].shape(), items).expect("the same shape")
}

fn number(graph: &Graph, arguments: &[Array]) -> Result<f64, String> {
    let results = evaluate(graph, arguments).map_err(|error| format!("{error}\n{graph}"))?;
    results[0].item::<f64>().map_err(|error| error.to_string())
}

fn is_f64(graph: &Graph, n: usize) -> bool {
    graph.ty(graph.params()[n]).as_tensor().is_some_and(|ty| ty.dtype == DType::F64)
}
