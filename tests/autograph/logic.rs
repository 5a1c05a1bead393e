//! `&&` and `||`: the right side is run if the left one does not decide, in graphs, too.

use tracelift::{Engine, grad, prelude::*, vmap};

use crate::check::everywhere;

/// Where a number stands in four.
#[autograph]
fn position(items: &Tensor, x: &Tensor) -> Tensor {
    let mut i = tensor(0);
    while i < 4 && items.gather(&i) != x {
        i += 1;
    }
    i
}

#[autograph]
fn divides(n: &Tensor) -> Tensor {
    if n != 0 && 12 % n == 0 { n * 100 } else { n - 1 }
}

#[autograph]
fn divides_or_is_zero(n: &Tensor) -> Tensor {
    if n == 0 || 12 % n == 0 { n * 100 } else { n - 1 }
}

#[test]
fn what_would_fail_is_not_run() {
    let items = tensor([5, 7, 7, 9]);
    for (x, expect) in [(5, 0), (9, 3), (1, 4)] {
        let items = items.clone();
        let given = everywhere(move |x: &Tensor| position(&items, x), &tensor(x));
        assert_eq!(given[0].item::<i32>().unwrap(), expect);
    }
    for (n, and, or) in [(0, -1, 0), (3, 300, 300), (5, 4, 4)] {
        assert_eq!(everywhere(divides, &tensor(n))[0].item::<i32>().unwrap(), and);
        assert_eq!(everywhere(divides_or_is_zero, &tensor(n))[0].item::<i32>().unwrap(), or);
    }
}

#[test]
fn conditions_are_not_asked_after_a_break() {
    /// How many of the first items are positive.
    #[autograph]
    fn positive(items: &Tensor) -> Tensor {
        let mut i = tensor(0);
        while items.gather(&i) > 0 {
            i += 1;
            if i == 3 {
                break;
            }
        }
        i
    }
    for (items, expect) in [([1, 2, 3], 3), ([1, 0, 3], 1), ([-1, 0, 0], 0)] {
        assert_eq!(everywhere(positive, &tensor(items))[0].item::<i32>().unwrap(), expect);
    }
    // Also in a loop, and where it returns.
    #[autograph]
    fn twice(items: &Tensor) -> Tensor {
        let mut sum = tensor(0);
        for k in range_t(2) {
            let mut i = tensor(0);
            while items.gather(&i) >= &k {
                sum += items.gather(&i);
                i += 1;
                if sum > 50 {
                    return -sum;
                }
                if i == 3 {
                    break;
                }
            }
        }
        sum
    }
    for (items, expect) in [([1, 2, 3], 12), ([0, 5, 1], 6), ([20, 20, 20], -60)] {
        assert_eq!(everywhere(twice, &tensor(items))[0].item::<i32>().unwrap(), expect);
    }
}

#[test]
fn assertions_and_assignments_of_the_right_side() {
    #[autograph]
    fn checked(x: &Tensor) -> Tensor {
        let mut asked = tensor(0);
        let positive = x > 0 && {
            assert!(x < 100);
            asked += 1;
            x != 7
        };
        let odd = x % 2 == 1 || {
            asked += 10;
            asked > 10
        };
        if positive && odd { asked + 1000 } else { asked }
    }
    for (x, expect) in [(-2, 10), (3, 1001), (4, 1011), (7, 1)] {
        assert_eq!(everywhere(checked, &tensor(x))[0].item::<i32>().unwrap(), expect, "of {x}");
    }
    let traced = Function::new(|x: &Tensor| checked(x));
    assert!(traced(&tensor(200)).error().unwrap().to_string().contains("assertion failed: x < 100"));
    assert_eq!(traced(&tensor(-200)).item::<i32>().unwrap(), 10);
}

#[test]
fn variables_change_if_the_right_side_runs() {
    #[autograph]
    fn count(x: &Tensor, seen: &Variable) -> Tensor {
        if x > 0 && seen.assign_add(1).unwrap() > 1 { x * 10 } else { x.clone() }
    }
    #[autograph]
    fn read(x: &Tensor, seen: &Variable) -> Tensor {
        seen.assign(5).unwrap();
        if x > 0 && seen > 4 { x * 10 } else { x.clone() }
    }
    for engine in Engine::ALL {
        let seen = Variable::new(0);
        let traced = Function::new(count).options(Options { engine, ..Options::default() });
        let given = [3, -1, 4].map(|x| traced(&tensor(x), &seen).item::<i32>().unwrap());
        assert_eq!((given, seen.item::<i32>().unwrap()), ([3, -1, 40], 2));
        // What is read is what was assigned last.
        let read = Function::new(read).options(Options { engine, ..Options::default() });
        let given = [3, -1].map(|x| read(&tensor(x), &seen).item::<i32>().unwrap());
        assert_eq!(given, [30, -1]);
    }
}

#[test]
fn errors_of_the_right_side_leave_the_function() {
    fn read(x: &Tensor, known: bool) -> Result<Tensor> {
        if known { x.clone().ok() } else { Err(Error::value("is not known")) }
    }
    #[function]
    fn f(x: &Tensor, known: bool) -> Result<Tensor> {
        Ok(if x > 0 && read(x, known)? > 1 { x * 2 } else { x.clone() })
    }
    assert_eq!(f(&tensor(3), true).unwrap().item::<i32>().unwrap(), 6);
    assert_eq!(f(&tensor(3), false).unwrap_err().to_string(), "is not known");
}

/// The text of a traced function.
fn text(f: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static, spec: tracelift::TensorSpec) -> String {
    Function::new(f).concrete(spec).unwrap().graph().to_string()
}

#[test]
fn a_few_numbers_are_no_branch() {
    #[autograph]
    fn cheap(x: &Tensor) -> Tensor {
        let inside = x > 0.0 && (x < 10.0 || x == 20.0);
        inside.cast(F32)
    }
    let cheap = text(cheap, spec!(f32[]));
    assert!(!cheap.contains("cond") && cheap.contains(" and ") && cheap.contains(" or "), "{cheap}");
    #[autograph]
    fn dear(x: &Tensor) -> Tensor {
        let inside = x.slice(0) > 0.0 && x.exp().sum(..) < 10.0;
        inside.cast(F32)
    }
    let dear = text(dear, spec!(f32[None]));
    assert!(dear.contains("cond") && !dear.contains(" and "), "{dear}");
    // A divisor that is known is no reason for a branch.
    #[autograph]
    fn even(x: &Tensor) -> Tensor {
        let inside = x > 0 && x % 2 == 0;
        inside.cast(I32)
    }
    assert!(!text(even, spec!(i32[])).contains("cond"));
    assert!(text(divides, spec!(i32[])).matches("cond").count() == 2);
}

#[test]
fn gradients_and_batches_go_through() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        let mut y = x.clone();
        let mut n = tensor(0);
        while n < 6 && y.tanh() < 0.9 {
            y = &y * &y + 0.3;
            n += 1;
        }
        if y > 1.0 || y.exp() > 2.0 { y * x } else { y }
    }
    let xs = [-0.5, 0.1, 0.6, 1.3];
    for x in xs {
        everywhere(f, &tensor(x));
        // At once, plain Rust decides.
        let at_once = |x: f32| f(&tensor(x)).item::<f32>().unwrap();
        let slope = everywhere(|x: &Tensor| grad(f)(x), &tensor(x))[0].item::<f32>().unwrap();
        let expect = (at_once(x + 1e-3) - at_once(x - 1e-3)) / 2e-3;
        assert!((slope - expect).abs() < 2e-2 * (1.0 + expect.abs()), "{slope} and {expect} at {x}");
    }
    let rows = vmap(f)(&tensor(xs)).to_vec::<f32>().unwrap();
    assert_eq!(rows, xs.map(|x| f(&tensor(x)).item::<f32>().unwrap()));
    let found = vmap(|x: &Tensor| position(&tensor([5, 7, 7, 9]), x))(&tensor([7, 1, 9]));
    assert_eq!(found.to_vec::<i32>().unwrap(), [1, 4, 3]);
}
