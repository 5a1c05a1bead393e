//! What `#[function]` and `#[autograph]` rewrite control flow to; not for users.
//!
//! Branches and loops are run with plain Rust as long as their conditions are known. A condition that is a value of the
//! graph makes the branches run one after the other, and the body of a loop once, each into a graph of its own. The
//! variables they assign, the [`Slot`]s, are restored in between, and get the results of the node that is made of the
//! graphs. Nothing is a closure, so that `?`, `return` and `break` remain what they are; guards close what is left open.
//!
//! What depends on types, which a macro does not see, is decided by autoref: a trait for `&&T` is found before one for
//! `&T` and that before one for `T`.

mod truth;
mod compare;
mod cheap;
mod logic;
mod late;
mod carried;
mod slot;
mod errors;
mod branch;
mod value;
mod rounds;
mod repeat;
mod each;
mod keep;

pub use branch::{If, Joined};
pub use carried::Carried;
pub use compare::{Compare, TensorLike};
pub use each::{Each, EachTensor, Over, Rounds, assert_tensor, tensor_of};
pub use keep::{Keep, Kept};
pub use late::Late;
pub use logic::{Lazy, Logic};
pub use repeat::{Step, While};
pub use slot::{Parts, Probe, Slot, Slots};
pub use truth::{Condition, NO, Truth, YES, condition, down};
pub use value::{Given, Join, Mixed, numbers, values};

/// The traits whose methods rewritten code calls.
pub mod prelude {
    pub use super::{
        compare::{CompareEqual as _, CompareNumber as _, CompareOrder as _, CompareTensor as _},
        each::{Asserted as _, OverGraph as _, OverHost as _},
        keep::{KeepClone as _, KeepMove as _, Reached as _},
        logic::{LogicHost as _, LogicTensor as _},
        slot::{ProbeOpaque as _, ProbeOwn as _, ProbeTree as _},
        value::{
            GivenOpaque as _, GivenTree as _, JoinLeft as _, JoinOpaque as _, JoinRight as _, JoinTree as _,
            MixedNumber as _, MixedOpaque as _, MixedTree as _,
        },
    };
}

/// The variables that a branch or a round assigns.
#[doc(hidden)]
#[macro_export]
macro_rules! __slots {
    ($($place:expr),* $(,)?) => {
        &mut [$(&mut (&&&$crate::__rt::ag::Probe::new(&mut $place, ::core::stringify!($place))).slot()
            as &mut dyn $crate::__rt::ag::Slot),*]
    };
}

/// What a branch gave.
#[doc(hidden)]
#[macro_export]
macro_rules! __given {
    ($value:expr) => {
        (&&$crate::__rt::ag::Given(&$value)).parts()
    };
}

/// What a branch gave, perhaps a number beside a tensor.
#[doc(hidden)]
#[macro_export]
macro_rules! __mixed {
    ($value:expr) => {
        (&&&$crate::__rt::ag::Mixed(&$value)).parts()
    };
}

/// The value of an `if`.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    ($joined:expr, $then:expr, $else:expr) => {{
        let joined = $joined;
        (&&&&&$crate::__rt::ag::Join::new($then, $else)).join(joined)
    }};
}

/// A value that another branch needs, too.
#[doc(hidden)]
#[macro_export]
macro_rules! __keep {
    ($value:ident) => {
        match (&&$crate::__rt::ag::Keep(&$value)).kept() {
            $crate::__rt::ag::Kept::Clone(clone) => clone.get(),
            $crate::__rt::ag::Kept::Move(none) => {
                none.reached();
                $value
            }
        }
    };
}

/// A comparison.
#[doc(hidden)]
#[macro_export]
macro_rules! __compare {
    ($method:ident, $left:expr, $right:expr) => {
        (&&&$crate::__rt::ag::Compare::new(&$left, &$right)).$method()
    };
}

/// The loop over something.
#[doc(hidden)]
#[macro_export]
macro_rules! __each {
    ($over:expr) => {
        (&&$crate::__rt::ag::Over::new($over)).each()
    };
}

/// `&&`, with what the right operand assigns.
#[doc(hidden)]
#[macro_export]
macro_rules! __and {
    ($left:expr, $right:expr $(; $($place:expr),*)?) => {{
        let left = $left;
        let mut lazy = $crate::__rt::ag::Lazy::and(&left, $crate::__rt::slots![$($($place),*)?]);
        let right = if lazy.runs() { ::core::option::Option::Some($right) } else { ::core::option::Option::None };
        let made = lazy.end(&right, $crate::__rt::slots![$($($place),*)?]);
        (&&$crate::__rt::ag::Logic::new(left, right, made)).and()
    }};
}

/// `||`, with what the right operand assigns.
#[doc(hidden)]
#[macro_export]
macro_rules! __or {
    ($left:expr, $right:expr $(; $($place:expr),*)?) => {{
        let left = $left;
        let mut lazy = $crate::__rt::ag::Lazy::or(&left, $crate::__rt::slots![$($($place),*)?]);
        let right = if lazy.runs() { ::core::option::Option::Some($right) } else { ::core::option::Option::None };
        let made = lazy.end(&right, $crate::__rt::slots![$($($place),*)?]);
        (&&$crate::__rt::ag::Logic::new(left, right, made)).or()
    }};
}

/// `assert!`
#[doc(hidden)]
#[macro_export]
macro_rules! __check {
    ($text:literal, $condition:expr) => {
        match $condition.asserted() {
            ::core::result::Result::Ok(holds) => ::core::assert!(holds, "{}", $text),
            ::core::result::Result::Err(tensor) => {
                $crate::__rt::ag::assert_tensor(&tensor, ::core::concat!("assertion failed: ", $text))
            }
        }
    };
    ($text:literal, $condition:expr, $($message:tt)+) => {
        match $condition.asserted() {
            ::core::result::Result::Ok(holds) => ::core::assert!(holds, $($message)+),
            ::core::result::Result::Err(tensor) => {
                $crate::__rt::ag::assert_tensor(&tensor, &::std::format!($($message)+))
            }
        }
    };
}
