//! A function is traced once, looked at, and called.

use tracelift::prelude::*;

#[function]
fn cube(x: &Tensor) -> Tensor {
    x.powi(3)
}

fn main() -> Result {
    // The graph that was traced for vectors of any length, and what becomes of it.
    let concrete = cube::function().concrete(spec!(f32[None]))?;
    println!("{}", concrete.graph());

    // Called with a scalar it is traced again: the type is another one.
    println!("cube(2) = {}", cube(&tensor(2.0)));
    println!("cube([1, 2, 3]) = {}", cube(&tensor([1., 2., 3.])));
    println!("traced {} times", cube::function().trace_count());

    // A mistake is carried by the result, and names the line that made it.
    let wrong = cube(&tensor([1., 2.])) + tensor([1., 2., 3.]);
    if let Err(error) = wrong.to_vec::<f32>() {
        println!("{error}");
    }
    Ok(())
}
