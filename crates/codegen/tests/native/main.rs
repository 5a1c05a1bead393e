//! Native code against the definitions: every engine has equal bits, so results are compared with `==`.

mod around;
mod arrays;
mod check;
mod lane_ops;
mod loops;
mod random;
mod wide;
mod turns;
mod far;
mod compile;
