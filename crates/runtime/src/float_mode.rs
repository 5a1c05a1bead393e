//! The floating-point control word: whether subnormal numbers are flushed to zero.
//!
//! Flushing is a property of the thread, so whoever hands work to another thread hands the mode over as well.

#![expect(unsafe_code, reason = "the control word is reached by two instructions only")]

#[cfg(target_arch = "x86_64")]
use std::arch::asm;

/// How the arithmetic of a thread treats subnormal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatMode {
    /// Subnormals are kept, as IEEE 754 says.
    Keep,
    /// Subnormal operands and results count as zeros of their sign.
    Flush,
}

impl FloatMode {
    /// The mode of the current thread.
    pub fn current() -> FloatMode {
        if control() & FLUSH == FLUSH { FloatMode::Flush } else { FloatMode::Keep }
    }

    /// Sets the mode of the current thread until the guard is dropped.
    ///
    /// General Rust code must not depend on floats while subnormals are flushed:
    /// the guard is meant to stand around native code and `std::arch` kernels.
    #[must_use = "the mode is restored when the guard is dropped"]
    pub fn enter(self) -> FloatModeGuard {
        let before = control();
        let wanted = match self {
            FloatMode::Keep => before & !FLUSH,
            FloatMode::Flush => before | FLUSH,
        };
        if wanted != before {
            set_control(wanted);
        }
        FloatModeGuard { before, changed: wanted != before, _thread: std::marker::PhantomData }
    }
}

/// Restores the mode that was in force before [`FloatMode::enter`].
pub struct FloatModeGuard {
    before: Control,
    changed: bool,
    /// The control word belongs to one thread, and so does the guard.
    _thread: std::marker::PhantomData<*const ()>,
}

impl Drop for FloatModeGuard {
    fn drop(&mut self) {
        if self.changed {
            set_control(self.before);
        }
    }
}

#[cfg(target_arch = "x86_64")]
type Control = u32;
/// Flush-to-zero and denormals-are-zero of MXCSR.
#[cfg(target_arch = "x86_64")]
const FLUSH: Control = 1 << 15 | 1 << 6;

#[cfg(target_arch = "x86_64")]
fn control() -> Control {
    let mut word: Control = 0;
    // SAFETY: `stmxcsr` writes four bytes to the place given, which is a live local.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
    word
}

#[cfg(target_arch = "x86_64")]
fn set_control(word: Control) {
    // SAFETY: the word differs from the one in force in the two flush bits only, so no exception gets unmasked.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
}

#[cfg(target_arch = "aarch64")]
type Control = u64;
/// Flush-to-zero of FPCR, which covers operands and results.
#[cfg(target_arch = "aarch64")]
const FLUSH: Control = 1 << 24;

#[cfg(target_arch = "aarch64")]
fn control() -> Control {
    let word: Control;
    // SAFETY: reading FPCR has no effect.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word, options(nostack, preserves_flags)) };
    word
}

#[cfg(target_arch = "aarch64")]
fn set_control(word: Control) {
    // SAFETY: the word differs from the one in force in the flush bit only.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) };
}

// Machines without native code have no mode to set: everything there is evaluated by definitions that flush in code.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Control = u32;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FLUSH: Control = 1;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn control() -> Control {
    0
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn set_control(_: Control) {}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn flushing_ends_with_the_guard() {
        let halve = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert_ne!(halve(), 0.0);
        {
            let _guard = FloatMode::Flush.enter();
            assert_eq!(FloatMode::current(), FloatMode::Flush);
            assert_eq!(halve().to_bits(), 0);
            let _inner = FloatMode::Keep.enter();
            assert_ne!(halve(), 0.0);
        }
        assert_eq!(FloatMode::current(), FloatMode::Keep);
        assert_ne!(halve(), 0.0);
    }
}
