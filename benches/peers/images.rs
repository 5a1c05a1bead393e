//! W11: training steps of a convolutional network.

use crate::measure::Settings;
use crate::train::{Training, relu_layer};
use tracelift_nn::{Adam, Conv2D, Dense, Flatten, I32, MaxPooling2D, Model, Sequential, random};

/// 28x28x1 → 32 filters, pooled → 64 filters, pooled → 128 relu → 10 softmax.
fn model() -> Sequential {
    Sequential::new()
        .add(Conv2D::new(32, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(relu_layer(128))
        .add(Dense::new(10).activation("softmax"))
}

/// W11.
pub(crate) fn convnet(settings: &Settings) {
    if !settings.wants("W11.convnet") {
        return;
    }
    random::set_seed(0).expect("no trace is under way");
    let (x, y) = (random::normal([1600, 28, 28, 1], 0.0, 1.0), random::indices(1600, 10).cast(I32));
    let (loss, optimizer) = ("sparse_categorical_crossentropy", |rate| Adam::new(rate).into());
    let training = Training { loss, optimizer, ..Training::new("W11.convnet", "fit", settings) };
    training.run(settings, &|| Model::new(model()), &x, &y);
}
