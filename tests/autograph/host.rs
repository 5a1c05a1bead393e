//! Functions on host values: rewriting changes nothing about them.

use std::collections::HashMap;

use tracelift::prelude::*;

#[autograph]
fn fizz(n: u32) -> String {
    if n % 15 == 0 {
        "FizzBuzz".to_owned()
    } else if n % 3 == 0 {
        "Fizz".to_owned()
    } else if n % 5 == 0 {
        String::from("Buzz")
    } else {
        format!("{n}")
    }
}

#[test]
fn chains_of_else_if() {
    let given: Vec<String> = [1, 3, 5, 15].map(fizz).into();
    assert_eq!(given, ["1", "Fizz", "Buzz", "FizzBuzz"]);
}

#[autograph]
fn largest<T: PartialOrd + Copy>(items: &[T]) -> Option<T> {
    let mut largest = *items.first()?;
    for &item in items {
        if item > largest {
            largest = item;
        }
    }
    Some(largest)
}

#[test]
fn generics_and_question_marks() {
    assert_eq!(largest(&[1, 5, 2]), Some(5));
    assert_eq!(largest(&[1.5, -2.0]), Some(1.5));
    assert_eq!(largest::<u8>(&[]), None);
}

#[autograph]
fn parsed(text: &str) -> Result<i32, std::num::ParseIntError> {
    let mut sum = 0;
    for word in text.split(' ') {
        if word == "stop" {
            break;
        }
        if word.is_empty() {
            continue;
        }
        sum += word.parse::<i32>()?;
    }
    Ok(sum)
}

#[test]
fn errors_leave_loops() {
    assert_eq!(parsed("1 2  3 stop x"), Ok(6));
    assert!(parsed("1 x").is_err());
}

#[autograph]
fn counted(text: &str) -> Vec<(String, usize)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in text.split_whitespace() {
        let count = counts.entry(word.to_owned()).or_insert(0);
        *count += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, n)| *n > 1).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts
}

#[test]
fn closures_and_collections() {
    assert_eq!(counted("a b a c b a"), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
}

#[autograph]
fn sorted(values: &mut Vec<i32>) -> usize {
    let mut swaps = 0;
    let n = values.len();
    for i in 0..n {
        for j in 0..n - 1 - i {
            if values[j] > values[j + 1] {
                let kept = values[j];
                values[j] = values[j + 1];
                values[j + 1] = kept;
                swaps += 1;
            }
        }
    }
    swaps
}

#[test]
fn elements_behind_references() {
    let mut values = vec![3, 1, 2];
    assert_eq!(sorted(&mut values), 2);
    assert_eq!(values, [1, 2, 3]);
}

#[autograph]
fn scaled(values: &mut [f64], by: f64) -> f64 {
    let mut total = 0.0;
    for value in values.iter_mut() {
        *value *= by;
        if *value < 0.0 {
            *value = 0.0;
        }
        total += *value;
    }
    total
}

#[test]
fn places_behind_references() {
    let mut values = [1.0, -2.0, 3.0];
    assert_eq!(scaled(&mut values, 2.0), 8.0);
    assert_eq!(values, [2.0, 0.0, 6.0]);
}

#[autograph]
fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[test]
fn destructuring_assignments() {
    assert_eq!(gcd(48, 36), 12);
}

#[autograph]
fn recursive(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    recursive(n - 1) + recursive(n - 2)
}

#[test]
fn recursion() {
    assert_eq!(recursive(10), 55);
}

/// Cannot be cloned.
#[derive(Debug, PartialEq)]
struct Ticket(u32);

#[autograph]
fn routed(ticket: Ticket, left: bool) -> (Option<Ticket>, Option<Ticket>) {
    let mut sides: (Option<Ticket>, Option<Ticket>) = (None, None);
    if left {
        sides.0 = Some(ticket);
    } else {
        let number = 7;
        sides.1 = Some(Ticket(number));
    }
    sides
}

#[test]
fn values_without_clones_are_moved() {
    assert_eq!(routed(Ticket(1), true), (Some(Ticket(1)), None));
    assert_eq!(routed(Ticket(1), false), (None, Some(Ticket(7))));
}

#[autograph]
fn described(value: Option<i32>) -> &'static str {
    match value {
        None => "nothing",
        Some(n) if n < 0 => "negative",
        Some(n) => {
            if n > 100 {
                return "large";
            }
            if let 0..=9 = n { "digit" } else { "number" }
        }
    }
}

#[test]
fn patterns() {
    let given = [None, Some(-1), Some(1000), Some(5), Some(50)].map(described);
    assert_eq!(given, ["nothing", "negative", "large", "digit", "number"]);
}

#[autograph]
fn shadowed(x: i32) -> i32 {
    let y = x;
    let y = if y > 0 {
        let y = y * 2;
        y + 1
    } else {
        y
    };
    {
        let y = y + 100;
        let _ = y;
    }
    y
}

#[test]
fn shadowing() {
    assert_eq!((shadowed(3), shadowed(-3)), (7, -3));
}

#[autograph]
fn boxed(positive: bool) -> Box<dyn Fn(i32) -> i32> {
    if positive { Box::new(|x| x + 1) } else { Box::new(|x| x - 1) }
}

#[autograph]
fn typed_let(long: bool) -> usize {
    let text: &dyn AsRef<str> = if long { &"long" } else { &"s" };
    text.as_ref().len()
}

#[test]
fn values_that_are_coerced() {
    assert_eq!((boxed(true)(1), boxed(false)(1)), (2, 0));
    assert_eq!((typed_let(true), typed_let(false)), (4, 1));
}

#[autograph]
fn iterated(n: usize) -> impl Iterator<Item = usize> {
    let step = if n > 3 { 2 } else { 1 };
    (0..n).step_by(step).filter(move |i| i % 3 != 0)
}

#[test]
fn opaque_results() {
    assert_eq!(iterated(6).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(iterated(3).collect::<Vec<_>>(), [1, 2]);
}

#[derive(Default)]
struct Account {
    balance: i64,
    log: Vec<String>,
}

impl Account {
    #[autograph]
    fn withdraw(&mut self, amount: i64) -> Result<i64, String> {
        if amount <= 0 {
            return Err(format!("{amount} is no amount"));
        }
        if self.balance < amount {
            self.log.push("refused".to_owned());
            return Err("too little".to_owned());
        }
        self.balance -= amount;
        self.log.push(format!("-{amount}"));
        Ok(self.balance)
    }
}

#[test]
fn methods_that_change_their_object() {
    let mut account = Account { balance: 10, ..Account::default() };
    assert_eq!(account.withdraw(4), Ok(6));
    assert_eq!(account.withdraw(40), Err("too little".to_owned()));
    assert!(account.withdraw(0).is_err());
    assert_eq!(account.log, ["-4", "refused"]);
}

#[autograph]
fn nested_values(a: i32, b: i32) -> i32 {
    let sign = if a < b {
        if a < 0 { -2 } else { -1 }
    } else if a == b {
        0
    } else {
        1
    };
    let most = {
        let c = a.max(b);
        if c > 10 { 10 } else { c }
    };
    sign * 100 + most
}

#[test]
fn branches_in_values() {
    assert_eq!([(1, 2), (-3, 2), (2, 2), (20, 1)].map(|(a, b)| nested_values(a, b)), [-98, -198, 2, 110]);
}

#[autograph]
fn short_circuits(items: &[i32], i: usize) -> bool {
    i < items.len() && items[i] > 0 || i == 100
}

#[test]
fn operands_that_must_not_run() {
    assert!(short_circuits(&[1], 0) && !short_circuits(&[1], 5) && short_circuits(&[], 100));
}

#[autograph]
fn moved_before_break(names: Vec<String>, wanted: &str) -> Option<String> {
    let mut result = None;
    for name in names {
        if name.starts_with(wanted) {
            result = Some(name);
            break;
        }
    }
    result
}

#[test]
fn values_moved_out_of_loops() {
    let names = ["ann", "bob"].map(str::to_owned).to_vec();
    assert_eq!(moved_before_break(names, "b").as_deref(), Some("bob"));
}

#[autograph]
fn strings(a: &str, b: String) -> String {
    let mut text = String::new();
    if a < b.as_str() {
        text += a;
        text.push_str(&b);
    } else {
        text = b;
    }
    if text.is_empty() || a == "x" {
        return "?".into();
    }
    text
}

#[test]
fn text_is_compared_as_text() {
    assert_eq!(strings("a", "b".into()), "ab");
    assert_eq!(strings("c", "b".into()), "b");
    assert_eq!(strings("x", "b".into()), "?");
}

#[autograph]
fn lifetimes<'a>(a: &'a str, b: &'a str) -> &'a str {
    let mut longest = a;
    if b.len() > longest.len() {
        longest = b;
    }
    if longest.len() > 5 { &longest[..5] } else { longest }
}

#[test]
fn borrowed_results() {
    assert_eq!((lifetimes("ab", "abc"), lifetimes("abcdefg", "")), ("abc", "abcde"));
}

#[autograph]
fn inner_items(n: i32) -> i32 {
    const LIMIT: i32 = 3;
    fn square(n: i32) -> i32 {
        if n < 0 { 0 } else { n * n }
    }
    let add = |a: i32| if a > LIMIT { a + 1 } else { a };
    let list = [1, 2, n].iter().map(|&x| square(x)).filter(|x| *x < 50).collect::<Vec<_>>();
    assert!(n < 1000, "{n} is too large");
    add(list.iter().sum::<i32>())
}

#[test]
fn items_and_closures_stay() {
    assert_eq!((inner_items(3), inner_items(-1)), (15, 6));
    assert!(std::panic::catch_unwind(|| inner_items(1000)).is_err());
}
