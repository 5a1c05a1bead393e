//! What a register of a kernel becomes: one value for all lanes, or vectors of them.

use super::Emitter;
use crate::clif::{constant, extract, masks, scalar_type, splat, vector_type};
use cranelift_codegen::ir::{Type, Value};
use smallvec::SmallVec;
use tracelift_kernel::lane::Scalar;
use tracelift_kernel::loops::{Operand, Reg};
use tracelift_tensor::DType;

/// A register's value in the iterations that are emitted at once.
#[derive(Clone, Debug)]
pub(crate) enum Lanes {
    /// The same in all of them: a scalar.
    Uniform(Value),
    /// One lane each: 128-bit vectors, first lanes first.
    Packed(Vectors),
}

/// The vectors that hold all lanes of a register.
pub(crate) type Vectors = SmallVec<[Value; 8]>;

impl Lanes {
    /// The CLIF values it is made of.
    pub(crate) fn values(&self) -> &[Value] {
        match self {
            Lanes::Uniform(value) => std::slice::from_ref(value),
            Lanes::Packed(vectors) => vectors,
        }
    }

    /// The same form with other values.
    pub(crate) fn with(&self, values: &[Value]) -> Lanes {
        match self {
            Lanes::Uniform(_) => Lanes::Uniform(values[0]),
            Lanes::Packed(_) => Lanes::Packed(SmallVec::from_slice(values)),
        }
    }
}

impl Emitter<'_, '_> {
    /// Sets a register.
    pub(crate) fn set(&mut self, reg: Reg, value: Lanes) {
        self.regs[reg.0 as usize] = Some(value);
    }

    /// The value of an operand, in whatever form it has.
    pub(crate) fn operand(&mut self, operand: &Operand) -> Lanes {
        match operand {
            Operand::Reg(reg) => self.regs[reg.0 as usize].clone().expect("registers are set before they are used"),
            Operand::Const(value) => Lanes::Uniform(self.literal(*value)),
        }
    }

    /// A literal as a scalar.
    pub(crate) fn literal(&mut self, value: Scalar) -> Value {
        constant(&mut self.builder, scalar_type(value.dtype()), value.bits())
    }

    /// The value of an operand that does not depend on the lane.
    pub(crate) fn uniform(&mut self, operand: &Operand) -> Value {
        match self.operand(operand) {
            Lanes::Uniform(value) => value,
            Lanes::Packed(_) => unreachable!("a value that depends on the lane left its loop"),
        }
    }

    /// How many lanes registers hold at the moment.
    pub(crate) fn lane_count(&self) -> usize {
        self.wide.map_or(1, |wide| wide.count)
    }

    /// All lanes of a value of `dtype` as vectors.
    pub(crate) fn packed(&mut self, value: &Lanes, dtype: DType) -> Vectors {
        match value {
            Lanes::Uniform(value) => {
                let ty = vector_type(dtype);
                let vector = splat(&mut self.builder, dtype, ty, *value);
                SmallVec::from_elem(vector, self.lane_count() / ty.lane_count() as usize)
            }
            Lanes::Packed(vectors) => vectors.clone(),
        }
    }

    /// All lanes of a bool as masks of 32-bit or 64-bit lanes.
    pub(crate) fn masks(&mut self, value: &Lanes, ty: Type) -> Vectors {
        let vectors = match value {
            Lanes::Uniform(value) => {
                let vector = splat(&mut self.builder, DType::Bool, ty, *value);
                return SmallVec::from_elem(vector, self.lane_count() / ty.lane_count() as usize);
            }
            Lanes::Packed(vectors) => vectors.clone(),
        };
        masks(&mut self.builder, ty, &vectors)
    }

    /// One lane of a value of `dtype` as a scalar.
    pub(crate) fn lane(&mut self, value: &Lanes, dtype: DType, lane: usize) -> Value {
        match value {
            Lanes::Uniform(value) => *value,
            Lanes::Packed(vectors) => {
                let per = self.builder.func.dfg.value_type(vectors[0]).lane_count() as usize;
                extract(&mut self.builder, dtype, vectors[lane / per], (lane % per) as u8)
            }
        }
    }

    /// Vectors made of scalars of `dtype`, of which there may be fewer than lanes.
    pub(crate) fn gathered(&mut self, scalars: &[Value], dtype: DType) -> Vectors {
        let ty = vector_type(dtype);
        let per = ty.lane_count() as usize;
        let zero = constant(&mut self.builder, ty, 0);
        let mut vectors: Vectors = SmallVec::from_elem(zero, self.lane_count().div_ceil(per));
        for (lane, value) in scalars.iter().enumerate() {
            let vector = &mut vectors[lane / per];
            *vector = crate::clif::insert(&mut self.builder, dtype, *vector, *value, (lane % per) as u8);
        }
        vectors
    }
}
