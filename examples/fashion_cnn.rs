//! Tells shirts from shoes with two convolutions: what a network gains that sees 28x28 pixels as an image.
//!
//! `cargo run --release --example fashion_cnn` trains on the 900 shipped images; `-- --data FOLDER` takes the four
//! IDX files of the full data set.

use std::path::PathBuf;

use clap::Parser;
use tracelift::{
    data::{fashion_mnist, scale_pixels},
    prelude::*,
};

/// Trains a convolutional classifier of clothes.
#[derive(Parser)]
struct Arguments {
    /// How many times to go over the training images.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// What first weights and the orders of the images depend on.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// A folder with the IDX files, gzipped or not.
    #[arg(long)]
    data: Option<PathBuf>,
}

fn main() -> Result {
    let arguments = Arguments::parse();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/fashion-mnist-mini");
    let split = fashion_mnist(arguments.data.unwrap_or_else(|| shipped.into()))?;
    // Convolutions take images with channels, of which grey ones have one.
    let [x_train, x_test] = [scale_pixels(&split.x_train)?, scale_pixels(&split.x_test)?]
        .map(|images| Tensor::from(images).expand_dims(-1));
    let [y_train, y_test] = [split.y_train, split.y_test].map(Tensor::from);

    random::set_seed(arguments.seed)?;
    let mut model = Model::new(
        Sequential::new()
            .input([28, 28, 1])
            .add(Conv2D::new(16, 3).activation("relu"))
            .add(MaxPooling2D::new(2))
            .add(Conv2D::new(32, 3).activation("relu"))
            .add(MaxPooling2D::new(2))
            .add(Flatten::new())
            .add(Dense::new(64).activation("relu"))
            .add(Dense::new(10).activation("softmax")),
    );
    print!("{}", model.summary());
    model.compile(Compile::new().loss("sparse_categorical_crossentropy").optimizer("adam").metric("accuracy"))?;
    let fit = Fit::new().epochs(arguments.epochs).validation_data(&x_test, &y_test);
    model.fit(&x_train, &y_train, fit)?;

    println!("test: {}", model.evaluate(&x_test, &y_test)?);
    Ok(())
}
