use tracelift::prelude::*;

struct Double;

impl Layer for Double {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        x * 2
    }
}

fn main() {}
