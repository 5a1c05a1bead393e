//! Kernels in 512-bit vectors, written without Cranelift, which has none.
//!
//! Only kernels of a plain kind, on f32 and what is no wider: `par` loops around straight bodies ([`straight`]),
//! reductions along rows and of everything ([`reduce`], [`tree`]), reductions and sequences down columns ([`columns`],
//! [`tiles`]). The definitions of `meaning` run on a recorder ([`record`]) as they do for Cranelift, so the bits are the same;
//! what is recorded gets registers in one pass ([`allocate`]) and is written as AVX-512 ([`write`]). Everything else, and
//! every machine without these instructions, has Cranelift's 128-bit code.

mod encode;
mod ir;
mod record;
mod list;
mod place;
mod straight;
mod reduce;
mod tree;
mod columns;
mod tiles;
mod allocate;
mod write;
mod addresses;
mod reductions;
mod operations;

use crate::abi::KernelAbi;
use crate::options::CodegenOptions;
use crate::unit::Unit;
use list::Effort;
use tracelift_kernel::loops::Kernel;

/// The most values that are kept in memory.
const MOST_SLOTS: usize = 64;

/// The wide code of a kernel, if it is of the kind that has some and the machine has the instructions.
pub(crate) fn wide_unit(kernel: &Kernel, abi: &KernelAbi, options: &CodegenOptions) -> Option<Unit> {
    if !(options.wide && options.vectorize && is_available()) {
        return None;
    }
    let code = code(kernel, abi)?;
    Some(Unit { name: kernel.name.clone(), code, align: 64, relocs: vec![], imports: vec![] })
}

/// The code of a kernel, as any machine would write it: with many vectors at once if they fit the registers, with fewer
/// if not, and at last with some of them in memory.
fn code(kernel: &Kernel, abi: &KernelAbi) -> Option<Vec<u8>> {
    for (effort, most_slots) in [(Effort(16), 0), (Effort(4), 0), (Effort(1), MOST_SLOTS)] {
        let listing = list::list(kernel, abi, effort)?;
        if let Some(homes) = allocate::allocate(&listing, most_slots) {
            return write::write(&listing, &homes);
        }
    }
    None
}

/// Whether this machine runs wide code.
pub(crate) fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("bmi2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_kernel::text::{Module, Source};

    /// The wide code of a kernel with the buffers `x` (read) and `y`, as any machine would write it.
    fn code(params: &str, body: &str) -> Option<Vec<u8>> {
        let text = format!("kernel @k({params}) {{ {body} }}");
        let module = Module::parse(Source::new("test", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
        super::code(&module.kernels[0], &KernelAbi::of(&module.kernels[0]))
    }

    #[test]
    fn straight_bodies_and_rows_are_wide() {
        let matrices = "%x: f32[B, N], out %y: f32[B, N]";
        let tanh = "par %i in 0..B { par %j in 0..N { %0 = load %x[%i, %j] %1 = tanh %0 store %y[%i, %j], %1 } }";
        let softmax = "par %i in 0..B {
            %m = reduce max lanes %j in 0..100 { %0 = load %x[%i, %j] yield %0 }
            %s = reduce sum lanes %k in 0..100 { %1 = load %x[%i, %k] %2 = sub %1, %m %3 = exp %2 yield %3 }
            par %l in 0..100 { %4 = load %x[%i, %l] %5 = sub %4, %m %6 = exp %5 %7 = div %6, %s store %y[%i, %l], %7 }
        }";
        for (params, body) in [(matrices, tanh), (&matrices.replace('N', "100"), softmax)] {
            let code = code(params, body).expect("the kernel has wide code");
            let clears_and_returns = [0xC5, 0xF8, 0x77, 0xC3];
            assert_eq!(code.windows(4).filter(|bytes| *bytes == clears_and_returns).count(), 1, "{body}");
        }
    }

    #[test]
    fn what_has_no_wide_form_is_left_to_cranelift() {
        let flat = "par %i in 0..N { %0 = load %x[%i] %1 = OP store %y[%i], %1 }";
        for (params, body) in [
            ("%x: f64[N], out %y: f64[N]", flat.replace("OP", "exp %0")),
            ("%x: f32[N], out %y: f32[N]", flat.replace("OP", "sin %0")),
            ("%x: f32[N], out %y: f32[N]", flat.replace("OP", "pow %0, %0")),
            ("%x: f32[N], out %y: f32[N]", flat.replace("%x[%i]", "%x[N - 1 - %i]").replace("OP", "neg %0")),
        ] {
            assert!(code(params, &body).is_none(), "{body}");
        }
    }

    #[test]
    fn too_many_values_for_the_registers_are_kept_in_memory() {
        let body = |count: usize| {
            let loads: String = (0..count).map(|n| format!("%{n} = add %a, {n}.5 ")).collect();
            let sums: String = (1..count).map(|n| format!("%s{n} = add %s{}, %{n} ", n - 1)).collect();
            let uses: String = (0..count).map(|n| format!("%t{} = mul %t{n}, %{n} ", n + 1)).collect();
            let last = count - 1;
            format!(
                "par %i in 0..N {{ %a = load %x[%i] {loads} %s0 = neg %0 {sums} %t0 = neg %a {uses}
                 %r = add %s{last}, %t{count} store %y[%i], %r }}"
            )
        };
        let slots = |count| {
            let text = format!("kernel @k(%x: f32[N], out %y: f32[N]) {{ {} }}", body(count));
            let module = Module::parse(Source::new("test", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
            let kernel = &module.kernels[0];
            let listing = list::list(kernel, &KernelAbi::of(kernel), Effort(1)).expect("the kernel has wide code");
            allocate::allocate(&listing, MOST_SLOTS).map(|homes| homes.slots)
        };
        assert_eq!(slots(20), Some(0));
        assert!(slots(40).is_some_and(|slots| (10..=14).contains(&slots)));
        assert_eq!(slots(200), None);
    }
}
