//! Library calls: products of matrices, and sorting. Of products, axes are collapsed to batch, row, summed and column, and transposes become strides.

use super::Region;
use super::nest::{Group, lowering};
use super::program::Place;
use smallvec::SmallVec;
use tracelift_ir::{Library, Lowering, NodeIndex, Op, Value};
use tracelift_kernel::loops::{Access, Affine, Index, KernelBuilder};
use tracelift_kernel::program::{BufferId, Launch, LibraryCall, LibraryOp, MatMulSpec, Role, Spread, Step};
use tracelift_tensor::{Dim, Result, Shape};

/// A buffer seen with its axes in another order, or as windows.
#[derive(Clone, Debug)]
pub(super) struct Strided {
    buffer: BufferId,
    /// How many elements the buffer has.
    elements: Dim,
    shape: Shape,
    strides: SmallVec<[Dim; 4]>,
}

impl Strided {
    fn dense(buffer: BufferId, shape: &Shape) -> Strided {
        let mut strides: SmallVec<[Dim; 4]> = SmallVec::from_elem(Dim::from(1usize), shape.rank());
        for axis in (1..shape.rank()).rev() {
            strides[axis - 1] = &strides[axis] * &shape[axis];
        }
        Strided { buffer, elements: shape.num_elements(), shape: shape.clone(), strides }
    }

    /// The sizes and strides of several axes, of which neighbours are taken as one where they are evenly spaced.
    fn merged(&self, axes: &[usize]) -> Vec<(Dim, Dim)> {
        let mut merged: Vec<(Dim, Dim)> = vec![];
        for &axis in axes.iter().filter(|axis| !self.shape[**axis].is_one()) {
            let (size, stride) = (&self.shape[axis], &self.strides[axis]);
            match merged.last_mut() {
                Some((outer, outer_stride)) if *outer_stride == size * stride => {
                    (*outer, *outer_stride) = (&*outer * size, stride.clone());
                }
                _ => merged.push((size.clone(), stride.clone())),
            }
        }
        if merged.is_empty() {
            merged.push((Dim::ONE, Dim::ONE));
        }
        merged
    }

    /// The extent and stride of several axes taken as one, if their elements are evenly spaced.
    fn collapse(&self, axes: &[usize]) -> Option<(Dim, Dim)> {
        <[(Dim, Dim); 1]>::try_from(self.merged(axes)).ok().map(|[group]| group)
    }
}

/// Whether a node does nothing but say where the elements of its operand are, and only products want to know.
pub(crate) fn is_only_read_by_products(graph: &tracelift_ir::Graph, id: NodeIndex) -> bool {
    let value = id.value();
    let users = graph.users(value);
    matches!(graph.node(id).op, Op::Transpose(_) | Op::Windows(_))
        && !users.is_empty()
        && users.iter().all(|(user, _)| matches!(graph.node(*user).op, Op::DotGeneral(_)))
        && !graph.results().contains(&value)
}

/// Notes a transpose, or windows, as strides of their operand.
pub(super) fn defer(region: &mut Region<'_, '_>, id: NodeIndex) -> Result {
    let graph = region.graph;
    let value = id.value();
    let source = strided(region, graph.node(id).operands[0])?;
    let Lowering::Index(map) = lowering(graph, id) else { panic!("a view is an index map:\n{graph}") };
    let shape = graph.ty(value).shape().clone();
    let mut strides: SmallVec<[Dim; 4]> = SmallVec::from_elem(Dim::ZERO, shape.rank());
    for (m, source) in map.iter().zip(&source.strides) {
        for (axis, step) in &m.terms {
            strides[*axis] = &strides[*axis] + source * *step;
        }
    }
    region.places.insert(value, Place::Strided(Strided { shape, strides, ..source }));
    Ok(())
}

/// Copies a strided value into a buffer of its own.
pub(super) fn materialise(region: &mut Region<'_, '_>, value: Value) -> Result {
    let graph = region.graph;
    let node = graph.node(value);
    let group = Group::new(graph, node.operands.to_vec(), vec![value], vec![value.node]);
    region.group(group, &node.operands, &[value], value.node)
}

fn strided(region: &mut Region<'_, '_>, value: Value) -> Result<Strided> {
    Ok(match &region.places[value] {
        Place::Strided(view) => view.clone(),
        Place::Buffer(buffer) => Strided::dense(*buffer, region.graph.ty(value).shape()),
        &Place::Scalar(number) => {
            let to = region.parts.buffer("one", region.graph.ty(value).dtype(), Shape::from([1usize]), Role::Arena);
            region.steps.push(Step::Write { to, value: number });
            Strided::dense(to, region.graph.ty(value).shape())
        }
        other => panic!("an operand of a product is {other:?}:\n{}", region.graph),
    })
}

pub(super) fn schedule(region: &mut Region<'_, '_>, id: NodeIndex, library: &Library) -> Result {
    let dot = match library {
        Library::MatMul(dot) => dot,
        Library::ArgSort(sort) => return argsort(region, id, sort.descending),
    };
    let graph = region.graph;
    let node = graph.node(id);
    let (x, y, z) = (node.operands[0], node.operands[1], id.value());
    let (x_free, y_free) = dot.free_axes(graph.ty(x).rank(), graph.ty(y).rank());
    let ty = graph.ty(z);
    let vector = dot.columns(graph.ty(y).shape()).is_one();
    let x_axes: [&[usize]; 3] = [&dot.lhs_batch, &x_free, &dot.lhs_contract];
    let spread = if ty.dtype().is_float() && !vector { spread(region, x, x_axes)? } else { None };
    let (left, a, spread) = match spread {
        Some((buffer, groups, spread)) => (buffer, groups, Some(spread)),
        None => side(region, x, x_axes).map(|(buffer, groups)| (buffer, groups, None))?,
    };
    let (right, b) = side(region, y, [&dot.rhs_batch, &dot.rhs_contract, &y_free])?;
    let [(batch, a_batch), (m, a_row), (k, a_k)] = a;
    let [(_, b_batch), (_, b_k), (n, b_column)] = b;
    let spec = MatMulSpec {
        dtype: ty.dtype(),
        batch,
        m,
        k,
        vector,
        n,
        a: [a_batch, a_row, a_k],
        b: [b_batch, b_k, b_column],
        spread,
    };
    let rank0 = ty.rank() == 0;
    let shape = if rank0 { Shape::from([1usize]) } else { ty.shape().clone() };
    let name = graph.name_of(z).map_or("t", |name| name);
    let result = region.parts.buffer(name, ty.dtype(), shape, Role::Arena);
    let operands = vec![left, right];
    region.steps.push(Step::Library(LibraryCall {
        op: LibraryOp::MatMul(Box::new(spec)),
        operands,
        result,
        epilogue: None,
    }));
    let place = if rank0 { region.read(result) } else { Place::Buffer(result) };
    region.places.insert(z, place);
    Ok(())
}

/// The order of rows; their buffers are dense.
fn argsort(region: &mut Region<'_, '_>, id: NodeIndex, descending: bool) -> Result {
    let operands = vec![region.buffer(region.graph.node(id).operands[0])?];
    let result = region.arena(id.value());
    let op = LibraryOp::ArgSort { descending };
    region.steps.push(Step::Library(LibraryCall { op, operands, result, epilogue: None }));
    region.places.insert(id.value(), Place::Buffer(result));
    Ok(())
}

/// A left side whose rows or steps are not evenly spaced, but whose matrices are: read where it is.
fn spread(
    region: &mut Region<'_, '_>,
    value: Value,
    [batch, rows, steps]: [&[usize]; 3],
) -> Result<Option<(BufferId, [(Dim, Dim); 3], Spread)>> {
    let view = strided(region, value)?;
    let Some(batch) = view.collapse(batch) else { return Ok(None) };
    if view.collapse(rows).is_some() && view.collapse(steps).is_some() {
        return Ok(None);
    }
    let spread = Spread { rows: view.merged(rows), steps: view.merged(steps) };
    let size = |axes: &[(Dim, Dim)]| (axes.iter().map(|(size, _)| size.clone()).product(), Dim::ZERO);
    Ok(Some((view.buffer, [batch, size(&spread.rows), size(&spread.steps)], spread)))
}

/// A side of a product and its three groups of axes as extent and stride; copied first if they are not evenly spaced.
fn side(region: &mut Region<'_, '_>, value: Value, axes: [&[usize]; 3]) -> Result<(BufferId, [(Dim, Dim); 3])> {
    let view = strided(region, value)?;
    if let [Some(p), Some(q), Some(r)] = axes.map(|axes| view.collapse(axes)) {
        return Ok((view.buffer, [p, q, r]));
    }
    let order: Vec<usize> = axes.concat();
    let dense = permuted(region, &view, &order, value);
    let mut from = 0;
    let groups = axes.map(|axes| {
        let positions: Vec<usize> = (from..from + axes.len()).collect();
        from += axes.len();
        dense.collapse(&positions).expect("the axes of a dense buffer are evenly spaced")
    });
    Ok((dense.buffer, groups))
}

/// A dense copy with the axes in this order.
fn permuted(region: &mut Region<'_, '_>, view: &Strided, order: &[usize], value: Value) -> Strided {
    let dtype = region.graph.ty(value).dtype();
    let shape: Shape = order.iter().map(|axis| view.shape[*axis].clone()).collect();
    let mut b = KernelBuilder::new(region.parts.kernel_name());
    let whole = Shape::from_iter([view.elements.clone()]);
    let from = b.param("x", dtype, whole, Access::Read);
    let to = b.param("y", dtype, shape.clone(), Access::Write);
    let vars: Vec<Affine> = shape.iter().map(|extent| Affine::var(b.par(extent.clone()))).collect();
    let mut at = Affine::constant(0usize);
    for (axis, var) in order.iter().zip(&vars) {
        at.terms.extend(var.terms.iter().map(|(v, _)| (*v, view.strides[*axis].clone())));
    }
    let element = b.load(from, [Index::Affine(at)]);
    b.store(to, vars.iter().cloned().map(Index::Affine), element);
    vars.iter().for_each(|_| b.end());
    let kernel = region.parts.kernel(b.finish(&[]));
    let buffer = region.parts.buffer("permuted", dtype, shape.clone(), Role::Arena);
    let buffers = vec![view.buffer, buffer];
    region.steps.push(Step::Launch(Launch { kernel, buffers, scalars: vec![], results: vec![], site: None }));
    Strided::dense(buffer, &shape)
}
