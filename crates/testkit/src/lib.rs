//! What tests share; never published.
//!
//! [`engines`] runs one graph in every way there is and compares the answers with `==`; [`random`] makes graphs,
//! [`check`](mod@check) says what must hold of them, and [`shrink`](mod@shrink) makes those smaller of which it does not.

pub mod seeds;
pub mod engines;
pub mod samples;
pub mod random;
pub mod programs;
pub mod graphs;
pub mod check;
pub mod shrink;
pub mod counts;
pub mod differences;
pub mod filetest;
