//! Loops of rewritten functions that carry relaxed tensors.

use tracelift::prelude::*;
use tracelift::{concat, relax};

#[function]
fn divisors(n: &Tensor) -> Tensor {
    let mut list = relax(Tensor::from(Vec::<i32>::new()), spec!(i32[None]));
    let mut i = tensor(1);
    while i <= n {
        if n % &i == 0 {
            list = concat(&[&list, &i.reshape([1])], 0);
        }
        i += 1;
    }
    list
}

#[test]
fn rewritten_loops_may_append_under_a_condition() {
    for n in [12, 1, 7, 0] {
        let expect: Vec<i32> = (1..=n).filter(|i| n % i == 0).collect();
        assert_eq!(divisors(&tensor(n)).to_vec::<i32>().unwrap(), expect);
    }
    assert_eq!(divisors::function().trace_count(), 1);
}

#[function]
fn until(limit: &Tensor, stop: &Tensor, give_up: &Tensor) -> Tensor {
    let mut list = relax(Tensor::from(Vec::<i32>::new()), spec!(i32[None]));
    for i in range_t(limit) {
        if i == stop {
            break;
        }
        if i == give_up {
            return &list * -1;
        }
        if &i % 2 == 0 {
            continue;
        }
        for j in range_t(&i) {
            list = concat(&[&list, &j.reshape([1])], 0);
        }
    }
    &list + 100
}

#[test]
fn rewritten_loops_may_be_left_on_the_way() {
    let plain = |limit: i32, stop: i32, give_up: i32| {
        let mut list = vec![];
        for i in 0..limit {
            if i == stop {
                break;
            }
            if i == give_up {
                return list.iter().map(|x: &i32| -x).collect();
            }
            if i % 2 == 0 {
                continue;
            }
            list.extend(0..i);
        }
        list.iter().map(|x| x + 100).collect::<Vec<_>>()
    };
    for (limit, stop, give_up) in [(6, 9, 9), (6, 4, 9), (6, 9, 4), (0, 0, 0), (4, 0, 9), (4, 9, 0), (6, 3, 3)] {
        let given = until(&tensor(limit), &tensor(stop), &tensor(give_up)).to_vec::<i32>().unwrap();
        assert_eq!(given, plain(limit, stop, give_up), "until({limit}, {stop}, {give_up})");
    }
    assert_eq!(until::function().trace_count(), 1);
}

#[function]
fn doubled(x: &Tensor, least: &Tensor) -> (Tensor, Tensor) {
    let mut x = relax(x, spec!(f32[None, 2]));
    let mut rounds = tensor(0);
    while x.dim(0) < least {
        x = concat(&[&x, &(&x * 0.5)], 0);
        rounds += 1;
    }
    (rounds, x.sum([0]))
}

#[test]
fn a_condition_reads_the_size() {
    let (rounds, sum) = doubled(&tensor([[1., 2.]]), &tensor(5));
    assert_eq!((rounds.item::<i32>().unwrap(), sum.to_vec::<f32>().unwrap()), (3, vec![3.375, 6.75]));
    let (rounds, sum) = doubled(&Tensor::ones([7, 2]), &tensor(5));
    assert_eq!((rounds.item::<i32>().unwrap(), sum.to_vec::<f32>().unwrap()), (0, vec![7., 7.]));
}

#[function]
fn doubled_once_more(x: &Tensor, times: &Tensor) -> Tensor {
    let mut x = relax(x, spec!(f32[None]));
    for _ in range_t(times) {
        x = concat(&[&x, &x], 0);
    }
    x
}

#[function]
fn doubled_in_rounds(x: &Tensor, rounds: &Tensor) -> (Tensor, Tensor) {
    let mut x = relax(x, spec!(f32[None]));
    let mut sum = tensor(0.0);
    for i in range_t(rounds) {
        x = doubled_once_more(&x, &i);
        for row in &x {
            sum += row * i.cast(F32);
        }
    }
    (x, sum)
}

#[test]
fn functions_with_such_loops_are_called_in_such_loops() {
    let mut x = vec![1.0f32, 2.5];
    for rounds in 0..4 {
        let (given, sum) = doubled_in_rounds(&tensor([1.0, 2.5]), &tensor(rounds));
        let mut expect = 0.0f32;
        x.truncate(2);
        for i in 0..rounds {
            (0..i).for_each(|_| x = x.repeat(2));
            x.iter().for_each(|row| expect += row * i as f32);
        }
        assert_eq!(given.to_vec::<f32>().unwrap(), x);
        assert_eq!(sum.item::<f32>().unwrap(), expect);
    }
    assert_eq!(doubled_in_rounds::function().trace_count(), 1);
}
