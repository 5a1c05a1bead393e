//! Control flow written as plain Rust, and the graphs it becomes: Collatz, Newton, Fibonacci, bisection, a recurrent
//! network with its gradient.

use tracelift::{display_code, grad, prelude::*};

/// How many steps lead from `n` to 1.
#[function]
fn collatz(n: &Tensor) -> Tensor {
    let mut n = n.clone();
    let mut steps = tensor(0);
    while n != 1 {
        if &n % 2 == 0 {
            n = n.floor_div(2);
        } else {
            n = 3 * n + 1;
        }
        steps += 1;
    }
    steps
}

/// The square root, by Newton's method, until two guesses agree.
#[function]
fn square_root(a: &Tensor) -> Tensor {
    let mut x = (a + 1.0) / 2.0;
    for _ in range_t(50) {
        let next = (&x + a / &x) / 2.0;
        if (&next - &x).abs() <= 1e-6 * &x {
            return next;
        }
        x = next;
    }
    x
}

/// The `n`-th number of Fibonacci.
#[function]
fn fibonacci(n: &Tensor) -> Tensor {
    let (mut a, mut b) = (tensor(0), tensor(1));
    for _ in range_t(n) {
        (a, b) = (b.clone(), a + b);
    }
    a
}

/// A zero of `x³ - x - c` between 0 and 2, by bisection.
#[function]
fn bisection(c: &Tensor) -> Tensor {
    let f = |x: &Tensor| x.powi(3) - x - c;
    let (mut low, mut high) = (tensor(0.0), tensor(2.0));
    loop {
        let middle = (&low + &high) / 2.0;
        if &high - &low < 1e-6 {
            break;
        }
        if f(&middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The last state of a recurrent network over the rows of `xs`, skipping rows of zeros.
#[autograph]
fn recurrent(xs: &Tensor, weights: &Tensor) -> Tensor {
    let mut state = Tensor::zeros([1, 3]);
    for x in xs {
        if (&x * &x).sum(..) == 0.0 {
            continue;
        }
        state = (x.expand_dims(0) + state.matmul(weights)).tanh();
    }
    state
}

/// Shows a function: what it was rewritten to, what it was traced to, what it gives.
fn show(f: &tracelift::Function<fn(&Tensor) -> Tensor>, arguments: &[Tensor]) -> Result {
    println!("{}\n", display_code(f));
    for x in arguments {
        println!("{}({x}) = {}", f.name(), f(x));
    }
    if let Some(x) = arguments.first() {
        println!("\n{}", f.concrete(x)?.graph());
    }
    Ok(())
}

fn main() -> Result {
    show(collatz::function(), &[tensor(27), tensor(97)])?;
    show(square_root::function(), &[tensor(2.0), tensor(1e6)])?;
    show(fibonacci::function(), &[tensor(10), tensor(40)])?;
    show(bisection::function(), &[tensor(1.0), tensor(0.5)])?;

    // The gradient of a loop is a loop, too.
    println!("{}\n", display_code(&recurrent::code()));
    let xs = tensor([[0.5, -0.5, 1.0], [0.0, 0.0, 0.0], [0.25, 0.75, -1.0]]);
    let loss = move |weights: &Tensor| recurrent(&xs, weights).square().sum(..);
    let slope = Function::new(grad(loss.clone())).named("slope");
    let weights = tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]);
    println!("loss({weights}) = {}", loss(&weights));
    println!("slope = {}\n", slope(&weights));
    println!("{}", slope.concrete(&weights)?.graph());
    Ok(())
}
