//! Kernels in vectors of 512 or 256 bits, written without Cranelift, which has none.
//!
//! Only kernels of a plain kind, on f32 and what is no wider: `par` loops around straight bodies ([`straight`]),
//! reductions along rows and of everything ([`reduce`], [`tree`], [`turns`]), reductions and sequences down columns
//! ([`columns`], [`tiles`]). The definitions of `meaning` run on a recorder ([`record`]) as they do for Cranelift, so the bits are the same;
//! what is recorded gets registers in one pass ([`allocate`]) and is written ([`write`], [`operations`]) in one of two forms
//! ([`Wide`]): AVX-512 ([`avx512`]), or AVX2 with fused multiply-add ([`avx2`]) where that is all there is. Both have the
//! same kernels. What differs is how many lanes a vector has, how many registers there are, and how some of the lanes are
//! meant: by mask registers, or by vectors of all ones. Large results go around the caches ([`non_temporal`]). The one
//! thing that is called is a helper for circular functions of large angles ([`far`]). Everything else, and every other
//! machine, has Cranelift's 128-bit code.

mod form;
mod assembler;
mod encode;
mod code;
mod ir;
mod record;
mod list;
mod place;
mod non_temporal;
mod straight;
mod reduce;
mod tree;
mod turns;
mod columns;
mod tiles;
mod reuse;
mod allocate;
mod far;
mod write;
mod addresses;
mod reductions;
mod operations;
mod avx512;
mod avx2;

pub(crate) use far::import;
pub use form::Wide;

use crate::abi::KernelAbi;
use crate::options::CodegenOptions;
use crate::unit::{Unit, UnitReloc};
use assembler::Written;
use cranelift_codegen::binemit::Reloc;
use list::Target;
use tracelift_kernel::loops::Kernel;

/// The wide code of a kernel, if it is of the kind that has some and the machine has the instructions.
pub(crate) fn wide_unit(kernel: &Kernel, abi: &KernelAbi, options: &CodegenOptions) -> Option<Unit> {
    let target = Target { wide: options.form()?, non_temporal_from: options.non_temporal_from };
    let Written { code, calls } = code(kernel, abi, target)?;
    let imports = if calls.is_empty() { vec![] } else { vec![far::import()] };
    let reloc = |offset: &u32| UnitReloc { offset: *offset, kind: Reloc::Abs8, addend: 0, import: 0 };
    Some(Unit { name: kernel.name.clone(), code, align: 64, relocs: calls.iter().map(reloc).collect(), imports })
}

/// The code of a kernel, as any machine would write it: with many vectors at once if they fit the registers, with fewer
/// if not, and at last with some of them in memory. What short rows want again is kept, if there is room.
fn code(kernel: &Kernel, abi: &KernelAbi, target: Target) -> Option<Written> {
    let efforts = target.wide.efforts();
    let mut listed = None;
    for keeps in [true, false] {
        for (effort, most_slots) in efforts {
            let mut listing = match listed.take() {
                Some((of, listing)) if of == effort => listing,
                _ => list::list(kernel, abi, target, effort)?,
            };
            if keeps && !reuse::reuse(&mut listing) {
                listed = Some((effort, listing));
                break;
            }
            // Without columns less effort is the same list, so the last one's memory may be used at once.
            let most_slots = if listing.has_columns { most_slots } else { efforts[efforts.len() - 1].1 };
            if let Some(homes) = allocate::allocate(&listing, most_slots) {
                return write::write(&listing, &homes);
            }
            if !listing.has_columns {
                break;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::list::Effort;
    use super::*;
    use tracelift_kernel::text::{Module, Source};

    /// Nothing is written around the caches.
    fn target(wide: Wide) -> Target {
        Target { wide, non_temporal_from: u64::MAX }
    }

    const FORMS: [Wide; 2] = [Wide::Avx2, Wide::Avx512];

    fn kernel(params: &str, body: &str) -> Kernel {
        let text = format!("kernel @k({params}) {{ {body} }}");
        let module = Module::parse(Source::new("test", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
        Kernel::clone(&module.kernels[0])
    }

    /// The wide code of a kernel with the buffers `x` (read) and `y`, as any machine would write it.
    fn code(params: &str, body: &str, wide: Wide) -> Option<Vec<u8>> {
        let kernel = kernel(params, body);
        super::code(&kernel, &KernelAbi::of(&kernel), target(wide)).map(|written| written.code)
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
            for wide in FORMS {
                let code = code(params, body, wide).expect("the kernel has wide code");
                let clears_and_returns = [0xC5, 0xF8, 0x77, 0xC3];
                let found = code.windows(4).filter(|bytes| *bytes == clears_and_returns).count();
                assert_eq!(found, 1, "{wide:?}: {body}");
            }
        }
    }

    #[test]
    fn short_rows_compute_nothing_twice() {
        let softmax = "par %i in 0..B {
            %m = reduce max lanes %j in 0..N { %0 = load %x[%i, %j] yield %0 }
            %s = reduce sum lanes %k in 0..N { %1 = load %x[%i, %k] %2 = sub %1, %m %3 = exp %2 yield %3 }
            par %l in 0..N { %4 = load %x[%i, %l] %5 = sub %4, %m %6 = exp %5 %7 = div %6, %s store %y[%i, %l], %7 }
        }";
        let exponential = "par %i in 0..B { par %j in 0..N { %0 = load %x[%i, %j] %1 = exp %0 store %y[%i, %j], %1 } }";
        // Whether anything was known already, and how many steps of polynomials are left.
        let steps = |body: &str, n: &str, wide: Wide| {
            let kernel = kernel("%x: f32[B, N], out %y: f32[B, N]".replace('N', n).as_str(), &body.replace('N', n));
            let mut listing =
                list::list(&kernel, &KernelAbi::of(&kernel), target(wide), Effort(1)).expect("it has wide code");
            let found = reuse::reuse(&mut listing);
            let is_step = |item: &&ir::Item| matches!(item, ir::Item::Op { code: ir::Code::Fma, .. });
            (found, listing.items.iter().filter(is_step).count())
        };
        for wide in FORMS {
            let (_, of_one) = steps(exponential, "100", wide);
            assert_eq!(steps(softmax, "5", wide), (true, of_one), "{wide:?}");
            let (found, of_many) = steps(softmax, "100", wide);
            assert!(!found && of_many > of_one, "{wide:?}");
        }
    }

    #[test]
    fn what_has_no_wide_form_is_left_to_cranelift() {
        let flat = "par %i in 0..N { %0 = load %x[%i] %1 = OP store %y[%i], %1 }";
        for (params, body) in [
            ("%x: f64[N], out %y: f64[N]", flat.replace("OP", "exp %0")),
            ("%x: f64[N], out %y: f64[N]", flat.replace("OP", "sin %0")),
            ("%x: f32[N], out %y: f32[N]", flat.replace("OP", "rem %0, %0")),
            ("%x: f32[N], out %y: f32[N]", flat.replace("%x[%i]", "%x[N - 1 - %i]").replace("OP", "neg %0")),
        ] {
            assert!(FORMS.iter().all(|wide| code(params, &body, *wide).is_none()), "{body}");
        }
    }

    #[test]
    fn rows_of_large_matrices_may_have_flags_of_their_own() {
        let matrix = "%x: bool[510, 515], %w: bool[510], out %y: bool[515]";
        let body = "par %j in 0..515 {
            %a, %b = reduce (any, all) chain %i in 0..510 {
                %0 = load %x[%i, %j] %1 = load %w[%i] %2 = and %0, %1 yield %2, %0
            }
            %3 = xor %a, %b store %y[%j], %3
        }";
        for wide in FORMS {
            assert!(code(matrix, body, wide).is_some(), "{wide:?}");
        }
    }

    #[test]
    fn parts_of_a_row_have_one_pointer() {
        let sum = |parts: usize| {
            let loads: String = (0..parts).map(|n| format!("%{n} = load %x[%i, %j + {}] ", 64 * n)).collect();
            let sums: String = (1..parts).map(|n| format!("%s{n} = add %{n}, %{n} ")).collect();
            format!("par %i in 0..B {{ par %j in 0..64 {{ {loads} {sums} store %y[%i, %j], %s{} }} }}", parts - 1)
        };
        for wide in FORMS {
            assert!(code("%x: f32[B, 2048], out %y: f32[B, 64]", &sum(20), wide).is_some(), "{wide:?}");
        }
    }

    #[test]
    fn large_results_of_light_loops_go_around_the_caches() {
        let fences = |params: &str, op: &str, from: u64, wide: Wide| {
            let body = format!("par %i in 0..N {{ %0 = load %x[%i] %1 = {op} store %y[%i], %1 }}");
            let [params, body] = [params, &body].map(|text| text.replace('N', "1000000"));
            let kernel = kernel(&params, &body);
            let target = Target { wide, non_temporal_from: from };
            let code = super::code(&kernel, &KernelAbi::of(&kernel), target).expect("it has wide code").code;
            code.windows(3).filter(|bytes| *bytes == [0x0F, 0xAE, 0xF8]).count()
        };
        let known = "%x: f32[N], out %y: f32[N]";
        for wide in FORMS {
            assert_eq!(fences(known, "mul %0, 1.5", 8_000_000, wide), 1, "{wide:?}");
            assert_eq!(fences(known, "mul %0, 1.5", 8_000_001, wide), 0, "too few bytes, {wide:?}");
            assert_eq!(fences("%x: f32[N], inout %y: f32[N]", "mul %0, 1.5", 0, wide), 0, "read, too, {wide:?}");
        }
        assert_eq!(fences(known, "exp %0", 0, Wide::Avx2), 0, "more constants than registers");
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
        let slots = |count, wide| {
            let kernel = kernel("%x: f32[N], out %y: f32[N]", &body(count));
            let listing = list::list(&kernel, &KernelAbi::of(&kernel), target(wide), Effort(1))
                .expect("the kernel has wide code");
            allocate::allocate(&listing, 64).map(|homes| homes.slots)
        };
        assert_eq!(slots(20, Wide::Avx512), Some(0));
        assert!(slots(40, Wide::Avx512).is_some_and(|slots| (10..=14).contains(&slots)));
        assert_eq!(slots(10, Wide::Avx2), Some(0));
        assert!(slots(40, Wide::Avx2).is_some_and(|slots| (26..=30).contains(&slots)));
        assert!(FORMS.iter().all(|wide| slots(200, *wide).is_none()));
    }
}
