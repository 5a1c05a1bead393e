//! One source, three ways: on plain integers, on tensors at once, and traced on every engine.

use tracelift::prelude::*;

use crate::check::like_integers;

/// Each body is compiled for `i32` as it is, and for tensors with `#[autograph]`.
macro_rules! corpus {
    ($($name:ident: |$x:ident| $body:block on $xs:expr;)*) => {$(
        #[test]
        #[allow(unused_mut, unused_assignments, unused_must_use, dead_code, clippy::all, reason = "one source serves two types")]
        fn $name() {
            fn plain($x: &i32) -> i32 {
                fn int(n: i32) -> i32 { n }
                fn to<T: Copy>(n: &T) -> std::ops::Range<i32> where i32: From<T> { 0..i32::from(*n) }
                fn rows(n: i32) -> [i32; 4] { [n, n + 1, n + 2, n + 3] }
                $body
            }
            #[autograph]
            fn tensors($x: &Tensor) -> Tensor {
                fn int(n: i32) -> Tensor { tensor(n) }
                fn to(n: &Tensor) -> tracelift::TensorRange { range_t(n) }
                fn rows(n: Tensor) -> Tensor { tensor([0, 1, 2, 3]) + n }
                $body
            }
            like_integers(tensors, |x| plain(&x), $xs);
        }
    )*};
}

corpus! {
    absolute: |x| { if *x < int(0) { -x } else { x + 0 } } on [-3, 0, 4];
    sign: |x| {
        if x > &int(0) { return int(1); }
        if x < &int(0) { return int(-1); }
        int(0)
    } on [-3, 0, 4];
    clamp: |x| {
        let mut y = x + 0;
        if y > 10 { y = int(10); } else if y < -10 { y = int(-10); }
        y
    } on [-30, 5, 40];
    two_conditions: |x| {
        let mut y = x * 2;
        if y > 4 && y < 12 || y == -2 { y += 100; }
        y
    } on [-1, 0, 3, 7];
    nested_branches: |x| {
        let mut y = int(0);
        if x > &int(0) {
            y = int(1);
            if x > &int(10) { y += 10; } else { y += 20; }
        } else {
            if x < &int(-10) { y -= 5; }
            y *= 2;
        }
        y
    } on [-20, -1, 5, 50];
    branch_of_two_variables: |x| {
        let (mut a, mut b) = (x + 1, x + 2);
        if a > 5 { (a, b) = (b, a); }
        a * 10 + b
    } on [1, 9];
    count_down: |x| {
        let mut n = x + 0;
        let mut steps = int(0);
        while n > 0 { n -= 3; steps += 1; }
        steps * 100 + n
    } on [-5, 0, 1, 10];
    digits: |x| {
        let mut n = x + 0;
        let mut sum = int(0);
        while n > 0 {
            let mut rest = &n % 10;
            sum += rest;
            let mut quotient = int(0);
            while n >= 10 { n -= 10; quotient += 1; }
            n = quotient;
        }
        sum
    } on [0, 7, 123];
    power: |x| {
        let mut y = int(1);
        for _ in 0..5 { y = y * x; }
        y
    } on [-2, 0, 3];
    triangle: |x| {
        let mut sum = int(0);
        for i in to(x) { sum += i; }
        sum
    } on [0, 1, 7];
    product_of_rows: |x| {
        let mut product = int(1);
        for row in rows(x + 1) { product = product * row; }
        product
    } on [0, 2];
    skipping: |x| {
        let mut sum = int(0);
        for i in to(x) {
            if &i % 2 == 0 { continue; }
            if &i % 3 == 0 { continue; }
            sum += i;
        }
        sum
    } on [0, 5, 20];
    stopping: |x| {
        let mut sum = int(0);
        for i in to(x) {
            sum += &i;
            if sum > 20 { break; }
            sum += 1;
        }
        sum
    } on [0, 5, 50];
    stopping_an_unrolled_loop: |x| {
        let mut y = x + 0;
        for i in 0..6 {
            if y > 20 { break; }
            if &y % 5 == 0 { y += 1; continue; }
            y = y * 2 + i;
        }
        y
    } on [1, 3, 5, 100];
    found: |x| {
        for i in to(&int(30)) {
            if &i * &i > x + 0 { return i; }
        }
        int(-1)
    } on [0, 10, 1000];
    found_in_nested_loops: |x| {
        for i in to(&int(8)) {
            for j in to(&int(8)) {
                if &i * &j == x + 0 { return i * 10 + j; }
            }
        }
        int(-1)
    } on [0, 12, 35, 64];
    two_returns_in_a_loop: |x| {
        let mut n = x + 0;
        while n < 100 {
            if &n % 7 == 0 { return n; }
            n += 5;
            if &n % 11 == 0 { return -n; }
        }
        n
    } on [0, 1, 3, 200];
    endless: |x| {
        let mut n = x + 0;
        loop {
            n = n * 2 + 1;
            if n > 50 { break; }
        }
        n
    } on [0, 3, 100];
    endless_with_a_value: |x| {
        let mut n = x + 0;
        let mut rounds = int(0);
        let last = loop {
            rounds += 1;
            if n > 30 { break n * 2; }
            n += 7;
            if &n % 4 == 0 { break -n; }
        };
        last * 100 + rounds
    } on [0, 2, 5, 40];
    labelled: |x| {
        let mut count = int(0);
        'rows: for i in to(x) {
            for j in to(x) {
                if j > i { continue 'rows; }
                if &i + &j > 12 { break 'rows; }
                count += 1;
            }
            count += 100;
        }
        count
    } on [0, 1, 4, 9];
    left_by_an_inner_loop_after_a_break: |x| {
        let mut k = int(0);
        let mut sum = int(0);
        'outer: loop {
            if k >= 3 { break; }
            k += 1;
            for i in to(&int(2)) {
                if &i + &k > x + 1 { continue 'outer; }
            }
            sum += &k;
        }
        sum
    } on [0, 1, 2, 5];
    a_labelled_while: |x| {
        let mut n = x + 0;
        let mut total = int(0);
        'outer: loop {
            let mut k = int(0);
            while k < 4 {
                k += 1;
                total += &k;
                if total > 40 { break 'outer; }
                if k == n { continue 'outer; }
            }
            n += 1;
            if n > 6 { break; }
        }
        total + n
    } on [0, 3, 6];
    fibonacci: |x| {
        let (mut a, mut b) = (int(0), int(1));
        for _ in to(x) { (a, b) = (b.clone(), a + b); }
        a
    } on [0, 1, 10];
    greatest_divisor: |x| {
        let (mut a, mut b) = (x + 48, int(36));
        while b != 0 {
            let mut rest = a.clone();
            while rest >= b { rest -= &b; }
            a = b;
            b = rest;
        }
        a
    } on [0, 6, 12];
    primes_below: |x| {
        let mut count = int(0);
        for n in to(x) {
            if n < 2 { continue; }
            let mut prime = true;
            let mut divisors = int(0);
            let mut d = int(2);
            while &d * &d <= n {
                if &n % &d == 0 { divisors += 1; }
                d += 1;
            }
            if divisors == 0 && prime { count += 1; }
        }
        count
    } on [2, 10, 30];
    host_flags: |x| {
        let mut sum = int(0);
        for k in 0..4 {
            let even = k % 2 == 0;
            if even { sum += k; } else if k == 3 { sum -= 1; }
            if even && x > &int(2) { sum += 10; }
            match even { true => sum += 1, false => sum *= 2 }
        }
        sum
    } on [0, 5];
    matched: |x| {
        let bonus = match x > &int(3) { true => int(7), _ => int(-7) };
        match (2, 3) {
            (2, n) if n > 2 => {
                if x > &int(100) { return bonus; }
                bonus + n
            }
            _ => int(0),
        }
    } on [1, 5, 500];
    let_of_a_branch: |x| {
        let y = if x > &int(0) { x * 3 } else { return int(-1); };
        let z = if y > 10 { y - 1 } else { y + 1 };
        z * 2
    } on [-1, 2, 9];
    shadowed: |x| {
        let y = x + 1;
        let y = if y > 3 { let y = y * 2; y + 1 } else { y };
        { let y = int(100); if y > 3 { let _ = y; } }
        y
    } on [0, 9];
    lists: |x| {
        let mut list = vec![x + 0, x + 1, x + 2];
        if x > &int(0) { list[1] = int(50); } else { list.reverse(); }
        for i in 0..3 { if list[i] > 20 { list[i] = int(20); } }
        list.into_iter().fold(int(0), |sum, item| sum * 3 + item)
    } on [-4, 4, 30];
    lists_in_loops: |x| {
        let mut state = [int(1), int(2)];
        let mut k = int(0);
        while &k < x {
            let sum = &state[0] + &state[1];
            state = [state[1].clone(), sum];
            if &state[0] % 2 == 0 { state[1] += 1; }
            k += 1;
        }
        &state[0] * 100 + &state[1]
    } on [0, 1, 6];
    tuples_in_loops: |x| {
        let mut state = (x + 0, (int(0), int(1)));
        while state.0 > 0 {
            state.0 -= 1;
            state.1 = (state.1.1.clone(), &state.1.0 + &state.1.1);
            if state.1.0 > 5 { state.1.0 = int(0); }
        }
        state.1.0
    } on [0, 3, 12];
    closures: |x| {
        let twice = |n: &_| n + n;
        let mut y = int(3);
        if x > &int(2) { y = twice(&y); }
        for _ in 0..2 { y = twice(&y); }
        y
    } on [1, 5];
    two_moves: |x| {
        let h = x * 2;
        let k = x * 3;
        let (a, b) = if x > &int(0) { (h, k) } else { (k, h) };
        if a > 100 { return b; }
        a * 2 + b
    } on [-2, 2, 60];
    moved_and_returned: |x| {
        let y = x + 5;
        if y > 10 { return y; }
        let z = y * 2;
        if z < 0 { return z; }
        for _ in to(&int(3)) { if z > 12 { return z; } }
        z + 1
    } on [-20, 0, 2, 20];
    unused_results: |x| {
        let mut y = x + 0;
        if y > 0 { y += 1; y.clone() } else { y.clone() };
        { y += 1; }
        y
    } on [0, 1];
    three_levels: |x| {
        let mut sum = int(0);
        for i in to(&int(3)) {
            let mut j = int(0);
            while j <= i {
                for k in 0..2 {
                    if &j + k > x + 0 { continue; }
                    sum += &i + k;
                    if sum > 30 { break; }
                }
                j += 1;
            }
        }
        sum
    } on [0, 1, 5];
}
