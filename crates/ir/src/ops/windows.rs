//! Windows of an operand, and windows added up again: what convolutions and pooling are made of.

use super::Axes;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, KnownAxis, for_each_index, gather_affine, row_major, with_number};
use crate::infer::{Infer, check_axes, one, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::{AxisMap, IndexMap, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, plain_values, special_values};
use crate::types::{TensorType, Type, Types};
use crate::vjp::{Vjp, VjpRule};
use smallvec::SmallVec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::Affine;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// How one axis is cut into windows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WindowAxis {
    /// The axis of the operand.
    pub axis: usize,
    /// How many elements a window has.
    pub size: usize,
    /// From the beginning of one window to that of the next, in elements.
    pub stride: usize,
    /// From one element of a window to the next.
    pub dilation: usize,
}

impl WindowAxis {
    /// Windows of adjacent elements, one beginning at each element.
    pub fn new(axis: usize, size: usize) -> WindowAxis {
        WindowAxis { axis, size, stride: 1, dilation: 1 }
    }

    /// How many elements of the operand lie between the first and the last of a window, both included.
    pub fn span(&self) -> i64 {
        (self.size as i64 - 1) * self.dilation as i64 + 1
    }

    /// How many windows lie in an axis of that size.
    pub fn count(&self, dim: &Dim) -> Dim {
        (dim - self.span()).floor_div(self.stride as i64) + 1
    }
}

/// All windows of the operand along some axes: `y[n, o, k, c] = x[n, stride * o + dilation * k, c]`.
///
/// An axis of the operand becomes the number of its windows; the elements of a window are new axes, in the same order,
/// directly behind the last axis that has windows: `f32[N, H, W, C]` becomes `f32[N, H', W', h, w, C]`.
/// The gradient is the [`OverlapAdd`] of dy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Windows {
    /// The axes that have windows, ascending.
    pub axes: SmallVec<[WindowAxis; 2]>,
}

/// `y = x`, to which windows are added in the places that [`Windows`] takes them from:
/// `y[n, stride * o + dilation * k, c] += windows[n, o, k, c]`.
///
/// What windows have of an element is added in row-major order of the places within the windows. Its gradient is dy, that
/// of the windows the [`Windows`] of dy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OverlapAdd {
    /// Where the windows lie.
    pub windows: Windows,
}

impl Windows {
    /// Behind which axis the elements of windows stand, if there are windows.
    fn last(&self) -> Option<usize> {
        self.axes.last().map(|window| window.axis)
    }

    /// What is wrong with the windows for an operand of that rank.
    fn check(&self, rank: usize) -> Result {
        if self.axes.is_empty() {
            return Err(Error::invalid("wants an axis to have windows along"));
        }
        check_axes("axis", &self.axes.iter().map(|window| window.axis).collect::<Axes>(), rank)?;
        if self.axes.is_sorted_by_key(|window| window.axis) {
            let numbers = |window: &WindowAxis| [window.size, window.stride, window.dilation];
            let is_bad = |n: usize| n == 0 || i32::try_from(n).is_err();
            let Some(bad) = self.axes.iter().find(|window| numbers(window).into_iter().any(is_bad)) else {
                return Ok(());
            };
            let WindowAxis { size, stride, dilation, .. } = bad;
            return Err(Error::invalid(format!(
                "wants windows of at least one element, stride and dilation, all of at most 31 bits, not of {size} \
                 elements, stride {stride} and dilation {dilation}"
            )));
        }
        Err(Error::invalid("wants the axes of windows in ascending order"))
    }

    /// The shape of the windows of an operand.
    pub fn shape(&self, x: &Shape) -> Shape {
        let mut shape = x.to_vec();
        for window in &self.axes {
            shape[window.axis] = window.count(&x[window.axis]);
        }
        let behind = self.last().map_or(0, |last| last + 1);
        shape.splice(behind..behind, self.axes.iter().map(|window| Dim::from(window.size)));
        shape.into_iter().collect()
    }

    /// That the windows fit into an axis.
    fn fit(&self, cx: &mut Infer, x: &TensorType) -> Result {
        for window in &self.axes {
            let dim = &x.shape[window.axis];
            if !cx.at_least(&(dim - window.span()), 0) {
                return Err(Error::invalid(format!(
                    "cannot take windows of {} elements from axis {} of {x}: they span {}",
                    window.size,
                    window.axis,
                    window.span()
                )));
            }
        }
        Ok(())
    }

    /// For each axis of what lies under the windows: where the element of a window is found.
    fn map(&self, rank: usize) -> IndexMap {
        let behind = self.last().map_or(0, |last| last + 1);
        let place = |axis: usize| match self.axes.iter().position(|window| window.axis == axis) {
            Some(n) => {
                let WindowAxis { stride, dilation, .. } = self.axes[n];
                let terms = [(axis, stride as i64), (behind + n, dilation as i64)];
                AxisMap { terms: terms.into_iter().collect(), start: Dim::ZERO }
            }
            None => AxisMap::same(if axis < behind { axis } else { axis + self.axes.len() }),
        };
        (0..rank).map(place).collect()
    }

    /// How many axes stand in front of the first one that has windows.
    fn front(&self) -> usize {
        self.axes.first().map_or(0, |window| window.axis)
    }

    /// The axes of windows in the order in which a sum goes through them, outermost first: axes in front of those that have
    /// windows, places within windows, all others.
    fn order_of_sum(&self, rank: usize) -> Vec<usize> {
        let behind = self.last().map_or(0, |last| last + 1);
        let within = behind..behind + self.axes.len();
        (0..self.front())
            .chain(within.clone())
            .chain((self.front()..rank).filter(|axis| !within.contains(axis)))
            .collect()
    }

    /// The same windows of an operand with one more axis in front.
    fn shifted(&self) -> Windows {
        Windows { axes: self.axes.iter().map(|window| WindowAxis { axis: window.axis + 1, ..*window }).collect() }
    }

    fn attributes(&self) -> Attrs {
        let list = |part: fn(&WindowAxis) -> usize| self.axes.iter().map(part).collect::<Vec<_>>();
        let mut attrs =
            Attrs::new().ints("axes", &list(|window| window.axis)).ints("size", &list(|window| window.size));
        for (name, numbers) in [("stride", list(|window| window.stride)), ("dilation", list(|window| window.dilation))]
        {
            if numbers.iter().any(|n| *n != 1) {
                attrs = attrs.ints(name, &numbers);
            }
        }
        attrs
    }

    fn from_attributes(attrs: &mut AttrReader<'_>) -> Result<Windows> {
        let (axes, sizes) = (attrs.ints("axes")?, attrs.ints("size")?);
        let mut steps = |name| if attrs.has(name) { attrs.ints(name) } else { Ok(vec![1; axes.len()]) };
        let (strides, dilations) = (steps("stride")?, steps("dilation")?);
        if [sizes.len(), strides.len(), dilations.len()] != [axes.len(); 3] {
            return Err(Error::format("wants a size, a stride and a dilation for each axis"));
        }
        let window =
            |n: usize| WindowAxis { axis: axes[n], size: sizes[n], stride: strides[n], dilation: dilations[n] };
        Ok(Windows { axes: (0..axes.len()).map(window).collect() })
    }
}

impl OpDef for Windows {
    const NAMES: &'static [&'static str] = &["windows"];

    fn name(&self) -> &'static str {
        "windows"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        self.check(x.shape.rank())?;
        self.fit(cx, x)?;
        Ok(one(x.dtype, self.shape(&x.shape)))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        Ok(vec![gather_affine(&x[0], &dims, &cx.affine(&self.map(x[0].shape().len()))?)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let zeros = cx.b.zeros_like(cx.x[0])?;
        let back = OverlapAdd { windows: self.clone() };
        Ok(VjpRule::Local(vec![Some(cx.b.push(back, &[zeros, dy])?)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(self.shifted())
    }

    fn lowering(&self, x: &[Type], _: &[Type]) -> Lowering {
        Lowering::Index(self.map(x[0].rank()))
    }

    fn attributes(&self) -> Attrs {
        self.attributes()
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Windows::from_attributes(attrs)
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        samples(&DType::ALL, |windows, shape, dtype| Sample::new(windows, vec![special_values(dtype, shape)]))
    }
}

impl OpDef for OverlapAdd {
    const NAMES: &'static [&'static str] = &["overlap_add"];

    fn name(&self) -> &'static str {
        "overlap_add"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x, windows] = tensors(x)?;
        if x.dtype == DType::Bool || windows.dtype != x.dtype {
            return Err(Error::type_(format!("cannot add {windows} to {x}: it takes two equal number types")));
        }
        self.windows.check(x.shape.rank())?;
        self.windows.fit(cx, x)?;
        let wanted = self.windows.shape(&x.shape);
        if !cx.same_shape(&wanted, &windows.shape) {
            return Err(Error::invalid(format!("wants the windows of {x}, which have shape {wanted}, not {windows}")));
        }
        Ok(Types::from_iter([x.clone().into()]))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut y = x[0].clone();
        let strides = row_major(x[0].shape());
        let map = cx.affine(&self.windows.map(x[0].shape().len()))?;
        let order = self.windows.order_of_sum(x[1].shape().len());
        let x_strides = row_major(x[1].shape());
        let turns: Vec<usize> = order.iter().map(|axis| x[1].shape()[*axis]).collect();
        with_number!(y.dtype(), T, add => {
            let (from, to) = (x[1].as_slice::<T>(), y.as_mut_slice::<T>());
            let mut index = vec![0; order.len()];
            for_each_index(&turns, |_, turn| {
                order.iter().zip(turn).for_each(|(axis, i)| index[*axis] = *i);
                let place = |axis: &KnownAxis| axis.terms.iter().map(|(n, step)| index[*n] * *step as usize).sum::<usize>();
                let at: usize = map.iter().zip(&strides).map(|(axis, stride)| place(axis) * stride).sum();
                let read: usize = index.iter().zip(&x_strides).map(|(i, stride)| i * stride).sum();
                to[at] = add(to[at], from[read]);
            });
        });
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let dwindows = cx.b.push(self.windows.clone(), &[dy])?;
        Ok(VjpRule::Local(vec![Some(dy), Some(dwindows)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(OverlapAdd { windows: self.windows.shifted() })
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::update("overlap_add", x, y, 0);
        let shape = x[1].shape();
        let map = self.windows.map(x[0].rank());
        let front = self.windows.front();
        // Axes in front of the windows are outermost, so that threads can have them. Of the windows the last comes first,
        // each read as it lies: an element that several have gets them in the order of its places within them.
        let places = front..self.windows.last().map_or(front, |last| last + 1);
        k.for_each_with_order(shape, places, |k, turn| {
            let mut index = turn.to_vec();
            for WindowAxis { axis, .. } in &self.windows.axes {
                index[*axis] = turn[*axis].strided(&(&shape[*axis] - &Dim::from(1usize)), -1);
            }
            let to: Vec<Affine> = map.iter().map(|axis| axis.at(&index)).collect();
            let item = k.operand(1, &index);
            let sum = k.operand(0, &to);
            let sum = k.b.lane(LaneOp::Add, &[sum, item]);
            k.store(&to, sum);
        });
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        self.windows.attributes()
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(OverlapAdd { windows: Windows::from_attributes(attrs)? })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let numbers: Vec<DType> = DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool).collect();
        samples(&numbers, |windows, shape, dtype| {
            let of_windows = windows.shape(&shape.into());
            let of_windows: Vec<usize> = of_windows.iter().map(|dim| dim.known().unwrap_or(0) as usize).collect();
            let operands = vec![special_values(dtype, shape), plain_values(dtype, &of_windows)];
            Sample::new(OverlapAdd { windows }, operands)
        })
    }
}

fn samples(dtypes: &[DType], sample: impl Fn(Windows, &[usize], DType) -> Sample) -> Vec<Sample> {
    let window = |axis, size, stride, dilation| WindowAxis { axis, size, stride, dilation };
    let of = |axes: &[WindowAxis], shape: &[usize], dtype| sample(Windows { axes: axes.into() }, shape, dtype);
    let f32 = DType::F32;
    let mut samples = vec![
        of(&[window(1, 3, 1, 1), window(2, 2, 1, 1)], &[2, 5, 4, 3], f32),
        of(&[window(1, 3, 2, 1), window(2, 2, 3, 2)], &[2, 8, 9, 3], f32).unknown_first_axis(),
        of(&[window(0, 2, 2, 1)], &[6], f32),
        // What no window has; windows of one element; no windows at all of no batch; gaps between windows.
        of(&[window(0, 2, 3, 1), window(2, 1, 2, 1)], &[4, 2, 4], f32),
        of(&[window(1, 2, 1, 1)], &[0, 3], f32),
        of(&[window(1, 3, 1, 2)], &[1, 5, 1], f32),
    ];
    samples.extend(dtypes.iter().map(|dtype| of(&[window(0, 2, 1, 2)], &[4, 3], *dtype)));
    samples
}
