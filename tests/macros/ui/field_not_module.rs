use tracelift::prelude::*;

#[derive(Module)]
struct Cached {
    dense: Dense,
    cache: std::sync::Mutex<Weight>,
}

fn main() {}
