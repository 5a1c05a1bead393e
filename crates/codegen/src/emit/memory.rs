//! Loads and stores: of one value, of neighbours as vectors, of scattered lanes one by one.

use super::lanes::{Lanes, Vectors};
use super::{Emitter, Wide};
use crate::access::Access;
use crate::clif::{load_scalar, load_vector, store_scalar, store_vector, vector_type};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use smallvec::SmallVec;
use tracelift_kernel::loops::{Base, LoopVar, Place, Reg};
use tracelift_tensor::{DType, Dim};

/// An address as a value and a number of bytes after it.
#[derive(Clone, Copy)]
struct Address {
    base: Value,
    offset: i32,
}

/// How the lanes of an access lie.
enum Spread {
    /// All lanes read the same element.
    Same,
    /// Lane n is n elements after lane 0.
    Neighbours,
    /// Lane n is n times this many elements after lane 0.
    Strided(Dim),
    /// An index differs from lane to lane.
    Scattered,
}

impl Emitter<'_, '_> {
    /// The element type of some memory.
    fn base_dtype(&self, base: Base) -> DType {
        match base {
            Base::Param(n) => self.kernel.params[n as usize].dtype,
            Base::Scratch(n) => self.kernel.scratch[n as usize].dtype,
        }
    }

    fn base_address(&self, base: Base) -> Value {
        match base {
            Base::Param(n) => self.params[n as usize],
            Base::Scratch(n) => self.scratch[n as usize],
        }
    }

    /// Loads leave loops only if nothing the kernel does can change what they read.
    fn load_flags(&self, base: Base) -> MemFlagsData {
        let flags = MemFlagsData::new().with_notrap();
        match base {
            Base::Param(n) if self.readonly[n as usize] => flags.with_readonly().with_can_move(),
            _ => flags,
        }
    }

    fn spread(&self, access: &Access, wide: Wide) -> Spread {
        let varies = |(reg, _): &(Reg, Dim)| matches!(self.regs[reg.0 as usize], Some(Lanes::Packed(_)));
        if access.indirect.iter().any(varies) {
            return Spread::Scattered;
        }
        let step = access.coefficient(wide.var);
        match step.known() {
            Some(0) => Spread::Same,
            Some(1) => Spread::Neighbours,
            _ => Spread::Strided(step),
        }
    }

    /// Emits a load.
    pub(super) fn load(&mut self, from: &Place) -> Lanes {
        let access = self.accesses.of(from);
        let dtype = self.base_dtype(access.base);
        let flags = self.load_flags(access.base);
        let bytes = dtype.size() as i32;
        let spread = self.wide.map(|wide| (wide, self.spread(&access, wide)));
        let (wide, spread) = match spread {
            None | Some((_, Spread::Same)) => {
                let at = self.address(&access, 0);
                return Lanes::Uniform(load_scalar(&mut self.builder, dtype, flags, at.base, at.offset));
            }
            Some(spread) => spread,
        };
        if let (Spread::Neighbours, true) = (&spread, wide.valid == wide.count) {
            let at = self.address(&access, 0);
            let per = vector_type(dtype).lane_count() as i32;
            let vectors = (0..wide.count as i32 / per)
                .map(|n| load_vector(&mut self.builder, dtype, flags, at.base, at.offset + n * per * bytes))
                .collect();
            return Lanes::Packed(vectors);
        }
        let scalars: SmallVec<[Value; 8]> = (0..wide.valid)
            .map(|lane| {
                let at = self.lane_address(&access, &spread, bytes, lane);
                load_scalar(&mut self.builder, dtype, flags, at.base, at.offset)
            })
            .collect();
        Lanes::Packed(self.gathered(&scalars, dtype))
    }

    /// Emits a store.
    pub(super) fn store(&mut self, to: &Place, value: &Lanes) {
        let access = self.accesses.of(to);
        let dtype = self.base_dtype(access.base);
        let flags = MemFlagsData::new().with_notrap();
        let bytes = dtype.size() as i32;
        let spread = self.wide.map(|wide| (wide, self.spread(&access, wide)));
        let (wide, spread) = match spread {
            None | Some((_, Spread::Same)) => {
                let at = self.address(&access, 0);
                // Every lane stores to one element: the last one stays.
                let last = self.wide.map_or(0, |wide| wide.valid - 1);
                let value = self.lane(value, dtype, last);
                store_scalar(&mut self.builder, dtype, flags, value, at.base, at.offset);
                return;
            }
            Some(spread) => spread,
        };
        if let (Spread::Neighbours, true) = (&spread, wide.valid == wide.count) {
            let at = self.address(&access, 0);
            let ty = vector_type(dtype);
            let vectors: Vectors = if dtype == DType::Bool { self.masks(value, ty) } else { self.packed(value, dtype) };
            let per = ty.lane_count() as i32;
            for (n, vector) in (0..).zip(vectors) {
                store_vector(&mut self.builder, dtype, flags, vector, at.base, at.offset + n * per * bytes);
            }
            return;
        }
        for lane in 0..wide.valid {
            let at = self.lane_address(&access, &spread, bytes, lane);
            let value = self.lane(value, dtype, lane);
            store_scalar(&mut self.builder, dtype, flags, value, at.base, at.offset);
        }
    }

    fn lane_address(&mut self, access: &Access, spread: &Spread, bytes: i32, lane: usize) -> Address {
        let at = self.address(access, if matches!(spread, Spread::Scattered) { lane } else { 0 });
        let step = match spread {
            Spread::Same => return at,
            Spread::Neighbours => Dim::from(1usize),
            // The variable itself still counts beside the index that differs.
            Spread::Scattered => access.coefficient(self.wide.expect("lanes exist in wide loops only").var),
            Spread::Strided(step) => step.clone(),
        };
        let far = step.known().and_then(|step| {
            let far = step.checked_mul(lane as i64)?.checked_mul(i64::from(bytes))?;
            i32::try_from(far + i64::from(at.offset)).ok()
        });
        match far {
            Some(offset) => Address { base: at.base, offset },
            None => {
                let step = self.dim(&step);
                let far = self.builder.ins().imul_imm_s(step, lane as i64 * i64::from(bytes));
                Address { base: self.builder.ins().iadd(at.base, far), offset: at.offset }
            }
        }
    }

    /// The address of an access, with indices that differ taken from `lane` and loop variables at the first lane.
    ///
    /// What changes least is added first, so that it can move out of the inner loops.
    fn address(&mut self, access: &Access, lane: usize) -> Address {
        let dtype = self.base_dtype(access.base);
        let bytes = Dim::from(dtype.size());
        let mut base = self.base_address(access.base);
        let mut offset = 0;
        let start = access.offset.known().and_then(|known| i32::try_from(known * dtype.size() as i64).ok());
        match start {
            // Room is left for the offsets of further vectors and lanes.
            Some(known) if known.unsigned_abs() < 1 << 30 => offset = known,
            _ => {
                let start = self.dim(&access.offset);
                let start = self.scaled(start, &bytes);
                base = self.builder.ins().iadd(base, start);
            }
        }
        let mut terms: SmallVec<[(usize, LoopVar, Dim); 4]> = access
            .terms
            .iter()
            .map(|(var, step)| {
                let depth = self.nest.iter().position(|outer| outer == var);
                (depth.expect("loop variables are used inside their loops"), *var, step.clone())
            })
            .collect();
        terms.sort_by_key(|(depth, _, _)| *depth);
        for (_, var, step) in terms {
            let value = self.var(var);
            let value = match step.known() {
                Some(_) => self.scaled(value, &(&step * &bytes)),
                None => {
                    let elements = self.scaled(value, &step);
                    self.scaled(elements, &bytes)
                }
            };
            base = self.builder.ins().iadd(base, value);
        }
        for (reg, stride) in &access.indirect {
            let register = self.regs[reg.0 as usize].clone().expect("registers are set before they are used");
            let dtype = self.kernel.registers[reg.0 as usize];
            let index = self.lane(&register, dtype, lane);
            let index = if dtype == DType::I64 { index } else { self.builder.ins().sextend(I64, index) };
            let elements = self.scaled(index, stride);
            let far = self.scaled(elements, &bytes);
            base = self.builder.ins().iadd(base, far);
        }
        Address { base, offset }
    }
}
