use tracelift::prelude::*;

#[function]
fn f(x: &Tensor) -> Tensor {
    let y;
    if x > 0.0 {
        y = x * 2;
    } else {
        y = -x;
    }
    y
}

fn main() {}
