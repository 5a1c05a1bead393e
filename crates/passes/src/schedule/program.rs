//! The parts of a program while it is being written.

use rustc_hash::FxHashSet;
use std::collections::HashMap;
use std::sync::Arc;
use tracelift_kernel::loops::Kernel;
use tracelift_kernel::program::{Buffer, BufferId, KernelId, RegisterId, Role, ScalarArg, Site, SiteId};
use tracelift_tensor::{DType, Origin, Shape};

/// Buffers, registers, kernels and sites so far.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) buffers: Vec<Buffer>,
    pub(super) registers: Vec<DType>,
    pub(super) kernels: Vec<Arc<Kernel>>,
    pub(super) sites: Vec<Site>,
    /// Buffers whose addresses a loop exchanges; their roles stay.
    pub(super) swapped: Vec<BufferId>,
    names: HashMap<String, u32>,
    kernel_names: FxHashSet<String>,
}

/// Where a value is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A register or literal.
    Scalar(ScalarArg),
    /// A buffer in the value's shape, row-major.
    Buffer(BufferId),
    /// A transposed view of a buffer, which only matrix products read; see `matmul`.
    Strided(super::matmul::Strided),
    /// A stack, whatever has been done to it.
    Stack(BufferId),
    /// Nowhere: it only orders.
    Token,
}

impl Parts {
    /// A new buffer; the name is made unique.
    pub(super) fn buffer(&mut self, name: &str, dtype: DType, shape: Shape, role: Role) -> BufferId {
        let mut plain: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '_' }).collect();
        if !plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            plain.insert(0, 'b');
        }
        let name = loop {
            let count = self.names.entry(plain.clone()).or_insert(0);
            *count += 1;
            let candidate = if *count == 1 { plain.clone() } else { format!("{plain}_{}", *count - 1) };
            if *count == 1 || !self.names.contains_key(&candidate) {
                self.names.insert(candidate.clone(), 1.max(self.names.get(&candidate).copied().unwrap_or(0)));
                break candidate;
            }
        };
        self.buffers.push(Buffer { name, dtype, shape, role });
        BufferId(self.buffers.len() as u32 - 1)
    }

    pub(super) fn register(&mut self, dtype: DType) -> RegisterId {
        self.registers.push(dtype);
        RegisterId(self.registers.len() as u32 - 1)
    }

    pub(super) fn kernel_name(&self) -> String {
        format!("k{}", self.kernels.len())
    }

    /// One more kernel; the name is made unique.
    pub(super) fn kernel(&mut self, mut kernel: Kernel) -> KernelId {
        if self.kernel_names.contains(&kernel.name) {
            kernel.name = format!("{}_{}", kernel.name, self.kernels.len());
        }
        self.kernel_names.insert(kernel.name.clone());
        self.kernels.push(Arc::new(kernel));
        KernelId(self.kernels.len() as u32 - 1)
    }

    pub(super) fn site(&mut self, op: &str, origin: &Origin) -> SiteId {
        self.sites.push(Site { op: op.to_string(), origin: origin.clone() });
        SiteId(self.sites.len() as u32 - 1)
    }

    pub(super) fn dtype(&self, arg: &ScalarArg) -> DType {
        match arg {
            ScalarArg::Register(register) => self.registers[register.0 as usize],
            ScalarArg::Const(value) => value.dtype(),
        }
    }
}
