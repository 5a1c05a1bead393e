//! Library kernels leave no upper halves of vector registers dirty.
//!
//! Native code with 128-bit vectors mixes in legacy instructions, which dirty upper halves slow down hundreds of times.

#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "the state of the registers is read by an instruction")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use tracelift_codegen::{CodegenOptions, Wide, compile_kernels};
use tracelift_kernel::text::{Module, Source};
use tracelift_runtime::cpu::Path;
use tracelift_runtime::matmul::{Epilogue, How, MatMul, Order, matmul_with};

/// The upper halves of ymm0-15 and of zmm0-15, as bits of the extended state.
const UPPERS: u32 = 1 << 2 | 1 << 6;

/// The parts of the extended state in use, where the processor tells.
fn state_in_use() -> Option<u32> {
    if __cpuid(0).eax < 0xD || __cpuid(1).ecx & 1 << 27 == 0 || __cpuid_count(0xD, 1).eax & 1 << 2 == 0 {
        return None;
    }
    let state: u32;
    // SAFETY: the processor has `xgetbv` with argument 1, as just asked.
    unsafe { asm!("xgetbv", in("ecx") 1, out("eax") state, out("edx") _, options(nomem, nostack)) };
    Some(state)
}

fn are_clean() -> bool {
    state_in_use().is_none_or(|state| state & UPPERS == 0)
}

/// An epilogue that stops the product if it finds the registers dirty.
unsafe extern "sysv64" fn demand_clean(_: *const (), _: usize, _: usize) -> i32 {
    i32::from(!are_clean())
}

#[test]
fn the_probe_sees_dirty_uppers() {
    if !Path::Avx2.is_available() || state_in_use().is_none() {
        return;
    }
    let state: u32;
    // SAFETY: the machine has AVX and `xgetbv` with argument 1; the register is clean again afterwards.
    unsafe {
        asm!(
            "vpcmpeqd ymm0, ymm0, ymm0", "xgetbv", "vzeroupper",
            in("ecx") 1, out("eax") state, out("edx") _, out("ymm0") _, options(nomem, nostack),
        );
    }
    assert_ne!(state & UPPERS, 0);
    assert!(are_clean());
}

#[test]
fn products_and_the_calls_of_their_epilogues_find_them_clean() {
    // SAFETY: the epilogue touches nothing.
    let epilogue = unsafe { Epilogue::new(demand_clean, std::ptr::null()) };
    for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
        for (m, k, n) in [(32, 8, 30), (3, 40, 1), (300, 300, 70)] {
            let plain = MatMul::row_major(m, k, n);
            let lanes = (n == 1).then(|| plain.with_order(Order::Lanes));
            let specs = [plain, plain.with_a_transposed(), plain.with_b_transposed()];
            for spec in specs.into_iter().chain(lanes).chain(lanes.map(MatMul::with_a_transposed)) {
                let (a, b, mut c) = (vec![1.0_f32; m * k], vec![2.0; k * n], vec![0.0; m * n]);
                let how = How { path, threads: 1, epilogue: Some(epilogue) };
                assert_eq!(matmul_with(&spec, &a, &b, &mut c, &how), 0, "dirty at the epilogue: {spec:?} by {path:?}");
                assert!(are_clean(), "dirty afterwards: {spec:?} by {path:?}");
            }
        }
    }
}

#[test]
fn kernels_leave_them_clean() {
    // Far out, wide code calls a helper for sines.
    for (op, x, expected) in [("tanh", 0.5f32, 0.46211717f32), ("sin", 1e6, -0.3499935)] {
        let text = format!(
            "kernel @k(%x: f32[N], out %y: f32[N]) {{ par %i in 0..N {{ %0 = load %x[%i] %1 = {op} %0 store %y[%i], %1 }} }}"
        );
        let module = Module::parse(Source::new("test", &text)).unwrap();
        for wide in [None, Some(Wide::Avx2), Some(Wide::Avx512)] {
            let options = CodegenOptions { wide, ..CodegenOptions::default() };
            let native = &compile_kernels(&module.kernels, &options).unwrap()[0];
            for n in [3usize, 16, 100] {
                let (x, mut y) = (vec![x; n], vec![0.0f32; n]);
                let mut slots = [x.as_ptr() as u64, y.as_mut_ptr() as u64, n as u64, 0];
                // SAFETY: two addresses of `n` floats, their number, the slot for faults: as the kernel's ABI says.
                let status = unsafe { native.function()(slots.as_mut_ptr(), 0, n as i64) };
                assert!(are_clean(), "dirty after {n} numbers, {op}, wide {wide:?}");
                assert_eq!(status, 0);
                // Within the 3 ulp of a hyperbolic tangent.
                assert!((y[n - 1] - expected).abs() <= 3.0 * f32::EPSILON / 2.0, "{op} gives {}", y[n - 1]);
            }
        }
    }
}
