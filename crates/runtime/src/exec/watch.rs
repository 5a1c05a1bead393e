//! The interpreter's view of options: where prints go, and when to stop.

use crate::float_mode::FloatMode;
use crate::options::Options;
use tracelift_kernel::program::Watch;
use tracelift_tensor::Array;

impl Watch for &Options {
    fn print(&mut self, message: &str, values: &[Array]) {
        // Formatting is general code, which expects subnormals to be kept.
        let _mode = FloatMode::Keep.enter();
        self.print.show(message, values);
    }

    fn stopped(&mut self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_stopped())
    }
}
