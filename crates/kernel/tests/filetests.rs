//! The files under `tests/filetests/kernels`: they read back, pass their verifiers, and the interpreter answers what
//! their `run:` lines say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracelift_kernel::program::Program;
use tracelift_kernel::text::{Expected, Module, RunLine, Source};
use tracelift_tensor::Array;

#[test]
fn kernels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filetests/kernels");
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "no files in {}", folder.display());
    for file in files {
        check(&file);
    }
}

fn check(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let source = Source::new(name, &text);
    let module = Module::parse(source).unwrap_or_else(|mistake| panic!("{mistake}"));
    for kernel in &module.kernels {
        assert_eq!(kernel.verify(), [], "{name}");
        let printed = kernel.to_string();
        assert!(text.contains(&printed), "{name} differs from what is printed:\n{printed}");
    }
    for program in &module.programs {
        assert_eq!(program.verify(), [], "{name}");
        let printed = program.steps_text();
        assert!(text.contains(&printed), "{name} differs from what is printed:\n{printed}");
        let again = Module::parse(Source::new("printed", &program.to_string())).unwrap();
        assert_eq!(again.program(&program.name), Some(program), "{name}");
    }
    let lines = RunLine::all(source, "run").unwrap_or_else(|mistake| panic!("{mistake}"));
    assert!(!lines.is_empty(), "{name} has no `run:` line");
    for line in lines {
        let program = program(&module, &line.function);
        let case = line.read(&program.input_types(), &program.result_types()).unwrap_or_else(|m| panic!("{m}"));
        let place = format!("{name}:{}: @{}", line.position, line.function);
        match (program.interpret(&case.inputs, &mut []), case.expected) {
            (Ok(results), Expected::Results(expected)) => assert_eq!(results, expected, "{place}"),
            (Err(error), Expected::Error(part)) => {
                assert!(error.to_string().contains(&part), "{place}: expected `{part}` in `{error}`");
            }
            (Ok(results), Expected::Error(part)) => panic!("{place}: expected `{part}`, not {results:?}"),
            (Err(error), Expected::Results(_)) => panic!("{place}: {error}"),
        }
    }
}

fn program(module: &Module, name: &str) -> Program {
    match (module.program(name), module.kernel(name)) {
        (Some(program), _) => program.clone(),
        (None, Some(kernel)) => Program::of_kernel(&Arc::clone(kernel)).unwrap_or_else(|error| panic!("{error}")),
        (None, None) => panic!("there is no `@{name}`"),
    }
}

#[test]
fn arrays_are_compared_by_bits() {
    assert_ne!(Array::scalar(0.0f32), Array::scalar(-0.0f32));
    assert_eq!(Array::scalar(f32::NAN), Array::scalar(-f32::NAN));
}
