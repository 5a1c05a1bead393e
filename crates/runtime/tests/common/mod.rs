//! A program on two engines at once, so that every call is a comparison.

use std::sync::Arc;
use tracelift_kernel::text::{Module, Source};
use tracelift_runtime::{CallError, Engine, Executable, Options, Variable};
use tracelift_tensor::{Array, Error, Result};

/// The same program as native code and interpreted.
pub(crate) struct Both {
    native: Executable,
    interpreted: Executable,
}

/// Compiles the last program of a text.
pub(crate) fn compile(text: &str) -> Both {
    compile_with(text, Options::default())
}

/// Compiles the last program of a text.
pub(crate) fn compile_with(text: &str, options: Options) -> Both {
    let module = Module::parse(Source::new("test", text)).unwrap_or_else(|mistake| panic!("{mistake}"));
    let program = Arc::new(module.programs.last().expect("a program").clone());
    let native = Executable::compile(Arc::clone(&program), options.clone()).unwrap();
    assert!(native.is_native());
    let interpreted = Executable::compile(program, Options { engine: Engine::Interpreter, ..options }).unwrap();
    Both { native, interpreted }
}

impl Both {
    /// The native executable.
    pub(crate) fn native(&self) -> &Executable {
        &self.native
    }

    /// Calls both, the interpreter on copies of the variables; results, new states and errors must agree.
    pub(crate) fn call(&self, inputs: &[Array], states: &[Variable]) -> Result<Vec<Array>> {
        let copies: Vec<Variable> =
            states.iter().map(|state| Variable::new(state.name(), state.value().unwrap())).collect();
        let expect = self.interpreted.call(inputs, &copies).map_err(plain);
        let copies: Vec<Array> = copies.iter().map(|copy| copy.value().unwrap()).collect();
        let found = self.native.call(inputs, states).map_err(plain);
        match (&expect, &found) {
            (Ok(expect), Ok(found)) => {
                assert_eq!(expect.len(), found.len());
                expect.iter().zip(found).for_each(|(a, b)| assert!(a.bit_eq(b), "interpreted {a:?}, native {b:?}"));
            }
            (Err(expect), Err(found)) => assert_eq!(expect.to_string(), found.to_string()),
            _ => panic!("interpreted {expect:?}, native {found:?}"),
        }
        for (state, copy) in states.iter().zip(&copies) {
            assert!(state.value().unwrap().bit_eq(copy), "`{}` is {copy:?} when interpreted", state.name());
        }
        found
    }
}

fn plain(error: CallError) -> Error {
    error.into()
}
