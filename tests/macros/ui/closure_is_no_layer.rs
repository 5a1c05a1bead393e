use tracelift::prelude::*;

fn main() {
    let _ = Sequential::new().add(|x: &Tensor| x.exp());
}
