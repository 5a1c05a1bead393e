use tracelift::prelude::*;

#[function]
fn text_is_no_condition(x: &Tensor) -> Tensor {
    if "yes" { x * 2 } else { x.clone() }
}

#[function]
fn branches_of_two_types(x: &Tensor) -> Tensor {
    let y = if x > 0.0 { x * 2 } else { "none" };
    y
}

#[autograph(fast)]
fn no_options(x: &Tensor) -> Tensor {
    x.clone()
}

fn outside_of_rewritten_code(x: &Tensor) -> Tensor {
    if x.gt(0.0) { x * 2 } else { x.clone() }
}

fn main() {}
