//! The meaning of lane operations against outside truths.

mod oracle;
mod ulps;
mod special;
mod bits;
mod agreement;
