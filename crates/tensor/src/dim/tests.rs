//! What dims promise: tables here, laws below them.

use proptest::prelude::*;

use super::*;

fn dim(text: &str) -> Dim {
    text.parse().unwrap()
}

#[test]
fn prints_by_degree_then_name() {
    let same = [
        "0",
        "-3",
        "B",
        "2*B + 1",
        "B*T + B - T - 1",
        "(B + 1)//2",
        "B//2",
        "-(B//2) + 3",
        "2*(B//2)",
        "B*B",
        "B*(T//3)",
        "-B",
        "-2*B*T",
        "(B*T + 1)//2 + B//2 - 7",
        "((B + T)//2 + T//3)//5",
    ];
    for text in same {
        assert_eq!(dim(text).to_string(), text);
    }
    assert_eq!((1 + Dim::sym("B") * 2).to_string(), "2*B + 1");
    assert_eq!(dim("T + H*W + 3 + A*A").to_string(), "A*A + H*W + T + 3");
}

#[test]
fn equal_sizes_have_one_form() {
    let equal = [
        ("(B + 1)*(B - 1)", "B*B - 1"),
        ("(B + T)*2 - 2*T", "2*B"),
        ("(4*B + 3)//2", "2*B + 1"),
        ("(3*B)//2", "B + B//2"),
        ("(6*B + 3)//4", "B + (B*2 + 3)//4"),
        ("(2*B + 3)//4", "(B + 1)//2"),
        ("(B//2)//3", "B//6"),
        ("(B//2 + 1)//3", "(B + 2)//6"),
        ("((B + 1)//2 + T)//2", "(B + 2*T + 1)//4"),
        ("(B - 3)//2", "(B + 1)//2 - 2"),
        ("B//-2", "(-B)//2"),
        ("B//1", "B"),
        ("7//2", "3"),
        ("-7//2", "-4"),
        ("7//-2", "-4"),
        ("(B*T*4)//4", "T*B"),
        ("B - (B//2)*0", "B"),
    ];
    for (a, b) in equal {
        assert_eq!(dim(a), dim(b), "{a} = {b}");
    }
    for (a, b) in [("(B + 1)//2", "B//2"), ("B*B", "B"), ("B", "T"), ("2*(B//2)", "B")] {
        assert_ne!(dim(a), dim(b));
    }
}

#[test]
fn asks_what_it_is() {
    let batch = Dim::sym("B");
    assert_eq!(batch.as_sym(), Some(Sym::new("B")));
    assert_eq!([batch.known(), Dim::from(5).known(), (&batch - &batch).known()], [None, Some(5), Some(0)]);
    assert_eq!([&batch * 2, &batch + 1, batch.floor_div(2)].map(|dim| dim.as_sym()), [None, None, None]);
    assert!(Dim::ONE.is_one() && Dim::ZERO.is_zero() && !batch.is_one());
    assert!(Dim::from(3) == 3usize && Dim::from(-1) == -1i64 && Dim::from(-1) != usize::MAX && batch != 3i32);
    assert_eq!(size_of::<Dim>(), 16);
}

#[test]
fn overflow_is_a_dim_without_value() {
    let max = Dim::from(i64::MAX);
    let overflows = [
        &max + 1,
        &max * 2,
        -Dim::from(i64::MIN),
        Dim::from(i64::MIN).floor_div(-1),
        Dim::sym("B") * i64::MAX * 2 + 1,
        Dim::sym("B") * i64::MAX + Dim::sym("B"),
        Dim::from(usize::MAX),
    ];
    for dim in overflows {
        assert_eq!(dim.why_undefined(), Some(Undefined::Overflow));
        assert_eq!(&dim + 1, dim);
        assert_eq!(dim.to_string(), "overflow!");
        let error = dim.eval(&Binding::new()).unwrap_err().to_string();
        assert_eq!(error, "a size has no value: its arithmetic overflows 64 bits");
    }
    // What cancels does not overflow, whatever the way there.
    let big = Dim::sym("B") * i64::MAX;
    assert_eq!((&big + 1) * (&big - 1) - &big * &big, Dim::undefined(Undefined::Overflow));
    assert_eq!(&big - &big, Dim::ZERO);
    assert_eq!(dim("B//0").why_undefined(), Some(Undefined::DivisionByZero));
    assert_eq!(dim("B//0") + dim("overflow!"), dim("overflow!") + dim("B//0"));
}

#[test]
fn formulas_cannot_grow_without_end() {
    let (mut wide, mut deep) = (Dim::sym("B"), Dim::sym("B"));
    for i in 0..200 {
        wide = &wide * &wide + Dim::sym(&format!("s{i}"));
        deep = deep.floor_div(3) + deep.floor_div(2) * Dim::sym("T");
    }
    assert_eq!(wide.why_undefined(), Some(Undefined::TooComplex));
    assert_eq!(deep.why_undefined(), Some(Undefined::TooComplex));
    assert_eq!(wide.to_string().parse::<Dim>().unwrap(), wide);
}

#[test]
fn eval_says_what_is_missing_or_too_large() {
    let binding = Binding::from_iter([("B", 1i64 << 40), ("T", 3)]);
    assert_eq!(dim("(B + T)//2").eval(&binding).unwrap(), ((1 << 40) + 3) / 2);
    // Only the result must fit into 64 bits.
    assert_eq!(
        dim("B*B - B*B + (B*B)//3").eval(&Binding::from_iter([("B", 3_037_000_500i64)])).unwrap(),
        3_074_457_345_666_750_000
    );
    let error = |text: &str| dim(text).eval(&binding).unwrap_err().to_string();
    assert_eq!(error("2*N"), "the size `N` in `2*N` has no value (known are: B=1099511627776, T=3)");
    assert_eq!(error("B*B"), "the size `B*B` overflows 64 bits for B=1099511627776, T=3");
    assert_eq!(error("B*B*B*B*B"), "the size `B*B*B*B*B` overflows 64 bits for B=1099511627776, T=3");
}

#[test]
fn bad_texts_are_errors_with_a_place() {
    let cases = [
        ("", "it ends too early at byte 0"),
        ("B +", "it ends too early at byte 3"),
        ("B ! 2", "unexpected `!` at byte 2"),
        ("(B + 1", "a `)` is missing at byte 6"),
        ("B//T", "the divisor is not a number at byte 4"),
        ("B 2", "unexpected `2` at byte 2"),
        ("99999999999999999999", "a number beyond 64 bits at byte 20"),
        ("é", "unexpected `é` at byte 0"),
    ];
    for (text, what) in cases {
        let error = text.parse::<Dim>().unwrap_err();
        assert_eq!(error.message, format!("bad size `{text}`: {what}"));
    }
    let deep = "(".repeat(100_000);
    assert!(deep.parse::<Dim>().unwrap_err().message.ends_with("too many parentheses at byte 128"));
    let minus = "-".repeat(100_000);
    assert!(minus.parse::<Dim>().is_err());
}

/// A formula, evaluated as a dim and directly.
#[derive(Clone, Debug)]
enum Formula {
    Number(i64),
    Name(usize),
    Add(Box<Formula>, Box<Formula>),
    Sub(Box<Formula>, Box<Formula>),
    Mul(Box<Formula>, Box<Formula>),
    FloorDiv(Box<Formula>, i64),
}

const NAMES: [&str; 3] = ["B", "T", "W"];

impl Formula {
    fn dim(&self) -> Dim {
        match self {
            Formula::Number(n) => Dim::from(*n),
            Formula::Name(i) => Dim::sym(NAMES[*i]),
            Formula::Add(a, b) => a.dim() + b.dim(),
            Formula::Sub(a, b) => a.dim() - b.dim(),
            Formula::Mul(a, b) => a.dim() * b.dim(),
            Formula::FloorDiv(a, divisor) => a.dim().floor_div(*divisor),
        }
    }

    /// `None` beyond 127 bits, which no dim reaches.
    fn value(&self, names: &[i64; 3]) -> Option<i128> {
        match self {
            Formula::Number(n) => Some((*n).into()),
            Formula::Name(i) => Some(names[*i].into()),
            Formula::Add(a, b) => a.value(names)?.checked_add(b.value(names)?),
            Formula::Sub(a, b) => a.value(names)?.checked_sub(b.value(names)?),
            Formula::Mul(a, b) => a.value(names)?.checked_mul(b.value(names)?),
            Formula::FloorDiv(a, divisor) => Some(arith::floor_div_wide(a.value(names)?, (*divisor).into())),
        }
    }
}

fn formula() -> impl Strategy<Value = Formula> {
    let leaf = prop_oneof![(-9i64..10).prop_map(Formula::Number), (0..3usize).prop_map(Formula::Name)];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            pair.clone().prop_map(|(a, b)| Formula::Add(a, b)),
            pair.clone().prop_map(|(a, b)| Formula::Sub(a, b)),
            pair.prop_map(|(a, b)| Formula::Mul(a, b)),
            (inner.prop_map(Box::new), prop_oneof![-4i64..0, 1i64..8]).prop_map(|(a, n)| Formula::FloorDiv(a, n)),
        ]
    })
}

fn binding(values: &[i64; 3]) -> Binding {
    NAMES.into_iter().zip(*values).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_dim_has_the_value_of_its_formula(formula in formula(), values in prop::array::uniform3(-20i64..100)) {
        let dim = formula.dim();
        if let (Some(value), None) = (formula.value(&values), dim.why_undefined()) {
            match (dim.eval(&binding(&values)), i64::try_from(value)) {
                (Ok(got), Ok(value)) => prop_assert_eq!(got, value, "{}", dim),
                (Err(_), Err(_)) => {}
                (got, value) => prop_assert!(false, "{:?} is not {:?}", got, value),
            }
        }
    }

    #[test]
    fn what_is_printed_reads_back(formula in formula()) {
        let dim = formula.dim();
        prop_assert_eq!(dim.to_string().parse::<Dim>().unwrap(), dim);
    }

    #[test]
    fn dims_are_a_ring(a in formula(), b in formula(), c in formula()) {
        let (a, b, c) = (a.dim(), b.dim(), c.dim());
        let all = [&a * &b * &c, &a * &a, &b * &b, &c * &c];
        prop_assume!(all.iter().all(|dim| dim.why_undefined().is_none()));
        prop_assert_eq!(&a + &b, &b + &a);
        prop_assert_eq!(&a * &b, &b * &a);
        prop_assert_eq!((&a + &b) + &c, &a + (&b + &c));
        prop_assert_eq!((&a * &b) * &c, &a * (&b * &c));
        prop_assert_eq!(&a * (&b + &c), &a * &b + &a * &c);
        prop_assert_eq!(&a + 0, a.clone());
        prop_assert_eq!(&a * 1, a.clone());
        prop_assert_eq!(&a * Dim::ZERO, Dim::ZERO);
        prop_assert_eq!(&a - &a, Dim::ZERO);
        prop_assert_eq!(-&a, Dim::ZERO - &a);
    }

    #[test]
    fn multiples_of_the_divisor_leave_a_floor_division(x in formula(), rest in formula(), k in 1i64..9) {
        let (x, rest) = (x.dim(), rest.dim());
        prop_assume!((&x * k + &rest).why_undefined().is_none());
        prop_assert_eq!((&x * k + &rest).floor_div(k), &x + rest.floor_div(k));
        for c in 0..k {
            prop_assert_eq!((&x * k + c).floor_div(k), x.clone());
        }
    }

    #[test]
    fn common_factors_leave_a_floor_division(x in formula(), g in 1i64..6, k in 1i64..6, c in -20i64..20) {
        let x = x.dim();
        prop_assume!((&x * g + c).why_undefined().is_none());
        prop_assert_eq!((&x * g + c).floor_div(g * k), (&x + c.div_euclid(g)).floor_div(k));
    }

    #[test]
    fn substitution_and_evaluation_agree(
        formula in formula(), replacement in formula(), values in prop::array::uniform3(-9i64..20),
    ) {
        let (dim, to) = (formula.dim(), replacement.dim());
        let substituted = dim.substitute(&[(Sym::new("B"), to.clone())]);
        prop_assume!(substituted.why_undefined().is_none() && dim.why_undefined().is_none());
        if let Ok(inner) = to.eval(&binding(&values)) {
            let mut changed = binding(&values);
            changed.bind("B", inner);
            let (left, right) = (substituted.eval(&binding(&values)), dim.eval(&changed));
            // On the way to the same value only one of them may leave 127 bits.
            if let (Ok(left), Ok(right)) = (left, right) {
                prop_assert_eq!(left, right);
            }
        }
    }

    #[test]
    fn order_and_equality_agree(a in formula(), b in formula()) {
        let (a, b) = (a.dim(), b.dim());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
}
