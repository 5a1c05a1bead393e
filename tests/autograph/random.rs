//! The random functions of `generated.rs`: on plain numbers, on tensors at once, and traced on every engine they give the
//! same; their gradients through loops and branches are those of the operations that a tape has seen.

use tracelift::prelude::*;
use tracelift::{Engine, Unconnected};

use crate::{check::Leaf, generate, generated};

/// Compiles each function for plain numbers and for tensors, and lists both forms.
macro_rules! twice {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ident $body:block)*) => {
        #[allow(warnings, clippy::all, reason = "one source serves two types")]
        pub(crate) mod numbers {
            use crate::random::of_numbers::*;
            $(pub(crate) fn $name($($argument: $type),*) -> $result $body)*
        }
        #[allow(warnings, clippy::all, reason = "one source serves two types")]
        pub(crate) mod tensors {
            use crate::random::of_tensors::*;
            $(#[tracelift::autograph] pub(crate) fn $name($($argument: $type),*) -> $result $body)*
        }
        pub(crate) const ALL: &[crate::random::Twice] = &[$(crate::random::Twice {
            name: stringify!($name),
            plain: crate::random::Plain::$result(numbers::$name),
            tensors: tensors::$name,
        }),*];
    };
}
pub(crate) use twice;

/// One source in two forms.
pub(crate) struct Twice {
    pub(crate) name: &'static str,
    pub(crate) plain: Plain,
    pub(crate) tensors: fn(&Tensor, &Tensor, &Tensor) -> Tensor,
}

/// On plain numbers, by the result.
pub(crate) enum Plain {
    Float(fn(&f32, &i32, &of_numbers::Vector) -> f32),
    Int(fn(&f32, &i32, &of_numbers::Vector) -> i32),
}

/// What the functions are written in, for numbers.
pub(crate) mod of_numbers {
    use std::ops::{Add, Mul, Range, Sub};

    pub(crate) type Float = f32;
    pub(crate) type Int = i32;

    /// Three numbers.
    #[derive(Clone, Copy)]
    pub(crate) struct Vector(pub(crate) [f32; 3]);

    impl Vector {
        fn zip(self, other: Vector, f: impl Fn(f32, f32) -> f32) -> Vector {
            Vector(std::array::from_fn(|n| f(self.0[n], other.0[n])))
        }
    }

    macro_rules! operators {
        ($($trait:ident $method:ident $of:ty, $with:ty => |$x:ident, $y:ident| $value:expr;)*) => {$(
            impl $trait<$with> for $of {
                type Output = Vector;
                fn $method(self, other: $with) -> Vector {
                    let ($x, $y) = (self, other);
                    $value
                }
            }
        )*};
    }
    operators! {
        Add add &Vector, &Vector => |x, y| x.zip(*y, |a, b| a + b);
        Sub sub &Vector, Vector => |x, y| x.zip(y, |a, b| a - b);
        Mul mul &Vector, f32 => |x, y| x.zip(Vector([y; 3]), |a, b| a * b);
        Mul mul Vector, f32 => |x, y| x.zip(Vector([y; 3]), |a, b| a * b);
        Add add Vector, f32 => |x, y| x.zip(Vector([y; 3]), |a, b| a + b);
    }

    pub(crate) fn int(n: i32) -> i32 {
        n
    }

    pub(crate) fn to(n: &i32) -> Range<i32> {
        0..*n
    }

    pub(crate) fn float(n: &i32) -> f32 {
        *n as f32
    }

    pub(crate) fn squash(x: &f32) -> f32 {
        x / (x.abs() + 1.0)
    }

    pub(crate) fn root(x: &f32) -> f32 {
        (x.abs() + 0.5).sqrt()
    }

    /// In the order in which sums are joined.
    pub(crate) fn sum(v: &Vector) -> f32 {
        let [a, b, c] = v.0;
        (a + c) + b
    }
}

/// What the functions are written in, for tensors.
pub(crate) mod of_tensors {
    use tracelift::{TensorRange, prelude::*};

    pub(crate) type Float = Tensor;
    pub(crate) type Int = Tensor;
    pub(crate) type Vector = Tensor;

    pub(crate) fn int(n: i32) -> Tensor {
        tensor(n)
    }

    pub(crate) fn to(n: &Tensor) -> TensorRange {
        range_t(n)
    }

    pub(crate) fn float(n: &Tensor) -> Tensor {
        n.cast(F32)
    }

    pub(crate) fn squash(x: &Tensor) -> Tensor {
        x / (x.abs() + 1.0)
    }

    pub(crate) fn root(x: &Tensor) -> Tensor {
        (x.abs() + 0.5).sqrt()
    }

    pub(crate) fn sum(v: &Tensor) -> Tensor {
        v.sum(..)
    }
}

const V: [f32; 3] = [0.5, -1.0, 2.0];
const INPUTS: [(f32, i32); 3] = [(-1.5, 0), (0.25, 3), (2.0, 5)];

type ThreeTensors = fn(&Tensor, &Tensor, &Tensor) -> Vec<Tensor>;

/// The value, and the gradient by `x` if it is a float.
fn with_gradient(f: &Twice) -> Function<ThreeTensors> {
    let (f, floats) = (f.tensors, matches!(f.plain, Plain::Float(_)));
    Function::new(move |x: &Tensor, n: &Tensor, v: &Tensor| both(f, floats, x, n, v))
}

fn both(f: fn(&Tensor, &Tensor, &Tensor) -> Tensor, floats: bool, x: &Tensor, n: &Tensor, v: &Tensor) -> Vec<Tensor> {
    let tape = GradientTape::new();
    tape.watch(x);
    let y = f(x, n, v);
    match floats {
        true => vec![y.clone(), tape.unconnected(Unconnected::Zero).gradient(&y, x)],
        false => vec![y],
    }
}

/// What differs for one function, if anything does.
fn fault(f: &Twice) -> Option<String> {
    let engines = Engine::ALL.map(|engine| with_gradient(f).options(Options { engine, ..Options::default() }));
    for (x, n) in INPUTS {
        let (tx, tn, tv) = (tensor(x), tensor(n), tensor(V));
        let at_once = (f.tensors)(&tx, &tn, &tv).to_array().map_err(|error| error.to_string());
        let at_once = match at_once {
            Ok(array) => array,
            Err(error) => return Some(format!("{} of {x} and {n} fails at once: {error}", f.name)),
        };
        let vector = of_numbers::Vector(V);
        let same = match f.plain {
            Plain::Float(plain) => same(at_once.item::<f32>().unwrap_or(f32::NAN), plain(&x, &n, &vector)),
            Plain::Int(plain) => at_once.item::<i32>().ok() == Some(plain(&x, &n, &vector)),
        };
        if !same {
            return Some(format!("{} of {x} and {n} is {at_once} on tensors, not so on numbers", f.name));
        }
        // Plain Rust runs the loops and branches; the tape sees single operations.
        let taped = both(f.tensors, matches!(f.plain, Plain::Float(_)), &tx, &tn, &tv).arrays();
        let mut first: Option<Vec<Array>> = None;
        for (engine, traced) in Engine::ALL.iter().zip(&engines) {
            let given = traced(&tx, &tn, &tv);
            if let Some(error) = given.iter().find_map(Tensor::error) {
                return Some(format!("{} of {x} and {n} fails on {}: {error}", f.name, engine.name()));
            }
            let given = given.arrays();
            let first = first.get_or_insert_with(|| given.clone());
            let equal = given[0].bit_eq(&at_once) && given.iter().zip(&*first).all(|(a, b)| a.bit_eq(b));
            if !equal {
                return Some(format!("{} of {x} and {n}: {given:?} on {}, {at_once}", f.name, engine.name()));
            }
        }
        let given = first.expect("there are engines");
        if let (Some(given), Some(taped)) = (given.get(1), taped.get(1)) {
            // Loops add up what flows back in another order.
            let (a, b) = (given.get_f64(0), taped.get_f64(0));
            if !(a.is_nan() && b.is_nan()) && (a - b).abs() > 1e-4 * (1.0 + b.abs()) {
                return Some(format!("{} of {x} and {n} has gradient {a}, by a tape {b}", f.name));
            }
        }
    }
    if engines.iter().any(|traced| traced.trace_count() != 1) {
        return Some(format!("{} was traced more than once", f.name));
    }
    None
}

fn same(a: f32, b: f32) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

fn check_part(part: usize) {
    let faults: Vec<String> = generated::ALL.iter().skip(part).step_by(PARTS).filter_map(fault).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Tests run side by side.
const PARTS: usize = 4;

#[test]
fn random_functions_part_1() {
    check_part(0);
}

#[test]
fn random_functions_part_2() {
    check_part(1);
}

#[test]
fn random_functions_part_3() {
    check_part(2);
}

#[test]
fn random_functions_part_4() {
    check_part(3);
}

/// `generated.rs` is what the generator writes; `BLESS=1` rewrites it.
#[test]
fn the_corpus_is_what_the_generator_writes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/autograph/generated.rs");
    let text = generate::corpus();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("the corpus can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "tests/autograph/generated.rs is stale: run `BLESS=1 cargo test --test autograph corpus`");
}

/// A generator that stops writing loops would be noticed by nobody.
#[test]
fn the_corpus_shows_everything() {
    let text = generate::corpus();
    for (what, least) in [
        ("if ", 200),
        ("} else {", 80),
        ("else if", 20),
        ("match ", 30),
        ("return ", 30),
        ("in to(", 50),
        ("in 0..", 50),
        ("while ", 25),
        ("loop {", 25),
        ("break;", 40),
        ("continue;", 20),
        ("break 'l", 3),
        ("continue 'l", 3),
        (" && ", 60),
        (" || ", 30),
        ("!(", 30),
        ("(a, b) = ", 20),
    ] {
        let count = text.matches(what).count();
        assert!(count >= least, "`{what}` stands {count} times in the corpus, less than {least}");
    }
}
