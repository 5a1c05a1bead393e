use tracelift::prelude::*;

struct Distance;

fn main() {
    let _ = Compile::new().loss(Distance);
}
