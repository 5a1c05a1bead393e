//! `while`, `for`, `loop`, `break`, `continue`.

use tracelift::prelude::*;

use crate::check::{like_integers, like_numbers};

#[test]
fn collatz() {
    #[autograph]
    fn f(n: &Tensor) -> Tensor {
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
    let plain = |mut n: i32| {
        let mut steps = 0;
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            steps += 1;
        }
        steps
    };
    like_integers(f, plain, [1, 6, 27]);
}

#[test]
fn newton() {
    #[autograph]
    fn f(a: &Tensor) -> Tensor {
        let mut x = a * 0.5;
        let mut steps = tensor(0);
        while steps < 20 {
            let error = &x * &x - a;
            if error.abs() < 1e-6 {
                break;
            }
            x = &x - error / (&x * 2.0);
            steps += 1;
        }
        for _ in 0..2 {
            x = x * 1.5;
        }
        x
    }
    let plain = |a: f32| {
        let mut x = a * 0.5;
        let mut steps = 0;
        while steps < 20 {
            let error = x * x - a;
            if error.abs() < 1e-6 {
                break;
            }
            x = x - error / (x * 2.0);
            steps += 1;
        }
        x * 1.5 * 1.5
    };
    like_numbers(f, plain, &[4.0, 2.0, 100.0]);
}

#[test]
fn for_over_a_range_of_tensors() {
    #[autograph]
    fn f(n: &Tensor) -> Tensor {
        let mut sum = tensor(0);
        for i in range_t(n) {
            if &i % 3 == 0 {
                continue;
            }
            if sum > 100 {
                break;
            }
            sum += i;
        }
        sum
    }
    let plain = |n: i32| {
        let mut sum = 0;
        for i in 0..n {
            if i % 3 == 0 {
                continue;
            }
            if sum > 100 {
                break;
            }
            sum += i;
        }
        sum
    };
    like_integers(f, plain, [0, 1, 10, 100]);
}

#[test]
fn return_from_a_loop() {
    #[autograph]
    fn f(n: &Tensor) -> Tensor {
        for i in range_t(2..100) {
            if n % &i == 0 {
                return i;
            }
        }
        tensor(-1)
    }
    like_integers(f, |n| (2..100).find(|i| n % i == 0).unwrap_or(-1), [2, 9, 35, 10_403]);
}

#[test]
fn loop_with_a_value() {
    #[autograph]
    fn f(n: &Tensor) -> Tensor {
        let mut i = tensor(0);
        let found = loop {
            i += 1;
            if &i * &i >= n {
                break &i * 10;
            }
        };
        found + i
    }
    let plain = |n: i32| {
        let i = (1..).find(|i| i * i >= n).unwrap();
        i * 11
    };
    like_integers(f, plain, [1, 10, 26]);
}

#[test]
fn nested_and_labelled_loops() {
    #[autograph]
    fn f(n: &Tensor) -> Tensor {
        let mut count = tensor(0);
        let mut i = tensor(0);
        'outer: while i < n {
            i += 1;
            let mut j = tensor(0);
            while j < n {
                j += 1;
                if &i * &j > 30 {
                    break 'outer;
                }
                if j > i {
                    continue 'outer;
                }
                count += 1;
            }
        }
        count
    }
    let plain = |n: i32| {
        let (mut count, mut i) = (0, 0);
        'outer: while i < n {
            i += 1;
            let mut j = 0;
            while j < n {
                j += 1;
                if i * j > 30 {
                    break 'outer;
                }
                if j > i {
                    continue 'outer;
                }
                count += 1;
            }
        }
        count
    };
    like_integers(f, plain, [0, 3, 8]);
}
