//! What the verifier of programs refuses: text and the message with its place.

use tracelift_kernel::program::{Program, verify_plan};
use tracelift_kernel::text::{Module, Source};
use tracelift_tensor::Binding;

const KERNELS: &str = "
kernel @double(%x: f32[B], out %y: f32[B]) { par %i in 0..B { %0 = load %x[%i] %1 = add %0, %0 store %y[%i], %1 } }
kernel @reverse(%x: f32[B], out %y: f32[B]) { par %i in 0..B { %0 = load %x[B - 1 - %i] store %y[%i], %0 } }
kernel @sum(%x: f32[B]) -> (f32) { %0 = reduce sum %i in 0..B { %1 = load %x[%i] yield %1 } yield %0 }
kernel @relu(inout %h: f32[B, 2]) { par %i in 0..B { par %j in 0..2 { %0 = load %h[%i, %j] %1 = max %0, 0.0 store %h[%i, %j], %1 } } }
kernel @mix(inout %h: f32[B, 2]) { par %j in 0..2 { par %i in 0..B { store %h[%i, %j], 0.0 } } }
kernel @first(%h: f32[B, 2], out %y: f32[B]) { par %i in 0..B { %0 = load %h[0, 0] store %y[%i], %0 } }
kernel @div(%x: i32[B], out %y: i32[B]) { par %i in 0..B { %0 = load %x[%i] %1 = floor_div %0, 2 store %y[%i], %1 } }
";
const HEAD: &str = "program @p { kernels @double, @reverse, @sum, @relu, @mix, @first, @div
    unknown B = input 0 axis 0
    state \"w\" written
    site \"here\"
    buffer $x : f32[B] input 0
    buffer $w : f32[B] state 0
    buffer $w2 : f32[B] next 0
    buffer $k : f32[2] const [1.0, 2.0]
    buffer $a : f32[B] arena
    buffer $b : f32[B] arena
    buffer $m : f32[B, 2] arena
    buffer $n : i32[B] arena
    buffer $c : f32[] arena
    buffer $y : f32[B] output 0
    ";
/// What a program needs to be complete; `$y` and the next state are written.
const TAIL: &str = "copy $x -> $y commit $w2 <- $x result $y }";

#[track_caller]
fn program(body: &str) -> Program {
    let text = format!("{KERNELS}{HEAD}{}", body.replace("TAIL", TAIL));
    let module = Module::parse(Source::new("test.tl", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
    module.programs[0].clone()
}

#[test]
fn correct_programs_pass() {
    for body in [
        "TAIL",
        "launch @double($w, $w2) copy $x -> $y result $y }",
        "launch @double($x, $a) launch @double($a, $b) swap $a, $b launch @double($a, $y) copy $b -> $w2 result $y, $x }",
        "%c = scalar lt 1, 2 if %c { copy $x -> $y } else { launch @double($x, $y) } copy $y -> $w2 result $y }",
        "lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @relu($m) TAIL",
        "%s = launch @sum($x) write $c, %s %r = read $c copy $x -> $y commit $w2 <- $x result $y, %r }",
    ] {
        assert_eq!(program(body).verify(), [], "{body}");
    }
}

#[test]
fn mistakes_are_reported_with_their_place() {
    for (body, expected) in [
        (
            "copy $a -> $y commit $w2 <- $x result $y }",
            &["@p 0: `copy $a -> $y`: `$a` is read before it is written"][..],
        ),
        (
            "copy $y -> $x copy $y -> $w copy $x -> $b TAIL",
            &[
                "@p 0: `copy $y -> $x`: `$y` is read before it is written",
                "@p 0: `copy $y -> $x`: `$x` is an input and cannot be written",
                "@p 1: `copy $y -> $w`: `$y` is read before it is written",
                "@p 1: `copy $y -> $w`: `$w` is the state on entry and cannot be written",
            ],
        ),
        (
            "copy $m -> $k TAIL",
            &[
                "@p 0: `copy $m -> $k`: `$m` is read before it is written",
                "@p 0: `copy $m -> $k`: `$k` is a constant and cannot be written",
            ],
        ),
        (
            "commit $w2 <- $x copy $w -> $y result $y }",
            &["@p 1: `copy $w -> $y`: `$w` is read after the next value of its state has been written"],
        ),
        (
            "copy $x -> $y commit $w2 <- $x result $y, $w }",
            &["@p: result 1 is `$w`, whose next value may have overwritten it"],
        ),
        (
            "launch @reverse($w, $w2) copy $x -> $y result $y }",
            &["@p 0: `launch @reverse($w, $w2)`: `@reverse` writes `$w2` while it uses `$w` in the same memory"],
        ),
        (
            "commit $w2 <- $x %q = scalar floor_div 1, 0 at 0 copy $x -> $y result $y }",
            &[
                "@p 1: `%0 = scalar floor_div 1, 0 at 0`: this may fail after the next value of a state has been written",
            ],
        ),
        (
            "commit $w2 <- $x loop () while { yield false } do { } copy $x -> $y result $y }",
            &["@p 1: `loop () while`: this may fail after the next value of a state has been written"],
        ),
        (
            "if true { commit $w2 <- $x } check assert true \"m\" at 0 copy $x -> $y result $y }",
            &[
                "@p 1: `check assert true \"m\" at 0`: this may fail after the next value of a state has been written",
                "@p: `$w2` is not written on every way through the program",
            ],
        ),
        (
            "loop () while { yield false } do { commit $w2 <- $x } copy $x -> $y result $y }",
            &[
                "@p 0.1.0: `commit $w2 <- $x`: `$w2`, the next value of a state, is written in a loop, which may be stopped",
                "@p: `$w2` is not written on every way through the program",
            ],
        ),
        ("launch @double($x) TAIL", &["@p 0: `launch @double($x)`: `@double` takes 2 buffers, not 1"]),
        (
            "launch @double($x, $n) TAIL",
            &["@p 0: `launch @double($x, $n)`: `$n` is i32[B], `%y` of `@double` is f32[B]"],
        ),
        (
            "launch @double($x, $m) TAIL",
            &["@p 0: `launch @double($x, $m)`: `$m` is f32[B, 2], `%y` of `@double` is f32[B]"],
        ),
        ("launch @sum($x) TAIL", &["@p 0: `launch @sum($x)`: it sets 0 registers, the kernel has 1 results"]),
        (
            "copy $x -> $a launch @double($a, $a) launch @reverse($a, $a) TAIL",
            &["@p 2: `launch @reverse($a, $a)`: `@reverse` writes `$a` while it uses `$a` in the same memory"],
        ),
        (
            "launch @div($n, $n) TAIL",
            &[
                "@p 0: `launch @div($n, $n)`: this may fail and does not say where it was written",
                "@p 0: `launch @div($n, $n)`: `$n` is read before it is written",
            ],
        ),
        (
            "%0 = scalar add 1, 1.0 %1 = scalar rem 1, 2 %0 = scalar add 1, 2 TAIL",
            &[
                "@p 0: `%0 = scalar add 1, 1.0`: `add` takes operands of one type, not i32 and f32",
                "@p 1: `%1 = scalar rem 1, 2`: this may fail and does not say where it was written",
                "@p 2: `%0 = scalar add 1, 2`: the register `%0` is set twice",
            ],
        ),
        (
            "if true { %0 = dim B } %1 = scalar neg %0 TAIL",
            &["@p 1: `%1 = scalar neg %0`: the register `%0` is set only inside a block that has ended"],
        ),
        (
            "%0 = if 1 { yield 1 } else { } TAIL",
            &[
                "@p 0: `%0 = if 1`: expected a rank-0 bool, found i32",
                "@p 0: `%0 = if 1`: its second block yields 0 values, not 1",
            ],
        ),
        (
            "%0 = loop (%i = 1) while { yield %i } do { yield 1.0 } TAIL",
            &[
                "@p 0: `%0 = loop (%1 = 1) while`: its first block yields one bool: whether to go on",
                "@p 0: `%0 = loop (%1 = 1) while`: a block yields f32 for `%1`, which is i32",
            ],
        ),
        (
            "copy $x -> $a loop () while { yield true } do { swap $a, $b } TAIL",
            &["@p 1: `loop () while`: an iteration leaves `$a` without its value for the next one"],
        ),
        ("swap $x, $b TAIL", &["@p 0: `swap $x, $b`: `$x` is not in the arena and keeps its memory"]),
        ("swap $a, $n TAIL", &["@p 0: `swap $a, $n`: the buffers are f32[B] and i32[B]"]),
        (
            "copy $k -> $c %0 = read $k write $c, 1 TAIL",
            &[
                "@p 0: `copy $k -> $c`: the buffers are f32[2] and f32[]",
                "@p 1: `%0 = read $k`: `$k` has the shape [2], not one element",
                "@p 2: `write $c, 1`: expected a rank-0 f32, found i32",
            ],
        ),
        (
            "check bounds $x in 0..B at 0 check index true in 0..B at 0 check all $x \"m\" at 7 TAIL",
            &[
                "@p 0: `check bounds $x in 0..B at 0`: indices are i32 or i64, not f32",
                "@p 1: `check index true in 0..B at 0`: an index is i32 or i64, not bool",
                "@p 2: it names a buffer, kernel, register or site that does not exist: Check { check: AssertAll { conditions: BufferId(0), message: \"m\" }, site: SiteId(7) }",
            ],
        ),
        (
            "lib matmul $x, $k -> $m {m=B, k=2, n=2, a=[0, 1, 0], b=[0, 2, 1], vector=true} TAIL",
            &[
                "@p 0: `lib matmul $x, $k -> $m {m=B, k=2, n=2, a=[0, 1, 0], b=[0, 2, 1], vector=true}`: the product reaches element 3 of `$k`, which has shape [2]",
                "@p 0: `lib matmul $x, $k -> $m {m=B, k=2, n=2, a=[0, 1, 0], b=[0, 2, 1], vector=true}`: `vector` is for a right side with one column, not 2",
            ],
        ),
        (
            "lib matmul $x, $x -> $x {m=1, k=B, n=1, a=[0, B, 1], b=[0, 1, 1]} TAIL",
            &[
                "@p 0: `lib matmul $x, $x -> $x {m=1, k=B, n=1, a=[0, B, 1], b=[0, 1, 1]}`: `$x` is overwritten while it is multiplied",
                "@p 0: `lib matmul $x, $x -> $x {m=1, k=B, n=1, a=[0, B, 1], b=[0, 1, 1]}`: `$x` is overwritten while it is multiplied",
                "@p 0: `lib matmul $x, $x -> $x {m=1, k=B, n=1, a=[0, B, 1], b=[0, 1, 1]}`: `$x` is an input and cannot be written",
            ],
        ),
        (
            "lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @mix($m) TAIL",
            &[
                "@p 0: `lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @mix($m)`: the epilogue `@mix` reaches other rows through `%h`",
            ],
        ),
        (
            "lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @sum($x) TAIL",
            &[
                "@p 0: `lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @sum($x)`: the epilogue `@sum` is no `par` loop over the B rows",
            ],
        ),
        (
            "lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @first($m, $a) TAIL",
            &[
                "@p 0: `lib matmul $x, $k -> $m {m=B, k=1, n=2, a=[0, 1, 1], b=[0, 2, 1]} epilogue @first($m, $a)`: the epilogue `@first` reaches other rows through `%h`",
            ],
        ),
        (
            "lib argsort $x -> $x TAIL",
            &[
                "@p 0: `lib argsort $x -> $x`: the order of f32[B] is no f32[B]",
                "@p 0: `lib argsort $x -> $x`: `$x` is overwritten while it is sorted",
                "@p 0: `lib argsort $x -> $x`: `$x` is an input and cannot be written",
            ],
        ),
        (
            "buffer $i : i32[2] arena lib argsort $k, $k -> $i TAIL",
            &["@p 0: `lib argsort $k, $k -> $i`: sorting has one operand, not 2"],
        ),
        (
            "buffer $v : f32[B] view of $a copy $x -> $a launch @double($a, $v) copy $a -> $b TAIL",
            &["@p 2: `copy $a -> $b`: `$a` is read after `$v` has taken its place"],
        ),
        ("buffer $v : f32[3] view of $k TAIL", &["@p: `$v` shows f32[2] as f32[3]"]),
        (
            "buffer $v : f32[B, B] next 0 state \"v\" written TAIL",
            &["@p: `$v` has the role of another buffer", "@p: the state \"v\" is written and has no next value"],
        ),
        ("buffer $v : f32[Q] arena TAIL", &["@p: the size `Q` is read from no argument"]),
        (
            "commit $w2 <- $x result $a }",
            &[
                "@p: result 0 is `$a`, which is no output, input or state",
                "@p: `$y` is not written on every way through the program",
            ],
        ),
        (
            "copy $x -> $y commit $y <- $x copy $x -> $w2 result $y }",
            &["@p 1: `commit $y <- $x`: only the next value of a state is committed"],
        ),
    ] {
        let found: Vec<String> = program(body).verify().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn live_buffers_that_overlap_are_reported() {
    let program = program(
        "buffer $d : f32[B] arena launch @double($x, $a) launch @double($a, $b) launch @double($b, $d) launch @double($d, $y) commit $w2 <- $x result $y }",
    );
    let sizes = Binding::from_iter([("B", 4)]);
    let plan = |a, b, m| {
        let mut offsets = vec![None; program.buffers.len()];
        (offsets[4], offsets[5], offsets[10]) = (a, b, m);
        verify_plan(&program, &offsets, &sizes).map_err(|error| error.to_string())
    };
    assert_eq!(plan(Some(0), Some(16), Some(32)), Ok(()));
    // `$a` is dead when `$d` begins.
    assert_eq!(plan(Some(32), Some(16), Some(32)), Ok(()));
    assert_eq!(
        plan(Some(0), Some(12), Some(64)),
        Err("@p: `$a` and `$b` are in use together and share memory for B=4".to_owned())
    );
    assert_eq!(program.verify(), []);
    assert_eq!(plan(Some(0), None, Some(64)), Err("@p: `$b` has no place in the arena".to_owned()));
}
