use tracelift::prelude::*;

#[function]
fn twice<T: Tree>(x: &T) -> T {
    x.clone()
}

#[function(jit_compile)]
fn thrice(x: &Tensor) -> Tensor {
    x * 3
}

fn main() {}
