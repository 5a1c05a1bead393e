use tracelift::prelude::*;

fn main() {
    let _ = vec![Dense::new(30); 5];
}
