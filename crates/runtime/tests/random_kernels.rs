//! Random kernels answer the same as native code and in the interpreter.

#[path = "../../kernel/tests/random/choices.rs"]
mod choices;
#[path = "../../kernel/tests/random/kernels.rs"]
mod kernels;

use choices::Choices;
use std::sync::Arc;
use tracelift_kernel::loops::Access;
use tracelift_kernel::program::Program;
use tracelift_runtime::{Executable, Options};
use tracelift_tensor::{Array, Binding};

#[test]
fn native_code_agrees_with_the_interpreter() {
    let mut compared = 0;
    for seed in 0..400u32 {
        let byte = |i: u32| ((seed * 7919 + i * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8;
        let bytes: Vec<u8> = (0..300).map(byte).collect();
        let kernel = Arc::new(kernels::kernel(&mut Choices::new(&bytes), "k"));
        let Ok(program) = Program::of_kernel(&kernel).map(Arc::new) else { continue };
        let options = Options { flush_subnormals: seed % 4 == 3, ..Options::default() };
        let interpreter = Options { engine: tracelift_runtime::Engine::Interpreter, ..options.clone() };
        let native = Executable::compile(program.clone(), options).unwrap();
        assert!(native.is_native(), "{kernel}");
        let interpreter = Executable::compile(program, interpreter).unwrap();
        for (b, n) in [(3, 5), (0, 4), (5, 0), (2, 33), (1, 100)] {
            let sizes = Binding::from_iter([("B", b), ("N", n)]);
            let read = kernel.params.iter().enumerate().filter(|(_, param)| param.access != Access::Write);
            let mut inputs: Vec<Array> = read
                .map(|(seed, param)| kernels::array(param.dtype, &param.shape.eval(&sizes).unwrap(), seed))
                .collect();
            inputs.extend(kernels::scalars(&kernel).into_iter().map(kernels::rank_0));
            let shown = |error: &dyn std::fmt::Display| error.to_string();
            let expected = interpreter.call(&inputs, &[]).map_err(|error| shown(&tracelift_tensor::Error::from(error)));
            let found = native.call(&inputs, &[]).map_err(|error| shown(&tracelift_tensor::Error::from(error)));
            assert_eq!(found, expected, "seed {seed}, {sizes}\n{kernel}");
            compared += usize::from(expected.is_ok());
        }
    }
    assert!(compared > 500, "only {compared} runs were compared");
}
