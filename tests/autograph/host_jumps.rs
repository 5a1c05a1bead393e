//! Loops and jumps on host values: rewriting changes nothing about them.

use tracelift::prelude::*;

#[autograph]
fn drained(mut stack: Vec<i32>) -> (Vec<i32>, i32) {
    let mut taken = Vec::new();
    let mut sum = 0;
    while let Some(top) = stack.pop() {
        if top < 0 {
            break;
        }
        if top % 2 == 0 {
            continue;
        }
        sum += top;
        taken.push(top);
    }
    (taken, sum)
}

#[test]
fn while_let() {
    assert_eq!(drained(vec![9, -1, 3, 4, 5]), (vec![5, 3], 8));
}

#[autograph]
fn searched(grid: &[Vec<i32>], wanted: i32) -> Option<(usize, usize)> {
    let mut found = None;
    'rows: for (i, row) in grid.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            if value == wanted {
                found = Some((i, j));
                break 'rows;
            }
            if value < 0 {
                continue 'rows;
            }
        }
    }
    found
}

#[test]
fn labels() {
    let grid = [vec![1, -1, 7], vec![2, 7]];
    assert_eq!(searched(&grid, 7), Some((1, 1)));
    assert_eq!(searched(&grid, 9), None);
}

#[autograph]
fn first_square_above(limit: u32) -> u32 {
    let mut n = 0;
    let square = loop {
        n += 1;
        let square = n * n;
        if square > limit {
            break square;
        }
    };
    square
}

#[test]
fn loops_with_values() {
    assert_eq!(first_square_above(50), 64);
}

#[autograph]
fn let_else(texts: &[&str]) -> i32 {
    let mut sum = 0;
    for text in texts {
        let Ok(n) = text.parse::<i32>() else { continue };
        let m = match n {
            0 => break,
            n => n,
        };
        sum += if m > 10 { 10 } else { m };
    }
    sum
}

#[test]
fn jumps_in_values() {
    assert_eq!(let_else(&["1", "x", "20", "0", "5"]), 11);
}

#[autograph]
fn unit(log: &mut Vec<i32>, n: i32) {
    if n == 0 {
        return;
    }
    for i in 0..n {
        if i == 2 {
            return;
        }
        log.push(i);
    }
    log.push(-1);
}

#[test]
fn functions_without_a_result() {
    let mut log = Vec::new();
    for n in [0, 1, 5] {
        unit(&mut log, n);
    }
    assert_eq!(log, [0, -1, 0, 1]);
}

#[autograph]
fn binary_search(items: &[i32], wanted: i32) -> Option<usize> {
    let (mut low, mut high) = (0, items.len());
    while low < high {
        let middle = (low + high) / 2;
        if items[middle] == wanted {
            return Some(middle);
        }
        if items[middle] < wanted { low = middle + 1 } else { high = middle }
    }
    None
}

#[test]
fn returns_from_loops() {
    let items = [1, 3, 5, 7];
    assert_eq!(binary_search(&items, 5), Some(2));
    assert_eq!(binary_search(&items, 4), None);
}

#[autograph]
fn sieve(n: usize) -> Vec<usize> {
    let mut composite = vec![false; n + 1];
    let mut primes = Vec::new();
    for i in 2..=n {
        if composite[i] {
            continue;
        }
        primes.push(i);
        let mut k = i * i;
        while k <= n {
            composite[k] = true;
            k += i;
        }
    }
    primes
}

#[test]
fn elements_of_locals() {
    assert_eq!(sieve(20), [2, 3, 5, 7, 11, 13, 17, 19]);
}
