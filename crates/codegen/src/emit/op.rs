//! Lane operations on registers of any form: scalars, vectors, or lane by lane where no vector form exists.

use super::Emitter;
use super::lanes::Lanes;
use crate::clif::{Operands, scalar_op, vector_op};
use crate::isa::call_conv;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::SmallVec;
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{DType, Result};

impl Emitter<'_, '_> {
    /// Emits an operation on operands of the given types.
    pub(super) fn lane_op(&mut self, op: LaneOp, types: &[DType], args: &[Lanes]) -> Result<Lanes> {
        if args.iter().all(|arg| matches!(arg, Lanes::Uniform(_))) {
            let args: SmallVec<[Value; 3]> = args.iter().map(|arg| arg.values()[0]).collect();
            return Ok(Lanes::Uniform(self.on_scalars(op, types, &args, 0)?));
        }
        let operands: SmallVec<[Operands<'_>; 3]> = args
            .iter()
            .map(|arg| match arg {
                Lanes::Uniform(value) => Operands::Scalar(*value),
                Lanes::Packed(vectors) => Operands::Vectors(vectors),
            })
            .collect();
        if let Some(vectors) = vector_op(&mut self.builder, op, types, &operands)? {
            return Ok(Lanes::Packed(vectors));
        }
        let valid = self.wide.map_or(0, |wide| wide.valid);
        let mut results: SmallVec<[Value; 8]> = SmallVec::new();
        for lane in 0..valid {
            let scalars: SmallVec<[Value; 3]> =
                args.iter().zip(types).map(|(arg, dtype)| self.lane(arg, *dtype, lane)).collect();
            results.push(self.on_scalars(op, types, &scalars, lane)?);
        }
        let result = op.result_type(types).expect("the types were checked with the vector form");
        Ok(Lanes::Packed(self.gathered(&results, result)))
    }

    fn on_scalars(&mut self, op: LaneOp, types: &[DType], args: &[Value], lane: usize) -> Result<Value> {
        if op.can_fault(types[0]) {
            let zero = self.builder.ins().icmp_imm_s(IntCC::Equal, args[1], 0);
            self.fault_if(zero, lane);
        }
        let conv = call_conv(self.isa);
        scalar_op(&mut self.builder, &mut self.imports, conv, op, types, args)
    }
}
