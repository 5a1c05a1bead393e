//! Convolutions over `[batch, ..., channels]` as products of windows with a kernel.

use tracelift_ir::ops::{self, DotGeneral, OverlapAdd, Slice, SliceAxis, WindowAxis};
use tracelift_tensor::{Dim, Error, Result, Shape};

use super::sliding::{Padding, PerAxis, Sliding, Windows};
use crate::{
    Tensor,
    dispatch::{apply, poison, refuse},
    scope,
};

impl Tensor {
    /// The convolution with a kernel, of one, two or more axes: `x` is `[batch, ..., in]`, the kernel `[..., in, out]`, the
    /// result `[batch, ..., out]`.
    ///
    /// As everywhere in the field it is a correlation: the kernel is not turned around. If the kernel has fewer inputs than
    /// `x` has channels, these are cut into groups, each with its part of the outputs.
    /// Each element is one chain of fused multiply-adds over the places of the window and then the channels.
    /// Keras: `ops.conv`.
    ///
    /// ```
    /// use tracelift_function::{Padding, Sliding, Tensor, tensor};
    ///
    /// let image = Tensor::ones([1, 4, 4, 1]);
    /// let sums = Tensor::ones([3, 3, 1, 1]);
    /// assert_eq!(image.conv(&sums, Sliding::new()).shape(), [1, 2, 2, 1]);
    /// let same = image.conv(&sums, Sliding::new().padding(Padding::Same).strides(2));
    /// assert_eq!(same.flatten().to_vec::<f32>()?, [9., 6., 6., 4.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn conv(&self, kernel: &Tensor, how: Sliding) -> Tensor {
        let _here = scope::here();
        if let Some(poisoned) = poison(&[self, kernel]) {
            return poisoned;
        }
        match Convolution::of(self, kernel, &how) {
            Ok(conv) => conv.apply(self, kernel),
            Err(error) => refuse("conv", error, &[self, kernel]),
        }
    }

    /// The convolution of each channel with kernels of its own: `x` is `[batch, ..., in]`, the kernel
    /// `[..., in, multiplier]`, the result `[batch, ..., in * multiplier]`. Keras: `ops.depthwise_conv`.
    ///
    /// ```
    /// use tracelift_function::{Sliding, Tensor};
    ///
    /// let y = Tensor::ones([1, 4, 4, 3]).depthwise_conv(&Tensor::ones([2, 2, 3, 2]), Sliding::new());
    /// assert_eq!(y.shape(), [1, 3, 3, 6]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn depthwise_conv(&self, kernel: &Tensor, how: Sliding) -> Tensor {
        let _here = scope::here();
        if let Some(poisoned) = poison(&[self, kernel]) {
            return poisoned;
        }
        match depthwise(self, kernel, &how) {
            Ok(y) => y,
            Err(error) => refuse("depthwise_conv", error, &[self, kernel]),
        }
    }

    /// What flows back through [`conv`](Self::conv), as a layer of its own, from fewer places to more: `x` is
    /// `[batch, ..., in]`, the kernel `[..., out, in]`, the result `[batch, ..., out]`, whose middle axes are `strides` times
    /// those of `x`, and longer by what windows reach beyond if the padding is valid. Keras: `ops.conv_transpose`.
    ///
    /// ```
    /// use tracelift_function::{Sliding, Tensor};
    ///
    /// let y = Tensor::ones([1, 4, 4, 3]).conv_transpose(&Tensor::ones([2, 2, 5, 3]), Sliding::new().strides(2));
    /// assert_eq!(y.shape(), [1, 8, 8, 5]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn conv_transpose(&self, kernel: &Tensor, how: Sliding) -> Tensor {
        let _here = scope::here();
        if let Some(poisoned) = poison(&[self, kernel]) {
            return poisoned;
        }
        match transposed(self, kernel, &how) {
            Ok(y) => y,
            Err(error) => refuse("conv_transpose", error, &[self, kernel]),
        }
    }
}

/// The sizes of the middle axes of a kernel, and its last two.
fn kernel_sizes(x: &Tensor, kernel: &Tensor) -> Result<(Vec<usize>, Dim, Dim)> {
    let (x_type, kernel_type) = (x.ty(), kernel.ty());
    if x_type.dtype != kernel_type.dtype {
        let help = format!("cast one of them: `.cast({})`", x_type.dtype.to_string().to_uppercase());
        return Err(Error::type_(format!("takes operands of one dtype, got {x_type} and {kernel_type}")).help(help));
    }
    let rank = kernel_type.shape.rank();
    if rank < 3 || x_type.shape.rank() != rank {
        return Err(Error::invalid(format!(
            "wants [batch, ..., channels] and a kernel of as many axes, at least three, not {x_type} and {kernel_type}"
        )));
    }
    let size = |dim: &Dim| {
        let known = dim.known_len();
        known.ok_or_else(|| Error::invalid(format!("wants a kernel of known size, not {kernel_type}")))
    };
    let sizes = kernel_type.shape[..rank - 2].iter().map(size).collect::<Result<Vec<usize>>>()?;
    Ok((sizes, kernel_type.shape[rank - 2].clone(), kernel_type.shape[rank - 1].clone()))
}

/// A convolution whose operands fit together.
struct Convolution {
    windows: Windows,
    groups: usize,
}

impl Convolution {
    fn of(x: &Tensor, kernel: &Tensor, how: &Sliding) -> Result<Convolution> {
        let (sizes, inputs, outputs) = kernel_sizes(x, kernel)?;
        let shape = x.shape();
        let windows = how.windows(&shape, &sizes, PerAxis::All(1))?;
        let channels = &shape[shape.rank() - 1];
        let groups = match (channels.known_len(), inputs.known_len(), outputs.known_len()) {
            (Some(channels), Some(inputs), Some(outputs)) => {
                let groups = channels.checked_div(inputs).unwrap_or(1).max(1);
                if groups * inputs != channels || outputs % groups != 0 {
                    let why = if groups * inputs == channels {
                        format!("{outputs} outputs are not divisible by {groups} groups")
                    } else {
                        format!("{channels} channels are no multiple of {inputs} inputs")
                    };
                    return Err(Error::invalid(format!("cannot convolve {} with {}: {why}", x.ty(), kernel.ty())));
                }
                groups
            }
            _ => 1,
        };
        Ok(Convolution { windows, groups })
    }

    #[track_caller]
    fn apply(&self, x: &Tensor, kernel: &Tensor) -> Tensor {
        let padded = self.windows.padded(x, &Tensor::from(0.0).cast(x.dtype()));
        match self.groups {
            1 => self.product(&padded, kernel),
            _ => self.grouped(&padded, kernel),
        }
    }

    /// `y[b, o, j] = Σ_k,c windows[b, o, k, c] kernel[k, c, j]`
    #[track_caller]
    fn product(&self, x: &Tensor, kernel: &Tensor) -> Tensor {
        let n = self.windows.borders.len();
        let windows = apply(self.windows.op.clone(), &[x]);
        let op = DotGeneral {
            lhs_batch: [].as_slice().into(),
            rhs_batch: [].as_slice().into(),
            lhs_contract: (n + 1..2 * n + 2).collect(),
            rhs_contract: (0..n + 1).collect(),
        };
        apply(op, &[&windows, kernel])
    }

    /// The same for groups of channels, which are a batch of products, brought to the front and back.
    #[track_caller]
    fn grouped(&self, x: &Tensor, kernel: &Tensor) -> Tensor {
        let (n, groups) = (self.windows.borders.len(), Dim::from(self.groups));
        let split = |shape: &Shape, last: [Dim; 2]| -> Shape {
            shape[..shape.rank() - 1].iter().cloned().chain(last).collect()
        };
        let (x_shape, kernel_shape) = (x.shape(), kernel.shape());
        let inputs = kernel_shape[n].clone();
        let outputs = kernel_shape[n + 1].floor_div(self.groups as i64);
        let x = x.reshape(split(&x_shape, [groups.clone(), inputs]));
        let kernel = kernel.reshape(split(&kernel_shape, [groups, outputs]));
        let windows = apply(self.windows.op.clone(), &[&x]);
        let within = n + 1..2 * n + 1;
        let op = DotGeneral {
            lhs_batch: [2 * n + 1].as_slice().into(),
            rhs_batch: [n + 1].as_slice().into(),
            lhs_contract: within.chain([2 * n + 2]).collect(),
            rhs_contract: (0..n + 1).collect(),
        };
        // [groups, batch, ..., outputs of a group]
        let y = apply(op, &[&windows, &kernel]);
        let order: Vec<i32> = (1..=n as i32 + 1).chain([0, n as i32 + 2]).collect();
        let y = y.transpose(&order);
        let mut shape = y.shape().to_vec();
        let last: Dim = shape.drain(n + 1..).product();
        y.reshape(shape.into_iter().chain([last]).collect::<Shape>())
    }
}

/// `y[b, o, c * m] = Σ_k windows[b, o, k, c] kernel[k, c, m]`
#[track_caller]
fn depthwise(x: &Tensor, kernel: &Tensor, how: &Sliding) -> Result<Tensor> {
    let (sizes, channels, multiplier) = kernel_sizes(x, kernel)?;
    let shape = x.shape();
    let windows = how.windows(&shape, &sizes, PerAxis::All(1))?;
    if (&channels - &shape[shape.rank() - 1]).known().is_some_and(|differ| differ != 0) {
        return Err(Error::invalid(format!(
            "wants a kernel for each of the {} channels of {}, not {}",
            shape[shape.rank() - 1],
            x.ty(),
            kernel.ty()
        )));
    }
    let padded = windows.padded(x, &Tensor::from(0.0).cast(x.dtype()));
    let cut = apply(windows.op.clone(), &[&padded]);
    let within = windows.axes_within();
    if multiplier.is_one() {
        let one_each = kernel.reshape(kernel.shape()[..sizes.len() + 1].iter().cloned().collect::<Shape>());
        return Ok((cut * one_each).sum(within));
    }
    let y = (cut.expand_dims(-1) * kernel).sum(within);
    let mut shape = y.shape().to_vec();
    let last: Dim = shape.drain(sizes.len() + 1..).product();
    Ok(y.reshape(shape.into_iter().chain([last]).collect::<Shape>()))
}

/// `y[b, stride * o + k, j] += Σ_c x[b, o, c] kernel[k, j, c]`
#[track_caller]
fn transposed(x: &Tensor, kernel: &Tensor, how: &Sliding) -> Result<Tensor> {
    let (sizes, outputs, inputs) = kernel_sizes(x, kernel)?;
    let (n, shape) = (sizes.len(), x.shape());
    if (&inputs - &shape[n + 1]).known().is_some_and(|differ| differ != 0) {
        let message = format!("wants a kernel with {} inputs for {}, not {}", shape[n + 1], x.ty(), kernel.ty());
        return Err(Error::invalid(message));
    }
    let valid = how.clone().padding(Padding::Valid);
    let windows = valid.windows(&shape, &sizes, PerAxis::All(1))?;
    let crops = crops(&how.padding, &windows.op)?;
    let op = DotGeneral {
        lhs_batch: [].as_slice().into(),
        rhs_batch: [].as_slice().into(),
        lhs_contract: [n + 1].as_slice().into(),
        rhs_contract: [n + 1].as_slice().into(),
    };
    let terms = apply(op, &[x, kernel]);
    let mut full = shape.to_vec();
    for window in &windows.op.axes {
        let beyond = (window.span() - window.stride as i64).max(0);
        full[window.axis] = &shape[window.axis] * window.stride as i64 + beyond;
    }
    full[n + 1] = outputs;
    let zeros = Tensor::from(0.0).cast(x.dtype()).broadcast_to(full.into_iter().collect::<Shape>());
    let y = apply(OverlapAdd { windows: windows.op }, &[&zeros, &terms]);
    if crops.iter().all(|crop| *crop == (0, 0)) {
        return Ok(y);
    }
    let mut axes: Vec<SliceAxis> = y.shape().iter().map(|dim| SliceAxis::all(dim.clone())).collect();
    for (part, (low, high)) in axes[1..].iter_mut().zip(&crops) {
        part.start = Dim::from(*low);
        part.size = &part.size - (low + high) as i64;
    }
    Ok(apply(Slice { axes: axes.into() }, &[&y]))
}

/// What is cut off before and behind each middle axis of a transposed convolution.
fn crops(padding: &Padding, windows: &ops::Windows) -> Result<Vec<(usize, usize)>> {
    match padding {
        Padding::Valid => Ok(vec![(0, 0); windows.axes.len()]),
        Padding::Same => {
            let crop = |window: &WindowAxis| {
                let beyond = (window.span() - window.stride as i64).max(0) as usize;
                (beyond / 2, beyond - beyond / 2)
            };
            Ok(windows.axes.iter().map(crop).collect())
        }
        Padding::Causal | Padding::Explicit(_) => {
            Err(Error::invalid("has padding `Valid` or `Same` only").help("slice the result"))
        }
    }
}
