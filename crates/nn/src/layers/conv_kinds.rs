//! What tells plain, depthwise and transposed convolutions apart.

use tracelift_function::{Error, Result, Sliding, Tensor};

use crate::{Module, module::no_weights};

/// A kind of convolution, with its numbers.
#[doc(hidden)]
pub trait ConvKind: Module {
    /// The op, as messages name it.
    const OP: &'static str;

    /// `Conv2D`
    fn type_name(axes: usize) -> String;

    /// `conv2d`
    fn base_name(axes: usize) -> String;

    /// `filters=32`
    fn config(&self) -> String;

    /// The last two sizes of the kernel for so many channels.
    fn kernel_ends(&self, channels: usize) -> Result<[usize; 2]>;

    /// The channels that a kernel with these last two sizes is for.
    fn channels(&self, second_last: usize, last: usize) -> usize;

    /// The channels that come out.
    fn filters(&self, channels: usize) -> usize;

    /// The convolution.
    fn convolve(&self, x: &Tensor, kernel: &Tensor, how: Sliding) -> Tensor;
}

/// Each filter sees all channels, or those of its group.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Plain {
    pub(super) filters: usize,
    pub(super) groups: usize,
}

/// Each channel has filters of its own.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Depthwise {
    pub(super) multiplier: usize,
}

/// From fewer places to more.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Transposed {
    pub(super) filters: usize,
}

no_weights!(Plain, Depthwise, Transposed);

fn some(filters: usize) -> Result {
    if filters > 0 {
        return Ok(());
    }
    Err(Error::value("cannot have 0 filters: it would have no outputs").help("give at least 1 filter"))
}

impl ConvKind for Plain {
    const OP: &'static str = "conv";

    fn type_name(axes: usize) -> String {
        format!("Conv{axes}D")
    }

    fn base_name(axes: usize) -> String {
        format!("conv{axes}d")
    }

    fn config(&self) -> String {
        match self.groups {
            1 => format!("filters={}", self.filters),
            groups => format!("filters={}, groups={groups}", self.filters),
        }
    }

    fn kernel_ends(&self, channels: usize) -> Result<[usize; 2]> {
        let Plain { filters, groups } = *self;
        some(filters)?;
        for (what, n) in [("channels", channels), ("filters", filters)] {
            if n.checked_rem(groups) != Some(0) {
                return Err(Error::value(format!("cannot have {groups} groups of {n} {what}"))
                    .help("channels and filters must be multiples of the groups"));
            }
        }
        Ok([channels / groups, filters])
    }

    fn channels(&self, inputs: usize, _: usize) -> usize {
        inputs * self.groups
    }

    fn filters(&self, _: usize) -> usize {
        self.filters
    }

    fn convolve(&self, x: &Tensor, kernel: &Tensor, how: Sliding) -> Tensor {
        x.conv(kernel, how)
    }
}

impl ConvKind for Depthwise {
    const OP: &'static str = "depthwise_conv";

    fn type_name(axes: usize) -> String {
        format!("DepthwiseConv{axes}D")
    }

    fn base_name(axes: usize) -> String {
        format!("depthwise_conv{axes}d")
    }

    fn config(&self) -> String {
        format!("depth_multiplier={}", self.multiplier)
    }

    fn kernel_ends(&self, channels: usize) -> Result<[usize; 2]> {
        if self.multiplier == 0 {
            return Err(Error::value("cannot have a depth multiplier of 0: it would have no outputs")
                .help("give at least 1 kernel for each channel"));
        }
        Ok([channels, self.multiplier])
    }

    fn channels(&self, channels: usize, _: usize) -> usize {
        channels
    }

    fn filters(&self, channels: usize) -> usize {
        channels * self.multiplier
    }

    fn convolve(&self, x: &Tensor, kernel: &Tensor, how: Sliding) -> Tensor {
        x.depthwise_conv(kernel, how)
    }
}

impl ConvKind for Transposed {
    const OP: &'static str = "conv_transpose";

    fn type_name(axes: usize) -> String {
        format!("Conv{axes}DTranspose")
    }

    fn base_name(axes: usize) -> String {
        format!("conv{axes}d_transpose")
    }

    fn config(&self) -> String {
        format!("filters={}", self.filters)
    }

    fn kernel_ends(&self, channels: usize) -> Result<[usize; 2]> {
        some(self.filters)?;
        Ok([self.filters, channels])
    }

    fn channels(&self, _: usize, channels: usize) -> usize {
        channels
    }

    fn filters(&self, _: usize) -> usize {
        self.filters
    }

    fn convolve(&self, x: &Tensor, kernel: &Tensor, how: Sliding) -> Tensor {
        x.conv_transpose(kernel, how)
    }
}
