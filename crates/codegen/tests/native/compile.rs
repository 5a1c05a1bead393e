//! Compiling itself: many kernels at once, texts, refusals, memory.

use crate::check::{Numbers, check_on};
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, OptLevel, compile_kernels, inspect_kernel};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Index, Kernel, KernelBuilder, Operand, Reg, Stmt};
use tracelift_tensor::{Binding, DType, Dim, ErrorKind, Shape};

/// `y[i] = x[i] % (x[i] + number)`, which calls a definition
fn kernel(number: f32) -> Kernel {
    let mut k = KernelBuilder::new(format!("remainder_{number}"));
    let shape = || Shape::from([Dim::sym("N")]);
    let x = k.param("x", DType::F32, shape(), Access::Read);
    let y = k.param("y", DType::F32, shape(), Access::Write);
    let i = k.par(Dim::sym("N"));
    let at = || [Index::Affine(Affine::var(i))];
    let value = k.load(x, at());
    let sum = k.lane(LaneOp::Add, &[value, Operand::Const(Scalar::F32(number))]);
    let remainder = k.lane(LaneOp::Rem, &[value, sum]);
    k.store(y, at(), remainder);
    k.end();
    k.finish(&[])
}

#[test]
fn kernels_compiled_on_two_threads_are_those_compiled_on_one() {
    let kernels: Vec<Arc<Kernel>> = (0..40).map(|n| Arc::new(kernel(n as f32))).collect();
    let sizes = Binding::from_iter([("N", 9)]);
    // Nothing is kept from one run to the next, which would share it otherwise.
    let on = |threads| {
        let natives = compile_kernels(&kernels, &CodegenOptions { threads, ..CodegenOptions::default() }).unwrap();
        let mut numbers = Numbers(8);
        let results = natives.iter().map(|native| {
            let mut buffers = [numbers.array(DType::F32, &[9]), numbers.array(DType::F32, &[9])];
            native.run(&mut buffers, &[], &sizes).unwrap();
            (native.kernel.name.clone(), native.num_bytes(), buffers)
        });
        results.collect::<Vec<_>>()
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(one.len(), 40);
    assert!(one == two);
}

#[test]
fn kernels_that_differ_in_names_alone_share_their_code() {
    let renamed = |name: &str, number| {
        let mut kernel = kernel(number);
        kernel.name = name.to_string();
        kernel.params[0].name = format!("{name}_x");
        Arc::new(kernel)
    };
    let kernels = [renamed("a", 1.0), renamed("b", 2.0), renamed("c", 1.0)];
    let natives = compile_kernels(&kernels, &CodegenOptions::default()).unwrap();
    let addresses: Vec<usize> = natives.iter().map(|native| native.address()).collect();
    assert!(addresses[0] == addresses[2] && addresses[0] != addresses[1]);
    let names: Vec<&str> = natives.iter().map(|native| native.kernel.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn code_that_is_held_is_shared_within_the_process() {
    let compile = |numbers: &[f32], options: &CodegenOptions| {
        let kernels: Vec<Arc<Kernel>> = numbers.iter().map(|number| Arc::new(kernel(*number))).collect();
        let natives = compile_kernels(&kernels, options).unwrap();
        natives.into_iter().map(|native| (native.address(), native)).collect::<Vec<_>>()
    };
    let plain = CodegenOptions::default();
    let first = compile(&[101.0, 102.0], &plain);
    let second = compile(&[103.0, 102.0], &plain);
    assert_eq!(first[1].0, second[1].0);
    assert!(Arc::ptr_eq(first[1].1.code(), second[1].1.code()) && !Arc::ptr_eq(first[1].1.code(), second[0].1.code()));
    let scalar = compile(&[102.0], &CodegenOptions { vectorize: false, ..plain.clone() });
    assert_ne!(first[1].0, scalar[0].0, "other options are other code");
    // The first holder goes; the code stays while the second runs it.
    drop(first);
    let sizes = Binding::from_iter([("N", 3)]);
    let x = Numbers(8).array(DType::F32, &[3]);
    let mut buffers = [x.clone(), x];
    second[1].1.run(&mut buffers, &[], &sizes).unwrap();
    let mut alone = buffers.clone();
    scalar[0].1.run(&mut alone, &[], &sizes).unwrap();
    assert!(buffers[1].bit_eq(&alone[1]));
}

#[test]
fn every_optimisation_level_has_the_same_bits() {
    let kernel = Arc::new(kernel(0.5));
    let mut numbers = Numbers(9);
    let buffers = [numbers.array(DType::F32, &[21]), numbers.array(DType::F32, &[21])];
    let sizes = Binding::from_iter([("N", 21)]);
    let options = CodegenOptions { opt_level: OptLevel::None, ..CodegenOptions::default() };
    let native = &compile_kernels(std::slice::from_ref(&kernel), &options).unwrap()[0];
    let (mut plain, mut quick) = (buffers.clone(), buffers.clone());
    native.run(&mut quick, &[], &sizes).unwrap();
    compile_kernels(std::slice::from_ref(&kernel), &CodegenOptions::default()).unwrap()[0]
        .run(&mut plain, &[], &sizes)
        .unwrap();
    assert!(plain[1].bit_eq(&quick[1]));
    check_on(&kernel, buffers.to_vec(), &[], &sizes);
}

#[test]
fn texts_are_the_same_on_every_run_and_hold_no_address() {
    let first = inspect_kernel(&kernel(1.0), &CodegenOptions::default()).unwrap();
    let second = inspect_kernel(&kernel(1.0), &CodegenOptions::default()).unwrap();
    assert_eq!(first, second);
    assert!(first.clif.contains("fadd.f32x4") || first.clif.contains("fadd"), "{}", first.clif);
    assert!(first.clif.contains("call fn0"), "{}", first.clif);
    assert!(!first.optimized.is_empty() && first.code.len() > 100);
}

#[test]
fn a_kernel_that_makes_no_sense_is_an_error_and_the_next_one_compiles() {
    let mut bad = kernel(1.0);
    for stmt in &mut bad.body.stmts {
        if let Stmt::Loop(inner) = stmt {
            for stmt in &mut inner.body.stmts {
                if let Stmt::Lane { args, .. } = stmt {
                    args[0] = Operand::Reg(Reg(2));
                }
            }
        }
    }
    let error = compile_kernels(&[Arc::new(bad)], &CodegenOptions::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
    assert!(error.message.contains("remainder_1"), "{error}");
    compile_kernels(&[Arc::new(kernel(1.0))], &CodegenOptions::default()).unwrap();
}

#[test]
fn wrong_arguments_are_errors() {
    let native = &compile_kernels(&[Arc::new(kernel(1.0))], &CodegenOptions::default()).unwrap()[0];
    let sizes = Binding::from_iter([("N", 4)]);
    let mut numbers = Numbers(1);
    let x = numbers.array(DType::F32, &[4]);
    let message =
        |buffers: &mut [_], scalars: &[Scalar]| native.run(buffers, scalars, &sizes).unwrap_err().message.clone();
    assert_eq!(message(&mut [x.clone()], &[]), "kernel `remainder_1` takes 2 buffers, not 1");
    let short = numbers.array(DType::F32, &[3]);
    assert_eq!(message(&mut [x.clone(), short], &[]), "kernel `remainder_1` takes f32[N] as `y`, not f32[3]");
    let scalars = [Scalar::F32(1.0)];
    assert_eq!(message(&mut [x.clone(), x], &scalars), "kernel `remainder_1` takes scalars of [], not [F32]");
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_code_gives_its_memory_back() {
    // How many bytes without a file behind them can be executed.
    let executable = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("rwx"), "memory is writable and executable at once:\n{maps}");
        let anonymous = maps.lines().filter(|line| line.contains(" r-xp ") && line.contains(" 00:00 0"));
        let bytes = anonymous.map(|line| {
            let (range, _) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            usize::from_str_radix(to, 16).unwrap() - usize::from_str_radix(from, 16).unwrap()
        });
        bytes.sum::<usize>()
    };
    // Equal ones would share their code.
    let compile = |n: i32| compile_kernels(&[Arc::new(kernel(1000.0 + n as f32))], &CodegenOptions::default()).unwrap();
    drop(compile(0));
    let before = executable();
    let kept: Vec<_> = (0..200).map(compile).collect();
    let during = executable();
    assert!(kept.iter().all(|native| native[0].code().num_bytes() > 0));
    drop(kept);
    let after = executable();
    // Other tests run beside this one and have code, too.
    let page = 4096;
    assert!(during >= before + 190 * page && after <= before + 100 * page, "{before} bytes, {during}, then {after}");
}
