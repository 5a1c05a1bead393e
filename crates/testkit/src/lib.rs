//! What tests share; never published.
//!
//! [`engines`] runs one graph in every way there is and compares the answers with `==`.

pub mod engines;
pub mod samples;
