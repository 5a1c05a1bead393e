use tracelift::prelude::*;

#[derive(Module)]
enum Either {
    A(Dense),
    B,
}

fn main() {}
