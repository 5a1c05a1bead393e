//! Plain data of tracelift: element types, symbolic sizes, shapes, arrays, printing, counter-based random numbers.
//!
//! Nothing here knows graphs, threads or files.
//! An [`Array`] is a dtype, a shape of known sizes and aligned bytes; a [`Shape`] may hold sizes that are known only when a
//! function is called, which are integer polynomials over named unknowns ([`Dim`]).
//! User mistakes are [`Error`]s that carry what is needed to explain them.
//!
//! ```
//! use tracelift_tensor::{Array, Dim, Shape, F32};
//!
//! let a = Array::new([2, 2], vec![1.0f32, 2.5, -3.0, 0.5])?;
//! assert_eq!(a.dtype(), F32);
//! assert_eq!(a.to_string(), "[[ 1.   2.5]\n [-3.   0.5]]");
//!
//! let batch = Dim::sym("B");
//! let shape = Shape::from([batch.clone() * 2 + 1, Dim::from(784)]);
//! assert_eq!(shape.to_string(), "[2*B + 1, 784]");
//! # Ok::<(), tracelift_tensor::Error>(())
//! ```

mod dtype;
mod origin;
mod error;
mod dim;
mod shape;
mod element;
mod array;
pub mod memory;
mod serial;
pub mod philox;
mod generator;

pub use array::{Array, Literal};
pub use dim::{Atom, Atoms, Binding, Dim, Division, Sym, Term, Undefined};
pub use dtype::DType;
pub use dtype::DType::{Bool, F32, F64, I32, I64, U8};
pub use element::{Element, Raw};
pub use error::{Error, ErrorData, ErrorKind, Result};
pub use generator::{Generator, KeyPart, fold_in};
pub use origin::Origin;
pub use shape::{Dims, MAX_RANK, Shape, count_elements};
