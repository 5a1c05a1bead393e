//! What native code and its host agree on: the context, faults and the form of every call.
//!
//! Only pointers and integers cross the border, so no vector register ever has a meaning there.

use std::ffi::c_void;

/// Declares function types in the calling convention of generated code: System V on x86-64, where all vector
/// registers are the caller's, and the platform's own elsewhere.
macro_rules! native_types {
    ($($(#[$doc:meta])* $name:ident ($($arg:ident: $ty:ty),*);)*) => {$(
        $(#[$doc])*
        #[cfg(target_arch = "x86_64")]
        pub type $name = unsafe extern "sysv64" fn($($arg: $ty),*) -> i32;
        $(#[$doc])*
        #[cfg(not(target_arch = "x86_64"))]
        pub type $name = unsafe extern "C" fn($($arg: $ty),*) -> i32;
    )*};
}

native_types! {
    /// The native form of a whole program. Answers [`FaultCode::None`] as 0, or what [`Context::fault`] describes.
    DriverFn(context: *mut Context);
    /// A service of the host: the n-th of its kind (see [`Layout`](super::Layout)).
    /// Answers 0, or the code of the fault it has written to the context.
    HelperFn(context: *mut Context, index: i64);
}

/// Defines host functions that generated code can call, in its calling convention.
///
/// ```
/// tracelift_codegen::native_fn! {
///     /// Answers the index it is given.
///     fn echo(_context: *mut tracelift_codegen::driver::Context, index: i64) -> i32 {
///         index as i32
///     }
/// }
/// let helper: tracelift_codegen::driver::HelperFn = echo;
/// # let _ = helper;
/// ```
#[macro_export]
macro_rules! native_fn {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) -> i32 $body:block)*) => {$(
        $(#[$meta])*
        #[cfg(target_arch = "x86_64")]
        $vis extern "sysv64" fn $name($($arg: $ty),*) -> i32 $body
        $(#[$meta])*
        #[cfg(not(target_arch = "x86_64"))]
        $vis extern "C" fn $name($($arg: $ty),*) -> i32 $body
    )*};
}

/// Everything one run of a program reaches. Its host fills it before each call.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    /// The address of each buffer, then of each scratch row ([`Layout::scratch`](super::Layout)).
    pub table: *mut *mut u8,
    /// The value of each size ([`Layout::sizes`](super::Layout)).
    pub sizes: *const i64,
    /// The argument slots of all launches, filled except for rank-0 values and buffers that are swapped.
    pub args: *mut u64,
    /// What each launch calls, a [`KernelFn`](crate::KernelFn): its kernel, or the host's way to split it over threads.
    pub launchers: *const *const u8,
    /// One slot per result of the program; those of rank 0 are written.
    pub results: *mut u64,
    /// The state of each stack ([`Layout::stacks`](super::Layout)).
    pub stacks: *mut StackState,
    /// One byte: not 0 when the run shall stop.
    pub stop: *const u8,
    /// What the host does for native code.
    pub helpers: Helpers,
    /// The first fault, when the status is not 0.
    pub fault: Fault,
    /// The host's own.
    pub host: *mut c_void,
}

/// The services of the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Helpers {
    /// Takes the steps that a [`Series`](super::Series) says.
    pub series: HelperFn,
    /// Runs library call n.
    pub library: HelperFn,
    /// Runs check n over a whole buffer.
    pub check: HelperFn,
    /// Runs copy n.
    pub copy: HelperFn,
    /// Shows print n.
    pub print: HelperFn,
    /// Runs step n of those on stacks; of those on rank-0 items only what native code cannot do itself: getting more
    /// memory, going back to the memory before, giving zeros when there is none.
    pub stack: HelperFn,
}

/// Where the top of a stack is: in a piece of memory for whole items.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StackState {
    /// Behind the top item.
    pub top: *mut u8,
    /// The first item of the piece.
    pub begin: *mut u8,
    /// Behind the last item that the piece has room for.
    pub end: *mut u8,
    /// What the last `len` has answered.
    pub len: i64,
}

/// What went wrong in native code.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// A [`FaultCode`].
    pub code: i32,
    /// The number of the site in [`Program::sites`](tracelift_kernel::program::Program), or -1.
    pub site: i32,
    /// Which element, where that is known, or -1.
    pub position: i64,
    /// The index that is out of bounds.
    pub index: i64,
    /// The bound it should be below.
    pub bound: i64,
}

/// The kinds of faults; their numbers are what native functions return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum FaultCode {
    /// All is well.
    None = 0,
    /// An integer was divided by zero.
    DivideByZero = 1,
    /// An index was not in `0..bound`.
    OutOfBounds = 2,
    /// An assertion did not hold.
    Assertion = 3,
    /// The stop token was set.
    Cancelled = 4,
    /// A helper panicked; our mistake.
    Internal = 5,
    /// Memory ran out.
    OutOfMemory = 6,
}

impl FaultCode {
    /// The kind with a number; an unknown number is [`FaultCode::Internal`].
    pub fn from_status(status: i32) -> FaultCode {
        use FaultCode::*;
        [None, DivideByZero, OutOfBounds, Assertion, Cancelled, Internal, OutOfMemory]
            .into_iter()
            .find(|code| *code as i32 == status)
            .unwrap_or(Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_status() {
        for status in 0..7 {
            assert_eq!(FaultCode::from_status(status) as i32, status);
        }
        assert_eq!(FaultCode::from_status(-9), FaultCode::Internal);
    }
}
