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
        let end = match self.kernel.outer_par() {
            Some(outer) => outer.axes[0].1.eval(sizes)?,
            None => 0,
        };
        self.run_part(buffers, scalars, sizes, 0..end)
    }

    /// Runs a part of the kernel's outermost `par` loop.
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
        if let Some(outer) = kernel.outer_par() {
            let extent = outer.axes[0].1.eval(sizes)?;
            if part.start < 0 || part.end > extent {
                return wrong(format!("has {extent} iterations; {part:?} is not part of them"));
            }
        }
        Ok(())
    }
}
