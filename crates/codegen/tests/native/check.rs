//! Numbers for tests, and the comparison of native code with the interpreter.

use crate::arrays::{array_of, assert_same};
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, Wide, compile_kernels};
use tracelift_kernel::lane::Scalar;
use tracelift_kernel::loops::Kernel;
use tracelift_tensor::{Array, Binding, DType};

/// A simple generator: the same numbers on every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    pub(crate) fn scalar(&mut self, dtype: DType) -> Scalar {
        let n = self.next();
        // Whole multiples of no power of two, so that sums round; now and then something special.
        let float = match n % 97 {
            0 => -0.0,
            1 => 0.0,
            2 => 1e-42,
            _ => (n % 2001) as f64 / 300.0 - 3.0,
        };
        match dtype {
            DType::F32 => Scalar::F32(float as f32),
            DType::F64 => Scalar::F64(float),
            DType::I32 => Scalar::I32(n as i32 - (1 << 30)),
            DType::I64 => Scalar::I64((n << 31) as i64 - n as i64),
            DType::U8 => Scalar::U8(n as u8),
            _ => Scalar::Bool(n & 4 == 4),
        }
    }

    /// An array of such; in large ones they repeat after a prime number.
    pub(crate) fn array(&mut self, dtype: DType, shape: &[usize]) -> Array {
        let elements = shape.iter().product::<usize>().min(65_521);
        let values: Vec<Scalar> = (0..elements).map(|_| self.scalar(dtype)).collect();
        array_of(dtype, shape, &values)
    }
}

/// Every choice of vectors for kernels: what the machine lacks comes to the same as what it has.
pub(crate) const WIDES: [Option<Wide>; 3] = [None, Some(Wide::Avx2), Some(Wide::Avx512)];

/// The forms that code may have: in no vectors, in 128-bit ones, and in all wide ones of this machine.
pub(crate) fn forms() -> Vec<CodegenOptions> {
    let scalar = CodegenOptions { vectorize: false, ..CodegenOptions::default() };
    let vectors = WIDES.into_iter().filter(|wide| *wide <= Wide::best());
    let vectors = vectors.map(|wide| CodegenOptions { wide, ..CodegenOptions::default() });
    std::iter::once(scalar).chain(vectors).collect()
}

/// Runs a kernel natively, in every form, and by the interpreter; everything must agree to the bit.
pub(crate) fn check(kernel: Kernel, scalars: &[Scalar], sizes: &[Binding]) {
    let kernel = Arc::new(kernel);
    let mut numbers = Numbers(17);
    for sizes in sizes {
        let buffers: Vec<Array> =
            kernel.params.iter().map(|param| numbers.array(param.dtype, &param.shape.eval(sizes).unwrap())).collect();
        check_on(&kernel, buffers, scalars, sizes);
    }
}

/// The same on given buffers.
pub(crate) fn check_on(kernel: &Arc<Kernel>, buffers: Vec<Array>, scalars: &[Scalar], sizes: &Binding) {
    let mut expect = buffers.clone();
    let results = kernel.interpret(&mut expect, scalars, sizes).unwrap();
    for options in forms() {
        let native = &compile_kernels(std::slice::from_ref(kernel), &options).unwrap()[0];
        let form = (options.vectorize, options.wide);
        let what = format!("{} at {sizes}, vectors and wide ones {form:?}", kernel.name);
        let mut got = buffers.clone();
        let scalars_got = native.run(&mut got, scalars, sizes).unwrap();
        for (got, expect) in scalars_got.iter().zip(&results) {
            assert!(got.same(*expect), "{what}: result {got}, not {expect}");
        }
        for ((got, expect), param) in got.iter().zip(&expect).zip(&kernel.params) {
            assert_same(&format!("{what}, `{}`", param.name), got, expect);
        }
    }
}
