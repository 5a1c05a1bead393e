//! Algebraic laws of ops, as data for the passes.

/// What holds of an op for every value of the type: NaN, infinities and signed zeros included.
///
/// ```
/// use tracelift_ir::{Op, ops::Add};
///
/// use tracelift_tensor::{F32, I32};
///
/// let add = Op::from(Add);
/// assert!(add.laws(F32).commutative && !add.laws(F32).associative);
/// assert!(add.laws(I32).associative);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laws {
    /// `f(a, b) == f(b, a)`, bit for bit.
    pub commutative: bool,
    /// `f(f(a, b), c) == f(a, f(b, c))`; false for floats wherever rounding is involved.
    pub associative: bool,
    /// `f(f(x)) == f(x)`, or `f(x, x) == x`.
    pub idempotent: bool,
    /// `f(f(x)) == x`.
    pub involution: bool,
    /// `f(-x) == -f(x)`.
    pub odd: bool,
    /// `f(-x) == f(x)`.
    pub even: bool,
    /// `f(x, e) == x` for all x; the sides on which it holds.
    pub identity: Option<Neutral>,
    /// `f(x, z) == z` for all x, on either side; never stated where a NaN or infinity would disagree.
    pub absorbing: Option<f64>,
    /// Bounds of the result for operands that are not NaN.
    pub range: Option<(f64, f64)>,
    /// No effect but its results: equal operands give equal results, and an unused node may go.
    pub pure: bool,
}

/// A neutral element and where it may stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neutral {
    /// The element.
    pub value: f64,
    /// `f(e, x) == x`, too.
    pub left: bool,
}

impl Laws {
    /// A pure op about which nothing else is known.
    pub const NONE: Laws = Laws {
        commutative: false,
        associative: false,
        idempotent: false,
        involution: false,
        odd: false,
        even: false,
        identity: None,
        absorbing: None,
        range: None,
        pure: true,
    };

    /// An op whose node must stay and keep its place.
    pub const EFFECT: Laws = Laws { pure: false, ..Laws::NONE };

    /// Adds: operands may be exchanged.
    pub const fn commutative(self) -> Laws {
        Laws { commutative: true, ..self }
    }

    /// Adds: calls may be regrouped.
    pub const fn associative(self) -> Laws {
        Laws { associative: true, ..self }
    }

    /// Adds: doing it twice is doing it once.
    pub const fn idempotent(self) -> Laws {
        Laws { idempotent: true, ..self }
    }

    /// Adds: doing it twice undoes it.
    pub const fn involution(self) -> Laws {
        Laws { involution: true, ..self }
    }

    /// Adds: `f(-x) == -f(x)`.
    pub const fn odd(self) -> Laws {
        Laws { odd: true, ..self }
    }

    /// Adds: `f(-x) == f(x)`.
    pub const fn even(self) -> Laws {
        Laws { even: true, ..self }
    }

    /// Adds: `f(x, e) == f(e, x) == x`.
    pub const fn identity(self, value: f64) -> Laws {
        Laws { identity: Some(Neutral { value, left: true }), ..self }
    }

    /// Adds: `f(x, e) == x`.
    pub const fn right_identity(self, value: f64) -> Laws {
        Laws { identity: Some(Neutral { value, left: false }), ..self }
    }

    /// Adds: `f(x, z) == z`.
    pub const fn absorbing(self, value: f64) -> Laws {
        Laws { absorbing: Some(value), ..self }
    }

    /// Adds: the result lies in `low..=high`.
    pub const fn range(self, low: f64, high: f64) -> Laws {
        Laws { range: Some((low, high)), ..self }
    }
}
