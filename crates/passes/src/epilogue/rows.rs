//! Elementwise kernels written as loops over the rows of a matrix.

use tracelift_kernel::loops::{Affine, Base, Block, Index, Kernel, Loop, LoopKind, LoopVar, Place, Stmt};
use tracelift_tensor::{Dim, Shape};

/// The kernel with its outermost `par` loop over `rows` rows of `columns` columns; `None` if it has no such form.
///
/// It has if the outermost loop is that already, if several loops after one another make up the rows, or if one loop runs
/// over all elements.
pub(super) fn by_rows(kernel: &Kernel, rows: &Dim, columns: &Dim) -> Option<Kernel> {
    let outer = kernel.outer_par()?;
    if outer.axes[0].1 == *rows {
        return Some(kernel.clone());
    }
    if outer.axes[0].1 == rows * columns {
        return cut(kernel, rows, columns);
    }
    join(kernel, rows)
}

/// Whether all accesses of a parameter are in the row of the outermost loop.
pub(super) fn stays_in_row(kernel: &Kernel, param: usize) -> bool {
    let Some(outer) = kernel.outer_par() else { return false };
    let row = Index::Affine(Affine::var(outer.axes[0].0));
    let mut stays = kernel.params[param].shape.first() == Some(&outer.axes[0].1);
    kernel.for_each_stmt(&mut |stmt| {
        if let Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } = stmt {
            stays &= place.base != Base::Param(param as u32) || place.index.first() == Some(&row);
        }
    });
    stays
}

/// One loop over all elements as one over rows and one over columns.
fn cut(kernel: &Kernel, rows: &Dim, columns: &Dim) -> Option<Kernel> {
    let outer = kernel.outer_par()?;
    let (var, whole) = &outer.axes[0];
    let flat = Index::Affine(Affine::var(*var));
    let is_flat = |place: &Place| place.index.as_slice() == [flat.clone()] && is_param(place);
    let plain = outer.body.stmts.iter().all(|stmt| match stmt {
        Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } => is_flat(place),
        Stmt::Lane { .. } => true,
        Stmt::Index { .. } | Stmt::Loop(_) => false,
    });
    if !plain || kernel.params.iter().any(|param| param.shape.dims() != [whole.clone()]) {
        return None;
    }
    let mut new = kernel.clone();
    let column = LoopVar(new.loop_vars);
    new.loop_vars += 1;
    new.params.iter_mut().for_each(|param| param.shape = Shape::from_iter([rows.clone(), columns.clone()]));
    let mut body = std::mem::take(&mut the_loop(&mut new).body);
    for_each_place(&mut body, &mut |place| place.index.push(Index::Affine(Affine::var(column))));
    let inner = Loop {
        kind: LoopKind::Par,
        axes: [(column, columns.clone())].into_iter().collect(),
        carried: Default::default(),
        body,
        results: Default::default(),
    };
    let outer = the_loop(&mut new);
    outer.axes[0].1 = rows.clone();
    outer.body.stmts.push(Stmt::Loop(inner));
    Some(new)
}

/// The outermost loops, whose extents multiply to `rows`, as one loop.
fn join(kernel: &Kernel, rows: &Dim) -> Option<Kernel> {
    let mut axes: Vec<(LoopVar, Dim)> = vec![];
    let mut body = &kernel.body;
    let mut extent = Dim::ONE;
    while extent != *rows || axes.len() < 2 {
        let [Stmt::Loop(next)] = body.stmts.as_slice() else { return None };
        if next.kind != LoopKind::Par {
            return None;
        }
        extent = &extent * &next.axes[0].1;
        axes.push(next.axes[0].clone());
        body = &next.body;
    }
    let indices: Vec<Index> = axes.iter().map(|(var, _)| Index::Affine(Affine::var(*var))).collect();
    let extents: Vec<Dim> = axes.iter().map(|(_, extent)| extent.clone()).collect();
    let mentions = |affine: &Affine| axes.iter().any(|(var, _)| affine.terms.iter().any(|(v, _)| v == var));
    // A parameter is in the rows, which are its leading axes, or the same for all of them.
    let mut in_rows: Vec<Option<bool>> = vec![None; kernel.params.len()];
    let mut fits = true;
    kernel.for_each_stmt(&mut |stmt| match stmt {
        Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } => {
            let Base::Param(param) = place.base else { return fits = false };
            let leads = place.index.starts_with(&indices);
            let rest = &place.index[if leads { indices.len() } else { 0 }..];
            fits &= !rest.iter().any(|index| matches!(index, Index::Affine(affine) if mentions(affine)));
            fits &= !leads || kernel.params[param as usize].shape.starts_with(&extents);
            fits &= *in_rows[param as usize].get_or_insert(leads) == leads;
        }
        Stmt::Index { value, .. } => fits &= !mentions(value),
        Stmt::Lane { .. } | Stmt::Loop(_) => {}
    });
    if !fits {
        return None;
    }
    let mut new = kernel.clone();
    for (param, in_rows) in new.params.iter_mut().zip(&in_rows) {
        if *in_rows == Some(true) {
            param.shape = [rows].into_iter().chain(&param.shape[axes.len()..]).cloned().collect();
        }
    }
    let mut body = std::mem::take(&mut the_loop(&mut new).body);
    for _ in 1..axes.len() {
        let Some(Stmt::Loop(inner)) = body.stmts.pop() else { return None };
        body = inner.body;
    }
    for_each_place(&mut body, &mut |place| {
        if place.index.starts_with(&indices) {
            place.index.drain(1..indices.len());
        }
    });
    let outer = the_loop(&mut new);
    outer.axes[0].1 = rows.clone();
    outer.body = body;
    let gone: Vec<LoopVar> = axes[1..].iter().map(|(var, _)| *var).collect();
    new.forget_loop_vars(&gone);
    Some(new)
}

fn is_param(place: &Place) -> bool {
    matches!(place.base, Base::Param(_))
}

fn the_loop(kernel: &mut Kernel) -> &mut Loop {
    match kernel.body.stmts.first_mut() {
        Some(Stmt::Loop(outer)) => outer,
        _ => panic!("`{}` was seen to be a loop", kernel.name),
    }
}

fn for_each_place(block: &mut Block, visit: &mut dyn FnMut(&mut Place)) {
    let mut pending = vec![block];
    while let Some(block) = pending.pop() {
        for stmt in &mut block.stmts {
            match stmt {
                Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } => visit(place),
                Stmt::Loop(inner) => pending.push(&mut inner.body),
                Stmt::Lane { .. } | Stmt::Index { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_kernel::text::{Module, Source};

    fn kernel(params: &str, body: &str) -> Kernel {
        let text = format!("kernel @k({params}) {{ {body} }}");
        let module = Module::parse(Source::new("test", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
        (*module.kernels[0]).clone()
    }

    fn rewritten(params: &str, body: &str) -> Option<Kernel> {
        let [b, s, n] = ["B", "S", "N"].map(Dim::sym);
        let new = by_rows(&kernel(params, body), &(&b * &s), &n)?;
        assert_eq!(new.verify(), []);
        Some(new)
    }

    #[test]
    fn one_loop_over_all_elements_is_cut_into_rows() {
        let body = |at: &str| format!("%0 = load %x[{at}] %1 = exp %0 store %y[{at}], %1");
        let flat = format!("par %i in 0..B*S*N {{ {} }}", body("%i"));
        let rows = format!("par %i in 0..B*S {{ par %j in 0..N {{ {} }} }}", body("%i, %j"));
        let new = rewritten("%x: f32[B*S*N], out %y: f32[B*S*N]", &flat).unwrap();
        assert_eq!(new.to_string(), kernel("%x: f32[B*S, N], out %y: f32[B*S, N]", &rows).to_string());
        assert!(stays_in_row(&new, 0) && stays_in_row(&new, 1));
        let by_index = "par %i in 0..B*S*N { %0 = index %i %1 = cast.f32 %0 store %y[%i], %1 }";
        assert!(rewritten("out %y: f32[B*S*N]", by_index).is_none(), "an index knows no rows");
    }

    #[test]
    fn loops_that_make_up_the_rows_are_joined() {
        let body = |at: &str| format!("%0 = load %x[{at}, %k] %1 = load %b[%k] %2 = add %0, %1 store %y[{at}, %k], %2");
        let three = format!("par %i in 0..B {{ par %j in 0..S {{ par %k in 0..N {{ {} }} }} }}", body("%i, %j"));
        let two = format!("par %i in 0..B*S {{ par %k in 0..N {{ {} }} }}", body("%i"));
        let new = rewritten("%x: f32[B, S, N], %b: f32[N], out %y: f32[B, S, N]", &three).unwrap();
        assert_eq!(new.to_string(), kernel("%x: f32[B*S, N], %b: f32[N], out %y: f32[B*S, N]", &two).to_string());
        assert!(stays_in_row(&new, 0) && !stays_in_row(&new, 1));
        // What differs between the axes that become one has no place in the new loop.
        let apart = three.replace("%b[%k]", "%b[%j]");
        assert!(rewritten("%x: f32[B, S, N], %b: f32[S], out %y: f32[B, S, N]", &apart).is_none());
    }
}
