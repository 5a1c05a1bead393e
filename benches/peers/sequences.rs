//! W12: training steps of an LSTM and of a transformer block, through plain `fit`.

use crate::measure::Settings;
use crate::train::{Training, relu_layer};
use tracelift_nn::{
    Adam, Call, Dense, GlobalAveragePooling1D, I32, Layer, LayerNormalization, Lstm, Model, Module, MultiHeadAttention,
    Sequential, Tensor, random,
};

/// W12.
pub(crate) fn all(settings: &Settings) {
    random::set_seed(12).expect("no trace is under way");
    let adam = |rate: f64| Adam::new(rate).into();
    let steps = 50;
    if settings.wants("W12.lstm") {
        let batch = 32;
        let x = random::normal([batch * steps, 50, 16], 0.0, 1.0);
        let y = random::normal([batch * steps, 1], 0.0, 1.0);
        let make = || Model::new(Sequential::new().add(Lstm::new(64)).add(Dense::new(1)));
        let training = Training::new("W12.lstm", "fit", settings);
        Training { optimizer: adam, batch, ..training }.run(settings, &make, &x, &y);
    }
    if settings.wants("W12.transformer") {
        let batch = 16;
        let x = random::normal([batch * steps, 64, 128], 0.0, 1.0);
        let y = random::indices(batch * steps, 10).cast(I32);
        let loss = "sparse_categorical_crossentropy";
        let training = Training::new("W12.transformer", "fit", settings);
        let make = || Model::new(Transformer::new());
        Training { optimizer: adam, batch, loss, ..training }.run(settings, &make, &x, &y);
    }
}

/// `x = norm(x + attention(x))`, `x = norm(x + narrow(relu(wide(x))))`, the mean over the sequence, ten classes.
#[derive(Module)]
struct Transformer {
    attention: MultiHeadAttention,
    after_attention: LayerNormalization,
    wide: Dense,
    narrow: Dense,
    after_dense: LayerNormalization,
    mean: GlobalAveragePooling1D,
    classes: Dense,
}

impl Transformer {
    fn new() -> Transformer {
        let norm = || LayerNormalization::new().epsilon(1e-5);
        Transformer {
            attention: MultiHeadAttention::new(4, 32),
            after_attention: norm(),
            wide: relu_layer(512),
            narrow: Dense::new(128),
            after_dense: norm(),
            mean: GlobalAveragePooling1D::new(),
            classes: Dense::new(10).activation("softmax"),
        }
    }
}

impl Layer for Transformer {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let x = self.after_attention.apply(&(x + self.attention.apply(x)));
        let x = self.after_dense.apply(&(&x + self.narrow.apply(&self.wide.apply(&x))));
        self.classes.apply(&self.mean.apply(&x))
    }
}
