//! `if`, `else`, `match` on a bool, early `return`.

use tracelift::prelude::*;

use crate::check::{everywhere, like_integers, like_numbers};

#[test]
fn if_as_a_statement() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        let mut y = x.clone();
        if x > 0.0 {
            y = y * 2.0;
        }
        y
    }
    like_numbers(f, |x| if x > 0.0 { x * 2.0 } else { x }, &[3.0, -3.0, 0.0]);
}

#[test]
fn else_if_with_values() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        if x > 10.0 {
            x * 2.0
        } else if x > 0.0 {
            x + 1.0
        } else {
            -x
        }
    }
    like_numbers(
        f,
        |x| {
            if x > 10.0 {
                x * 2.0
            } else if x > 0.0 {
                x + 1.0
            } else {
                -x
            }
        },
        &[30.0, 3.0, -3.0],
    );
}

#[test]
fn a_value_moved_in_both_branches() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        let h = x * 2.0;
        let y = if x > 0.0 { h } else { h };
        y + 1.0
    }
    like_numbers(f, |x| x * 2.0 + 1.0, &[1.0, -1.0]);
}

#[test]
fn early_return() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        if x > 1.0 {
            return x * 2.0;
        }
        let y = x + 1.0;
        if &y < 0.0 {
            return y;
        }
        y * 3.0
    }
    let plain = |x: f32| {
        if x > 1.0 {
            return x * 2.0;
        }
        let y = x + 1.0;
        if y < 0.0 { y } else { y * 3.0 }
    };
    like_numbers(f, plain, &[3.0, 0.5, -5.0]);
}

#[test]
fn a_literal_beside_a_tensor() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        let y = if x > 0.0 { 1.0 } else { x * 2.0 };
        let z = if x > 5.0 { &y + 1.0 } else { -4.0 };
        y + z
    }
    let plain = |x: f32| {
        let y = if x > 0.0 { 1.0 } else { x * 2.0 };
        let z = if x > 5.0 { y + 1.0 } else { -4.0 };
        y + z
    };
    like_numbers(f, plain, &[3.0, 9.0, -5.0]);
}

#[test]
fn match_on_a_bool() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        match x > 0 {
            true => x + 1,
            false => x - 1,
        }
    }
    like_integers(f, |x| if x > 0 { x + 1 } else { x - 1 }, [-2, 0, 2]);
}

#[test]
fn logic() {
    #[autograph]
    fn f(x: &Tensor, wanted: bool) -> Tensor {
        let inside = x > 0 && x < 10;
        if wanted && inside || x == 100 { x * 2 } else { x.clone() }
    }
    for wanted in [false, true] {
        let plain = move |x: i32| if wanted && x > 0 && x < 10 || x == 100 { x * 2 } else { x };
        like_integers(move |x: &Tensor| f(x, wanted), plain, [-1, 5, 50, 100]);
    }
}

#[test]
fn several_variables_and_trees() {
    #[derive(Clone, Tree)]
    struct State {
        x: Tensor,
        pair: (Tensor, Tensor),
    }
    #[autograph]
    fn f(x: &Tensor) -> (Tensor, Tensor) {
        let mut state = State { x: x.clone(), pair: (x + 1, x + 2) };
        let mut list = vec![x * 2, x * 3];
        if x > 0 {
            state.pair.0 = &state.x * 10;
            list[1] = state.pair.1.clone();
        } else {
            list.swap(0, 1);
            state = State { x: -x, pair: state.pair };
        }
        (state.x + state.pair.0, &list[0] - &list[1])
    }
    for x in [4, -4] {
        everywhere(f, &Tensor::from(x));
    }
}
