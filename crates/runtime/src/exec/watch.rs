//! The interpreter's view of options: where prints go, when to stop, whether to flush.

use crate::options::Options;
use tracelift_kernel::meaning::Subnormals;
use tracelift_kernel::program::Watch;
use tracelift_tensor::Array;

impl Watch for &Options {
    fn print(&mut self, message: &str, values: &[Array]) {
        self.print.show(message, values);
    }

    fn stopped(&mut self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_stopped())
    }

    fn subnormals(&self) -> Subnormals {
        if self.flush_subnormals { Subnormals::Flush } else { Subnormals::Keep }
    }
}
