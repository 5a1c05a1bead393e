//! One kernel run on arrays, for tests, benchmarks and tools; programs call kernels without this.
#![expect(unsafe_code, reason = "native code takes addresses")]

use crate::abi::{FAULT_DIVIDE_BY_ZERO, STATUS_OK};
use crate::compile::NativeKernel;
use tracelift_kernel::lane::Scalar;
use tracelift_kernel::loops::Access;
use tracelift_tensor::{Array, Binding, Error, Result};

impl NativeKernel {
    /// Runs the kernel on buffers of its parameters' types and sizes; answers its rank-0 results.
    pub fn run(&self, buffers: &mut [Array], scalars: &[Scalar], sizes: &Binding) -> Result<Vec<Scalar>> {
        let end = self.kernel.range().map_or(Ok(0), |extent| extent.eval(sizes))?;
        self.run_part(buffers, scalars, sizes, 0..end)
    }

    /// Runs a part of the kernel's range: see [`Kernel::range`](tracelift_kernel::loops::Kernel::range).
    pub fn run_part(
        &self,
        buffers: &mut [Array],
        scalars: &[Scalar],
        sizes: &Binding,
        part: std::ops::Range<i64>,
    ) -> Result<Vec<Scalar>> {
        let abi = &*self.abi;
        self.check(buffers, scalars, sizes, &part)?;
        let mut slots = vec![0u64; abi.num_slots()];
        for (n, (buffer, param)) in buffers.iter_mut().zip(&self.kernel.params).enumerate() {
            slots[abi.param_slot(n)] = match param.access {
                Access::Read => buffer.bytes().as_ptr() as u64,
                // Writing needs memory of the array's own.
                Access::Write | Access::Update => buffer.bytes_mut().as_mut_ptr() as u64,
            };
        }
        for (n, extent) in abi.extents.iter().enumerate() {
            slots[abi.extent_slot(n)] = extent.eval(sizes)? as u64;
        }
        for (n, scalar) in scalars.iter().enumerate() {
            slots[abi.scalar_slot(n)] = scalar.bits();
        }
        let mut scratch = Vec::with_capacity(abi.scratch.len());
        for (n, (dtype, extent)) in abi.scratch.iter().enumerate() {
            let mut row = Array::zeros(*dtype, [usize::try_from(extent.eval(sizes)?).unwrap_or(0)])?;
            slots[abi.scratch_slot(n)] = row.bytes_mut().as_mut_ptr() as u64;
            scratch.push(row);
        }
        // SAFETY: the slots are laid out by the kernel's own ABI. Buffers and scratch rows have the types and sizes it
        // was compiled for (checked above), those it writes belong to us alone, and all outlive the call, as does the
        // code, which `self` holds. The kernel's verifier keeps its indices inside its buffers.
        let status = unsafe { self.function()(slots.as_mut_ptr(), part.start, part.end) };
        match status {
            STATUS_OK => Ok((0..abi.results.len())
                .map(|n| Scalar::from_bits(abi.results[n], slots[abi.result_slot(n)]))
                .collect()),
            FAULT_DIVIDE_BY_ZERO => {
                let position = slots[abi.fault_slot()];
                Err(Error::invalid(format!("integer division by zero at position {position}")))
            }
            other => Err(Error::internal(format!("kernel `{}` ended with status {other}", self.kernel.name))),
        }
    }

    fn check(&self, buffers: &[Array], scalars: &[Scalar], sizes: &Binding, part: &std::ops::Range<i64>) -> Result {
        let kernel = &self.kernel;
        let wrong = |what: String| Err(Error::invalid(format!("kernel `{}` {what}", kernel.name)));
        if buffers.len() != kernel.params.len() {
            return wrong(format!("takes {} buffers, not {}", kernel.params.len(), buffers.len()));
        }
        for (buffer, param) in buffers.iter().zip(&kernel.params) {
            let elements = param.shape.num_elements().eval(sizes)?;
            if buffer.dtype() != param.dtype || buffer.len() as i64 != elements {
                let (want, got) = (format!("{}{}", param.dtype, param.shape), buffer.type_text());
                return wrong(format!("takes {want} as `{}`, not {got}", param.name));
            }
        }
        let types: Vec<_> = scalars.iter().map(|scalar| scalar.dtype()).collect();
        if types != self.abi.scalars {
            return wrong(format!("takes scalars of {:?}, not {types:?}", self.abi.scalars));
        }
        if let Some(extent) = kernel.range() {
            let extent = extent.eval(sizes)?;
            if part.start < 0 || part.end > extent {
                return wrong(format!("has {extent} iterations; {part:?} is not part of them"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{CodegenOptions, compile_kernels};
    use std::sync::Arc;
    use tracelift_kernel::lane::{LaneOp, Scalar};
    use tracelift_kernel::loops::{Access, Affine, Index, KernelBuilder, Operand};
    use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
    use tracelift_tensor::{DType, Dim, Shape};

    fn at(var: tracelift_kernel::loops::LoopVar) -> Index {
        Index::Affine(Affine::var(var))
    }

    #[test]
    fn a_buffer_may_be_read_and_written_in_place() {
        let shape = || Shape::from([Dim::sym("N")]);
        let mut k = KernelBuilder::new("in place");
        let x = k.param("x", DType::F32, shape(), Access::Read);
        let y = k.param("y", DType::F32, shape(), Access::Write);
        let i = k.par(Dim::sym("N"));
        let value = k.load(x, [at(i)]);
        let twice = k.lane(LaneOp::Add, &[value, value]);
        let again = k.load(x, [at(i)]);
        let sum = k.lane(LaneOp::Add, &[twice, again]);
        k.store(y, [at(i)], sum);
        k.end();
        let native = &compile_kernels(&[Arc::new(k.finish(&[]))], &CodegenOptions::default()).unwrap()[0];
        let mut data: Vec<f32> = (0..37).map(|n| n as f32).collect();
        let address = data.as_mut_ptr() as u64;
        let mut slots = [address, address, 37, 0];
        assert_eq!(native.abi.num_slots(), slots.len());
        // SAFETY: two addresses of 37 floats, their number, and the slot for faults: as the ABI says.
        let status = unsafe { native.function()(slots.as_mut_ptr(), 0, 37) };
        assert_eq!(status, 0);
        assert!(data.iter().enumerate().all(|(n, x)| *x == 3.0 * n as f32), "{data:?}");
    }

    #[test]
    fn nothing_is_read_beyond_the_end_of_a_buffer() {
        for n in [1i64, 5, 31, 33, 63] {
            for dtype in [DType::F32, DType::F64, DType::U8, DType::Bool] {
                let mut k = KernelBuilder::new("edge");
                let x = k.param("x", dtype, Shape::from([Dim::sym("N")]), Access::Read);
                let y = k.param("y", dtype, Shape::from([Dim::sym("N")]), Access::Write);
                let kind = if dtype == DType::Bool { ReduceKind::Any } else { ReduceKind::Sum };
                let j = k.reduce(&[kind], ReduceOrder::Lanes, &[Dim::sym("N")])[0];
                let value = k.load(x, [at(j)]);
                let sum = k.end_reduce(&[value])[0];
                let i = k.par(Dim::sym("N"));
                let value = k.load(x, [at(i)]);
                let condition = k.lane(LaneOp::Eq, &[value, sum]);
                let chosen = k.lane(LaneOp::Select, &[condition, sum, value]);
                k.store(y, [at(i)], chosen);
                k.end();
                let native = &compile_kernels(&[Arc::new(k.finish(&[]))], &CodegenOptions::default()).unwrap()[0];
                // What stands after the last element must be neither used nor changed.
                let bytes = n as usize * dtype.size();
                let run = |canary: u8| {
                    let mut source = vec![1u8; bytes];
                    source.resize(bytes + 64, canary);
                    let mut target = vec![canary; bytes + 64];
                    let mut slots = [source.as_ptr() as u64, target.as_mut_ptr() as u64, n as u64, 0];
                    // SAFETY: two addresses of at least n elements, their number, the slot for faults.
                    let status = unsafe { native.function()(slots.as_mut_ptr(), 0, 0) };
                    assert_eq!(status, 0);
                    assert!(target[bytes..].iter().all(|byte| *byte == canary), "{dtype}[{n}] was written beyond");
                    target[..bytes].to_vec()
                };
                assert_eq!(run(0x55), run(0xaa), "{dtype}[{n}] was read beyond");
            }
        }
    }

    #[test]
    fn results_are_zero_extended_in_their_slots() {
        let mut k = KernelBuilder::new("results");
        let x = k.scalar("x", DType::U8);
        let flag = k.lane(LaneOp::Gt, &[x, Operand::Const(Scalar::U8(3))]);
        let small = k.lane(LaneOp::Cast(DType::I32), &[x]);
        let negative = k.lane(LaneOp::Neg, &[small]);
        let native =
            &compile_kernels(&[Arc::new(k.finish(&[flag, negative, x]))], &CodegenOptions::default()).unwrap()[0];
        let mut slots = [200, u64::MAX, u64::MAX, u64::MAX, 0];
        // SAFETY: one argument, three results, the slot for faults.
        let status = unsafe { native.function()(slots.as_mut_ptr(), 0, 0) };
        assert_eq!((status, slots), (0, [200, 1, u64::from(-200i32 as u32), 200, 0]));
    }
}
