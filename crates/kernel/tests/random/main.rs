//! Random kernels and programs: their texts read back, verifiers and interpreter never panic.

mod choices;
mod kernels;
mod programs;

use choices::Choices;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use tracelift_kernel::loops::{Kernel, LoopKind, Stmt};
use tracelift_kernel::program::Program;
use tracelift_kernel::text::{Module, Source};
use tracelift_tensor::{Array, Binding};

fn random_kernel(bytes: &[u8]) -> Kernel {
    kernels::kernel(&mut Choices::new(bytes), "k")
}

fn read(text: &str) -> Module {
    Module::parse(Source::new("printed", text)).unwrap_or_else(|mistake| panic!("{mistake}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn kernels_read_back(bytes in vec(any::<u8>(), 0..400)) {
        let kernel = random_kernel(&bytes);
        prop_assert_eq!(kernel.verify(), []);
        let module = read(&kernel.to_string());
        prop_assert_eq!(&*module.kernels[0], &kernel);
    }

    /// Two runs agree, and so does a run that goes through the text and a program around the kernel.
    #[test]
    fn kernels_run(bytes in vec(any::<u8>(), 0..400), b in 0i64..6, n in 0i64..40) {
        let kernel = random_kernel(&bytes);
        let sizes = Binding::from_iter([("B", b), ("N", n)]);
        let mut buffers: Vec<Array> = vec![];
        for (seed, param) in kernel.params.iter().enumerate() {
            buffers.push(kernels::array(param.dtype, &param.shape.eval(&sizes).unwrap(), seed));
        }
        let scalars = kernels::scalars(&kernel);
        let mut again = buffers.clone();
        let first = kernel.interpret(&mut buffers, &scalars, &sizes);
        let second = read(&kernel.to_string()).kernels[0].interpret(&mut again, &scalars, &sizes);
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert!(first.iter().zip(&second).all(|(a, b)| a.same(*b)));
                prop_assert_eq!(buffers, again);
            }
            (Err(first), Err(second)) => prop_assert_eq!(first, second),
            (first, second) => prop_assert!(false, "{first:?} is not {second:?}"),
        }
    }

    #[test]
    fn broken_kernels_are_refused(bytes in vec(any::<u8>(), 0..400), what in 0usize..6) {
        let mut kernel = random_kernel(&bytes);
        match what {
            0 => kernel.registers.truncate(kernel.registers.len() / 2),
            1 => kernel.params.clear(),
            2 => kernel.scratch.clear(),
            3 => kernel.loop_vars /= 2,
            4 => kernel.results.push(tracelift_tensor::F32),
            _ => kernel.body.stmts.reverse(),
        }
        // There may be nothing to break.
        if what == 4 {
            prop_assert!(!kernel.verify().is_empty());
        } else {
            kernel.verify();
        }
    }

    #[test]
    fn programs_read_back(bytes in vec(any::<u8>(), 0..600)) {
        let program = programs::program(&mut Choices::new(&bytes));
        let module = read(&program.to_string());
        prop_assert_eq!(&module.programs[0], &program);
        // Most of them are wrong, which the verifier has to say without falling over.
        program.verify();
    }

    #[test]
    fn broken_programs_are_refused(bytes in vec(any::<u8>(), 0..600), what in 0usize..6) {
        let mut program = programs::program(&mut Choices::new(&bytes));
        match what {
            0 => program.registers.truncate(program.registers.len() / 2),
            1 => program.buffers.truncate(program.buffers.len() / 2),
            2 => program.kernels.clear(),
            3 => program.sites.clear(),
            4 => program.states.clear(),
            _ => program.unknowns.clear(),
        }
        program.verify();
    }

    #[test]
    fn no_text_makes_the_reader_panic(bytes in vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>(), word in 0usize..12) {
        let words = ["{", "}", "(", "yield", "%0", "=", "-", "0..", "$b0", "reduce", "9999999999", "at"];
        let mut text = programs::program(&mut Choices::new(&bytes)).to_string();
        let at = at.index(text.len());
        if text.is_char_boundary(at) {
            text.insert_str(at, words[word]);
        }
        if let Ok(module) = Module::parse(Source::new("changed", &text)) {
            for program in &module.programs {
                program.verify();
            }
        }
    }
}

/// What the generator reaches, so that the tests above mean something.
#[test]
fn the_generator_reaches_every_form() {
    let (mut par, mut seq, mut reduce, mut stores, mut scratch, mut indirect, mut scalars) = (0, 0, 0, 0, 0, 0, 0);
    let count = 400u32;
    for seed in 0..count {
        let bytes: Vec<u8> =
            (0..300u32).map(|i| ((seed * 7919 + i * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let kernel = random_kernel(&bytes);
        scratch += usize::from(!kernel.scratch.is_empty());
        scalars += usize::from(!kernel.scalars.is_empty());
        kernel.for_each_stmt(&mut |stmt| match stmt {
            Stmt::Loop(inner) => match inner.kind {
                LoopKind::Par => par += 1,
                LoopKind::Seq => seq += 1,
                LoopKind::Reduce { .. } => reduce += 1,
            },
            Stmt::Store { .. } => stores += 1,
            Stmt::Load { from, .. } => {
                let is_indirect = |index: &_| matches!(index, tracelift_kernel::loops::Index::Indirect(_));
                indirect += usize::from(from.index.iter().any(is_indirect));
            }
            _ => {}
        });
    }
    for (what, found) in [
        ("par", par),
        ("seq", seq),
        ("reduce", reduce),
        ("stores", stores),
        ("scratch", scratch),
        ("indirect", indirect),
        ("scalars", scalars),
    ] {
        assert!(found > 40, "{what}: {found} in {count} kernels");
    }
}

/// Programs made of one kernel answer what the kernel does.
#[test]
fn a_program_runs_its_kernel() {
    let mut compared = 0;
    for seed in 0..200u32 {
        let bytes: Vec<u8> =
            (0..300u32).map(|i| ((seed * 31 + i * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let kernel = Arc::new(random_kernel(&bytes));
        let Ok(program) = Program::of_kernel(&kernel) else { continue };
        let sizes = Binding::from_iter([("B", 3), ("N", 5)]);
        let mut buffers: Vec<Array> = vec![];
        let mut inputs = vec![];
        for (seed, param) in kernel.params.iter().enumerate() {
            let array = kernels::array(param.dtype, &param.shape.eval(&sizes).unwrap(), seed);
            if param.access != tracelift_kernel::loops::Access::Write {
                inputs.push(array.clone());
            }
            buffers.push(array);
        }
        let scalars = kernels::scalars(&kernel);
        inputs.extend(scalars.iter().map(|value| kernels::rank_0(*value)));
        if program.input_types().iter().zip(&inputs).any(|((_, shape), array)| shape.rank() != array.rank()) {
            continue;
        }
        let Ok(expected) = kernel.interpret(&mut buffers, &scalars, &sizes) else { continue };
        let results = program.interpret(&inputs, &mut []).unwrap();
        let written =
            kernel.params.iter().zip(buffers).filter(|(p, _)| p.access != tracelift_kernel::loops::Access::Read);
        let mut all: Vec<Array> = written.map(|(_, array)| array).collect();
        all.extend(expected.iter().map(|value| kernels::rank_0(*value)));
        assert_eq!(results, all, "{kernel}");
        compared += 1;
    }
    assert!(compared > 50, "only {compared} kernels were compared");
}
