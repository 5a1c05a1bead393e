//! Convolutions and pooling: what they mean, on every engine, with their gradients.

use tracelift_function::{
    DType, Engine, Function, Options, Padding, PerAxis, Sliding, Tensor, Window, grad, spec, tensor,
    value_and_gradients,
};

/// Numbers that no symmetry hides in.
fn numbers(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect();
    Tensor::from(values).reshape(shape)
}

fn values(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

/// What Keras's `ops.conv` says for images, as loops.
fn convolved(x: &Tensor, kernel: &Tensor, [stride, dilation, low, high]: [usize; 4]) -> Vec<f32> {
    let [n, h, w, c] = dims(x);
    let [kh, kw, inputs, outputs] = dims(kernel);
    let (groups, per_group) = (c / inputs, outputs / (c / inputs));
    let count = |size: usize, k: usize| (size + low + high - (k - 1) * dilation - 1) / stride + 1;
    let (x, kernel) = (values(x), values(kernel));
    let mut y = vec![];
    for (b, i, j, o) in indices([n, count(h, kh), count(w, kw), outputs]) {
        let mut sum = 0.0f32;
        for (p, q, channel, _) in indices([kh, kw, inputs, 1]) {
            let (row, column) = (i * stride + p * dilation, j * stride + q * dilation);
            let inside = (low..low + h).contains(&row) && (low..low + w).contains(&column);
            let at = |row: usize, column: usize| {
                x[((b * h + row) * w + column) * c + o / per_group * (c / groups) + channel]
            };
            let item = if inside { at(row - low, column - low) } else { 0.0 };
            sum = item.mul_add(kernel[((p * kw + q) * inputs + channel) * outputs + o], sum);
        }
        y.push(sum);
    }
    y
}

fn dims(x: &Tensor) -> [usize; 4] {
    let dims: Vec<usize> = x.shape().iter().map(|dim| dim.known_len().unwrap()).collect();
    dims.try_into().unwrap()
}

fn indices([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
}

fn engines() -> Vec<Options> {
    [Engine::Reference, Engine::Interpreter, Engine::Unfused, Engine::Fused]
        .map(|engine| Options { engine, ..Options::default() })
        .into()
}

/// The result and all gradients, eagerly and on every engine, must have equal bits; returns the result.
fn on_all_engines(
    x: &Tensor,
    kernel: &Tensor,
    f: impl Fn(&Tensor, &Tensor) -> Tensor + Clone + Send + Sync + 'static,
) -> Tensor {
    let y = f(x, kernel).ok().unwrap();
    let both = {
        let f = f.clone();
        move |x: &Tensor, kernel: &Tensor| {
            let loss = || {
                let y = f(x, kernel);
                (&y * y.cos()).sum(..)
            };
            let (_, (dx, dkernel)) = value_and_gradients(loss, (x, kernel));
            (f(x, kernel), dx, dkernel)
        }
    };
    let eager = both(x, kernel);
    for options in engines() {
        let name = format!("{:?}", options.engine);
        let traced = Function::new(both.clone()).options(options);
        let (z, dx, dkernel) = traced(x, kernel);
        for (what, got, want) in [("y", z, &eager.0), ("dx", dx, &eager.1), ("dkernel", dkernel, &eager.2)] {
            let got = got.ok().unwrap();
            assert!(got.to_array().unwrap().bit_eq(&want.to_array().unwrap()), "{name}: {what}");
        }
    }
    y
}

#[test]
fn a_convolution_is_a_chain_over_window_and_channels() {
    let same = Padding::Same;
    let explicit = Padding::Explicit(vec![(2, 1), (2, 1)]);
    let cases: [(&[usize], &[usize], Sliding, [usize; 4]); 7] = [
        (&[2, 6, 5, 3], &[3, 2, 3, 4], Sliding::new(), [1, 1, 0, 0]),
        (&[2, 7, 7, 1], &[3, 3, 1, 32], Sliding::new().strides(2), [2, 1, 0, 0]),
        (&[1, 7, 7, 2], &[3, 3, 2, 5], Sliding::new().dilation(2), [1, 2, 0, 0]),
        (&[2, 5, 5, 17], &[3, 3, 17, 33], Sliding::new().padding(same), [1, 1, 1, 1]),
        (&[1, 4, 4, 2], &[3, 3, 2, 2], Sliding::new().padding(explicit).strides(2), [2, 1, 2, 1]),
        (&[2, 5, 4, 6], &[2, 2, 2, 9], Sliding::new(), [1, 1, 0, 0]),
        (&[2, 5, 4, 6], &[1, 1, 6, 8], Sliding::new(), [1, 1, 0, 0]),
    ];
    for (x, kernel, how, numbers_of) in cases {
        let (x, kernel) = (numbers(x), numbers(kernel));
        let convolve = {
            let how = how.clone();
            move |x: &Tensor, kernel: &Tensor| x.conv(kernel, how.clone())
        };
        let y = on_all_engines(&x, &kernel, convolve);
        assert_eq!(values(&y), convolved(&x, &kernel, numbers_of), "{how:?}");
    }
}

#[test]
fn sequences_and_volumes() {
    let x = tensor([[[1.], [2.], [3.], [4.]]]);
    let kernel = tensor([[[1.]], [[10.]]]);
    let conv = |how: Sliding| values(&x.conv(&kernel, how));
    assert_eq!(conv(Sliding::new()), [21., 32., 43.]);
    assert_eq!(conv(Sliding::new().padding(Padding::Causal)), [10., 21., 32., 43.]);
    assert_eq!(conv(Sliding::new().padding(Padding::Same)), [21., 32., 43., 4.]);
    assert_eq!(conv(Sliding::new().strides(2).padding(Padding::Same)), [21., 43.]);
    let volume = numbers(&[1, 4, 4, 4, 2]);
    let y = on_all_engines(&volume, &numbers(&[2, 2, 2, 2, 3]), |x, kernel| {
        x.conv(kernel, Sliding::new().strides([1, 2, 2]))
    });
    assert_eq!(y.shape(), [1, 3, 2, 2, 3]);
}

#[test]
fn each_channel_has_kernels_of_its_own() {
    let (x, kernel) = (numbers(&[2, 5, 5, 3]), numbers(&[3, 3, 3, 2]));
    let how = Sliding::new().padding(Padding::Same);
    let y = {
        let how = how.clone();
        on_all_engines(&x, &kernel, move |x, kernel| x.depthwise_conv(kernel, how.clone()))
    };
    assert_eq!(y.shape(), [2, 5, 5, 6]);
    // As a convolution in groups, whose kernel is [3, 3, 1, 3 * 2].
    let grouped = x.conv(&kernel.reshape([3, 3, 1, 6]), how.clone());
    for (a, b) in values(&y).iter().zip(values(&grouped)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let one_each = on_all_engines(&x, &numbers(&[2, 2, 3, 1]), |x, kernel| x.depthwise_conv(kernel, Sliding::new()));
    assert_eq!(one_each.shape(), [2, 4, 4, 3]);
}

#[test]
fn a_transposed_convolution_is_what_flows_back() {
    for (stride, size, padding) in
        [(1, 3, Padding::Valid), (2, 3, Padding::Same), (3, 2, Padding::Valid), (2, 2, Padding::Same)]
    {
        let how = Sliding::new().strides(stride).padding(padding.clone());
        let (x, kernel) = (numbers(&[2, 4, 4, 3]), numbers(&[size, size, 5, 3]));
        let y = {
            let how = how.clone();
            on_all_engines(&x, &kernel, move |x, kernel| x.conv_transpose(kernel, how.clone()))
        };
        let under = y.zeros_like();
        let back = grad(move |under: &Tensor| (under.conv(&kernel, how.clone()) * &x).sum(..))(&under);
        for (a, b) in values(&y).iter().zip(values(&back)) {
            assert!((a - b).abs() < 1e-4, "stride {stride}, {padding:?}: {a} {b}");
        }
    }
}

#[test]
fn what_flows_back_through_max_pooling_goes_to_the_first_largest() {
    let x = tensor([[[1.], [1.], [0.], [0.], [5.]]]);
    let pooled = |how: Sliding| {
        let f = move |x: &Tensor| x.max_pool(2, how.clone()).sum(..);
        (values(&grad(f)(&x)), x.shape())
    };
    assert_eq!(pooled(Sliding::new()).0, [1., 0., 1., 0., 0.]);
    assert_eq!(pooled(Sliding::new().strides(1)).0, [1., 1., 1., 0., 1.]);
    assert_eq!(pooled(Sliding::new().padding(Padding::Same)).0, [1., 0., 1., 0., 1.]);
}

#[test]
fn pooling_on_all_engines() {
    let x = numbers(&[2, 7, 6, 5]);
    let cases: [(PerAxis, Sliding, [usize; 4]); 5] = [
        (2.into(), Sliding::new(), [2, 3, 3, 5]),
        (3.into(), Sliding::new().strides(2), [2, 3, 2, 5]),
        (3.into(), Sliding::new().strides(2).padding(Padding::Same), [2, 4, 3, 5]),
        ([2, 3].into(), Sliding::new().padding(Padding::Same), [2, 4, 2, 5]),
        (2.into(), Sliding::new().strides(1).dilation(2), [2, 5, 4, 5]),
    ];
    for (size, how, shape) in cases {
        let (a, b) = ((size.clone(), how.clone()), (size, how));
        let largest = on_all_engines(&x, &tensor(1.), move |x, one| x.max_pool(a.0.clone(), a.1.clone()) * one);
        let mean = on_all_engines(&x, &tensor(1.), move |x, one| x.average_pool(b.0.clone(), b.1.clone()) * one);
        assert_eq!((largest.shape(), mean.shape()), (shape.into(), shape.into()));
        assert!(values(&mean).iter().zip(values(&largest)).all(|(mean, largest)| *mean <= largest));
    }
}

#[test]
fn windows_are_a_view() {
    let x = tensor([[1., 2., 3.], [4., 5., 6.]]);
    let pairs = x.windows(&[Window::new(-1, 2)]);
    assert_eq!(pairs.shape(), [2, 2, 2]);
    assert_eq!(values(&pairs), [1., 2., 2., 3., 4., 5., 5., 6.]);
    let sums = grad(|x: &Tensor| x.windows(&[Window::new(0, 2), Window::new(1, 2)]).sum(..))(&x);
    assert_eq!(values(&sums), [1., 2., 1., 1., 2., 1.]);
}

#[test]
fn sizes_may_be_unknown() {
    let f = Function::new(|x: &Tensor| x.conv(&Tensor::ones([2, 2, 1, 3]), Sliding::new().padding(Padding::Same)));
    let f = f.input_signature(spec!(f32[None, None, 4, 1]));
    for (batch, height) in [(1, 4), (2, 5), (3, 9)] {
        assert_eq!(f(&Tensor::ones([batch, height, 4, 1])).shape(), [batch, height, 4, 3]);
    }
}

#[test]
fn mistakes_are_errors() {
    let image = Tensor::ones([1, 5, 5, 4]);
    let text = |y: Tensor| {
        let text = y.ok().unwrap_err().to_string();
        text.lines().next().unwrap().split(" (operands").next().unwrap().to_owned()
    };
    let conv = |kernel: &[usize], how: Sliding| text(image.conv(&Tensor::ones(kernel), how));
    assert_eq!(
        conv(&[3, 3, 3, 2], Sliding::new()),
        "`conv` cannot convolve f32[1, 5, 5, 4] with f32[3, 3, 3, 2]: 4 channels are no multiple of 3 inputs"
    );
    assert_eq!(
        conv(&[3, 3, 2, 3], Sliding::new()),
        "`conv` cannot convolve f32[1, 5, 5, 4] with f32[3, 3, 2, 3]: 3 outputs are not divisible by 2 groups"
    );
    assert_eq!(
        conv(&[3, 4, 2], Sliding::new()),
        "`conv` wants [batch, ..., channels] and a kernel of as many axes, at least three, not f32[1, 5, 5, 4] and f32[3, 4, 2]"
    );
    assert_eq!(
        conv(&[3, 3, 4, 2], Sliding::new().strides([1, 2, 3])),
        "`conv` wants a stride for each of the 2 middle axes, not [1, 2, 3]"
    );
    assert_eq!(
        conv(&[3, 3, 4, 2], Sliding::new().strides(0)),
        "`conv` wants windows of at least one element, with strides and dilation of at least one"
    );
    assert_eq!(
        conv(&[6, 6, 4, 2], Sliding::new()),
        "`windows` cannot take windows of 6 elements from axis 1 of f32[1, 5, 5, 4]: they span 6"
    );
    assert_eq!(
        conv(&[3, 3, 4, 2], Sliding::new().padding(Padding::Causal)),
        "`conv` has causal padding for one middle axis only, not for 2"
    );
    let whole = text(image.cast(DType::I32).conv(&Tensor::ones([3, 3, 4, 2]), Sliding::new()));
    assert_eq!(whole, "`conv` takes operands of one dtype, got i32[1, 5, 5, 4] and f32[3, 3, 4, 2]");
    assert_eq!(
        text(image.max_pool(6, Sliding::new())),
        "`max_pool` cannot take windows of 6 elements from axis 1 of f32[1, 5, 5, 4]"
    );
    assert_eq!(
        text(Tensor::ones([2, 2]).average_pool(2, Sliding::new())),
        "`average_pool` wants numbers of shape [batch, ..., channels], not f32[2, 2]"
    );
    assert_eq!(
        text(image.depthwise_conv(&Tensor::ones([3, 3, 3, 1]), Sliding::new())),
        "`depthwise_conv` wants a kernel for each of the 4 channels of f32[1, 5, 5, 4], not f32[3, 3, 3, 1]"
    );
    assert_eq!(
        text(image.conv_transpose(&Tensor::ones([3, 3, 2, 3]), Sliding::new())),
        "`conv_transpose` wants a kernel with 4 inputs for f32[1, 5, 5, 4], not f32[3, 3, 2, 3]"
    );
}
