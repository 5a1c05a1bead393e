//! Lane operations on registers of any form: scalars, vectors, or lane by lane where no vector form exists.

use super::Emitter;
use super::lanes::{Lanes, Vectors};
use crate::clif::{Operands, all_near, scalar_op, vector_op, vector_type};
use crate::isa::call_conv;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use smallvec::SmallVec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::meaning::Support;
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
        if op.support(types) == Support::Near {
            return self.near_op(op, types, args);
        }
        if let Some(vectors) = vector_op(&mut self.builder, op, types, &operands)? {
            return Ok(Lanes::Packed(vectors));
        }
        Ok(Lanes::Packed(self.lane_by_lane(op, types, args)?))
    }

    /// An operation whose form over vectors holds near zero: that form if all lanes are there, else lane by lane.
    fn near_op(&mut self, op: LaneOp, types: &[DType], args: &[Lanes]) -> Result<Lanes> {
        let x = self.packed(&args[0], types[0]);
        let near = all_near(&mut self.builder, types[0], &x);
        let vectors: SmallVec<[Type; 8]> = SmallVec::from_elem(vector_type(types[0]), x.len());
        let results = self.branch(
            near,
            &vectors,
            &mut |emitter| {
                let results = vector_op(&mut emitter.builder, op, types, &[Operands::Vectors(&x)])?;
                Ok(results.expect("what holds near zero has a form over vectors"))
            },
            &mut |emitter| emitter.lane_by_lane(op, types, args),
        )?;
        Ok(Lanes::Packed(results))
    }

    fn lane_by_lane(&mut self, op: LaneOp, types: &[DType], args: &[Lanes]) -> Result<Vectors> {
        let valid = self.wide.map_or(0, |wide| wide.valid);
        let mut results: SmallVec<[Value; 8]> = SmallVec::new();
        for lane in 0..valid {
            let scalars: SmallVec<[Value; 3]> =
                args.iter().zip(types).map(|(arg, dtype)| self.lane(arg, *dtype, lane)).collect();
            results.push(self.on_scalars(op, types, &scalars, lane)?);
        }
        let result = op.result_type(types).expect("the types were checked with the vector form");
        Ok(self.gathered(&results, result))
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
