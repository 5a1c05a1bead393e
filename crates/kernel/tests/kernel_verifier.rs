//! What the verifier of kernels refuses: text and the message with its place.

use tracelift_kernel::text::{Module, Source};

#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    let module = Module::parse(Source::new("test.tl", text)).unwrap();
    module.kernels[0].verify().iter().map(ToString::to_string).collect()
}

#[test]
fn correct_kernels_pass() {
    for text in [
        "kernel @k(%x: f32[B, N], out %y: f32[B, N]) { scratch %r: f32[N] par %i in 0..B {
            par %j in 0..N { %0 = load %x[%i, %j] store %r[%j], %0 }
            par %j in 0..N { %1 = load %r[N - 1 - %j] store %y[%i, %j], %1 } } }",
        "kernel @flat(%x: f32[B, N], out %y: f32[B*N]) { par %i in 0..B { par %j in 0..N {
            %0 = load %x[%i, %j] store %y[N*%i + %j], %0 } } }",
        "kernel @halves(%x: f32[B], out %y: f32[B, 2*N]) { par %i in 0..B { %0 = load %x[%i]
            par %j in 0..N { store %y[%i, %j], %0 } par %j in 0..N { store %y[%i, %j + N], %0 } } }",
        "kernel @in_place(inout %x: f32[B]) -> (f32) { %s = reduce sum %i in 0..B {
            %0 = load %x[%i] %1 = exp %0 store %x[%i], %1 yield %1 } yield %s }",
        "kernel @prefix(%x: f32[B], out %y: f32[B]) { %s = seq %i in 0..B carry (%a = 0.0) {
            %0 = load %x[%i] %1 = add %a, %0 store %y[%i], %1 yield %1 } }",
        "kernel @one(out %y: f32[]) { par %i in 0..1 { store %y[], 1.0 } }",
        "kernel @lookup(%t: f32[V, N], %n: i32[B], out %y: f32[B, N]) { par %i in 0..B { %0 = load %n[%i]
            par %j in 0..N { %1 = load %t[%0, %j] store %y[%i, %j], %1 } } }",
    ] {
        assert_eq!(mistakes(text), [""; 0], "{text}");
    }
}

#[test]
fn mistakes_are_reported_with_their_place() {
    for (text, expected) in [
        (
            "kernel @k() { %0 = add 1, 1.0 %1 = exp 1 }",
            &[
                "@k 0: `%0 = add 1, 1.0`: `add` takes operands of one type, not i32 and f32",
                "@k 1: `%1 = exp 1`: `exp` takes f32 or f64, not i32",
            ][..],
        ),
        ("kernel @k() { %0 = neg 1.0 %0 = neg 2.0 }", &["@k 1: `%0 = neg 2.0`: the register `%0` is set twice"]),
        (
            "kernel @k() { par %i in 0..4 { %0 = index %i } %1 = neg %0 }",
            &["@k 1: `%1 = neg %0`: the register `%0` is set only inside a loop that has ended"],
        ),
        (
            "kernel @k(%x: f32[B]) -> (f32) { par %i in 0..B { %0 = load %x[%i] } yield %0 }",
            &["@k: `yield %0`: the register `%0` is not set before this, or only inside a loop"],
        ),
        ("kernel @k(%x: f32[B, 2]) { %0 = load %x[0] }", &["@k 0: `%0 = load %x[0]`: 1 indices for 2 axes"]),
        (
            "kernel @k(%x: f32[B], out %y: f32[B]) { par %i in 0..B { %0 = load %y[%i] store %x[%i], 1 } }",
            &[
                "@k 0.0: `%0 = load %y[%i0]`: an `out` buffer is not read; one that is read and written is `inout`",
                "@k 0.1: `store %x[%i0], 1`: this buffer is only read; one that is written is `out` or `inout`",
                "@k 0.1: `store %x[%i0], 1`: a value of type i32 is stored to f32",
            ],
        ),
        (
            "kernel @k(%x: f32[B]) { par %i in 0..B { %0 = load %x[%i + 1] %1 = load %x[%i - 1] } }",
            &[
                "@k 0.0: `%0 = load %x[%i0 + 1]`: the index `%i0 + 1` is B at the most, the axis has B elements",
                "@k 0.1: `%1 = load %x[%i0 - 1]`: the index `%i0 - 1` is -1 at the least",
            ],
        ),
        (
            "kernel @k(%x: f32[4]) { par %i in 0..4 { %0 = load %x[2*%i] } }",
            &["@k 0.0: `%0 = load %x[2*%i0]`: the index `2*%i0` is 6 at the most, the axis has 4 elements"],
        ),
        (
            "kernel @k(%x: f32[B]) { par %i in 0..B { %0 = load %x[%i] %1 = load %x[%0] } }",
            &["@k 0.1: `%1 = load %x[%0]`: `%0` is no index: it is not i32 or i64"],
        ),
        (
            "kernel @k(out %y: f32[B]) { par %i in 0..B { store %y[0], 1.0 } }",
            &[
                "@k 0.0: `store %y[0], 1.0`: iterations of `%i0` are not kept apart: this stores to elements that other iterations may store to",
            ],
        ),
        (
            "kernel @k(out %y: f32[2*N]) { par %i in 0..N { par %j in 0..N { store %y[%i + %j], 1.0 } } }",
            &[
                "@k 0.0.0: `store %y[%i0 + %i1], 1.0`: iterations of `%i0` are not kept apart: this stores to elements that other iterations may store to",
            ],
        ),
        (
            "kernel @k(%n: i32[B], out %y: f32[B]) { par %i in 0..B { %0 = load %n[%i] store %y[%0], 1.0 } }",
            &[
                "@k 0.1: `store %y[%0], 1.0`: iterations of `%i0` are not kept apart: this stores to elements that other iterations may store to",
            ],
        ),
        (
            "kernel @k(inout %y: f32[B + 1]) { par %i in 0..B { %0 = load %y[%i] store %y[%i + 1], %0 } }",
            &[
                "@k 0.1: `store %y[%i0 + 1], %0`: an iteration of `%i0` reaches elements here that another one reaches elsewhere",
            ],
        ),
        (
            "kernel @k(%x: f32[B]) -> (f32, f32) { %0, %1 = reduce (sum, any) chain %i in 0..B { %2 = load %x[%i] yield %2, %2 } yield %0 }",
            &[
                "@k 0: `%0, %1 = reduce (sum, any) chain %i0 in 0..B`: `any` takes bool, not f32",
                "@k: the kernel yields 1 values, not 2",
            ],
        ),
        (
            "kernel @k() { %0 = seq %i in 0..3 carry (%1 = 0) { yield 1.0, 2.0 } }",
            &[
                "@k 0: `%0 = seq %i0 in 0..3 carry (%1 = 0)`: its body yields 2 values, not 1",
                "@k 0: `%0 = seq %i0 in 0..3 carry (%1 = 0)`: its body yields f32 for `%1`, which is i32",
            ],
        ),
        (
            "kernel @k() { par (%i, %j) in (0..2, 0..2) carry (%0 = 1) { yield 1 } }",
            &[
                "@k 0: `par (%i0, %i1) in (0..2, 0..2) carry (%0 = 1)`: only `reduce` runs over several axes at once, not 2 of them",
                "@k 0: `par (%i0, %i1) in (0..2, 0..2) carry (%0 = 1)`: only `seq` carries registers",
                "@k 0: `par (%i0, %i1) in (0..2, 0..2) carry (%0 = 1)`: its body yields 1 values, not 0",
            ],
        ),
        ("kernel @k() -> (f64) { yield 1.0 }", &["@k: the kernel yields f32 as result 0, which is f64"]),
        ("kernel @k(%i3: f32) { }", &["@k: the rank-0 argument `%i3` has the name of another value"]),
    ] {
        assert_eq!(mistakes(text), expected, "{text}");
    }
}
