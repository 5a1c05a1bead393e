//! Rows AG: gradients through loops and branches.

use tracelift_function::{Function, Tensor, cond, for_range, tensor, value_and_grad};

use crate::{golden::same, rows};

/// The value and the gradient at a number, as they are computed at once and compiled.
fn both_ways(f: impl Fn(&Tensor) -> Tensor + Send + Sync + Copy + 'static, x: f32) -> [(Tensor, Tensor); 2] {
    let compiled = Function::new(move |x: &Tensor| value_and_grad(f)(x));
    [value_and_grad(f)(&tensor(x)), compiled(&tensor(x))]
}

rows! {
    t_ag12_gradients_go_through_loops_and_branches_of_the_graph => |golden| {
        let fifth = |x: &Tensor| for_range(5, x.ones_like(), |_, y| &y * x);
        let expect = golden.output("autograph.gradient_through_loop");
        for (y, dy) in both_ways(fifth, 2.0) {
            same("autograph.gradient_through_loop", &expect[0], &y, 0.0);
            same("autograph.gradient_through_loop", &expect[1], &dy, 0.0);
        }
        // Through a traced function, at once and traced itself.
        let cube = Function::new(|x: &Tensor| x.powi(3));
        let expect = golden.output("autograph.gradient_of_tf_function_cube");
        let through = move |x: &Tensor| cube(x);
        let outer = Function::new({
            let through = through.clone();
            move |x: &Tensor| value_and_grad(&through)(x)
        });
        for (z, dz) in [value_and_grad(&through)(&tensor([2.0])), outer(&tensor([2.0]))] {
            same("autograph.gradient_of_tf_function_cube", &expect["z"], &z, 0.0);
            same("autograph.gradient_of_tf_function_cube", &expect["gradient"][0], &dz, 0.0);
        }
        let chosen = |x: &Tensor| cond(&x.gt(1.0), || x.square(), || x * 3.0);
        let expect = golden.output("autograph.gradient_through_cond");
        for (n, x) in [2.0, 0.5].into_iter().enumerate() {
            for (y, dy) in both_ways(chosen, x) {
                same("autograph.gradient_through_cond", &expect[n][0], &y, 0.0);
                same("autograph.gradient_through_cond", &expect[n][1], &dy, 0.0);
            }
        }
    };
}
