//! Powers of scalars as functions of their own: each is two hundred operations, most of what Cranelift has to do for a
//! training step whose optimizer has three of them. They are made once per process, when the first driver asks.

use super::form::scalar_type;
use super::lane::scalar_op;
use crate::code::{Code, Entry, link};
use crate::isa::{OptLevel, call_conv, host};
use crate::unit::{Compiler, Import, Imports, signature};
use cranelift_codegen::ir::InstBuilder;
use cranelift_frontend::FunctionBuilder;
use std::iter;
use std::sync::{Arc, OnceLock};
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{DType, Result};

/// An operation that has a function of its own.
struct Routine {
    op: LaneOp,
    dtype: DType,
    name: &'static str,
    /// Stays for as long as the process lives, as code does that calls it.
    made: OnceLock<Result<(Arc<Code>, Entry)>>,
}

static ROUTINES: [Routine; 2] = [
    Routine { op: LaneOp::Pow, dtype: DType::F32, name: "tracelift_pow_f32", made: OnceLock::new() },
    Routine { op: LaneOp::Pow, dtype: DType::F64, name: "tracelift_pow_f64", made: OnceLock::new() },
];

/// The function for an operation on operands of this type, if it has one.
pub(crate) fn for_op(op: LaneOp, dtype: DType) -> Option<Import> {
    ROUTINES.iter().find(|routine| (routine.op, routine.dtype) == (op, dtype)).and_then(Routine::import)
}

/// The function of this name.
pub(crate) fn named(name: &str) -> Option<Import> {
    ROUTINES.iter().find(|routine| routine.name == name).and_then(Routine::import)
}

impl Routine {
    /// It, to be called; `None` if it cannot be made here.
    fn import(&self) -> Option<Import> {
        let (_, entry) = self.made.get_or_init(|| self.make()).as_ref().ok()?;
        Some(Import { name: self.name, address: entry.0 })
    }

    /// Takes its operands and answers its result in registers.
    fn make(&self) -> Result<(Arc<Code>, Entry)> {
        let isa = host(OptLevel::Speed)?;
        let types = vec![self.dtype; self.op.arity()];
        let clif_types: Vec<_> = types.iter().map(|dtype| scalar_type(*dtype)).collect();
        let signature = signature(&*isa, &clif_types, &[scalar_type(self.dtype)]);
        let mut build = |mut b: FunctionBuilder<'_>| {
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            let operands = b.block_params(entry).to_vec();
            let mut imports = Imports::default();
            let result = scalar_op(&mut b, &mut imports, call_conv(&*isa), self.op, &types, &operands)?;
            b.ins().return_(&[result]);
            b.seal_all_blocks();
            b.finalize(isa.frontend_config());
            Ok(imports)
        };
        let unit = Compiler::new().compile(&*isa, self.name, signature, None, &mut build)?;
        let (code, entries) = link(isa.clone(), iter::once(&unit))?;
        code.belongs_to_process();
        Ok((code, entries[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routine_is_made_once() {
        let pow = for_op(LaneOp::Pow, DType::F64).expect("powers have a routine");
        assert_eq!(for_op(LaneOp::Pow, DType::F64), Some(pow));
        assert_eq!(named(pow.name), Some(pow));
        assert_ne!(for_op(LaneOp::Pow, DType::F32), Some(pow));
        assert_eq!(for_op(LaneOp::Exp, DType::F64), None);
    }
}
