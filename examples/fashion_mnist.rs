//! Tells shirts from shoes: 28x28 grey images, one hidden layer of 100 units, ten classes.
//!
//! `cargo run --release --example fashion_mnist` trains on the 900 shipped images; `-- --data FOLDER` takes the four
//! IDX files of the full data set.

use std::path::PathBuf;

use clap::Parser;
use tracelift::{
    data::{fashion_mnist, scale_pixels},
    prelude::*,
};

const CLASSES: [&str; 10] =
    ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];

/// Trains a classifier of clothes.
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
    let (x_train, x_test) = (scale_pixels(&split.x_train)?.into(), Tensor::from(scale_pixels(&split.x_test)?));
    let (y_train, y_test) = (split.y_train.into(), Tensor::from(split.y_test));

    random::set_seed(arguments.seed)?;
    let mut model = Model::new(
        Sequential::new()
            .input([28, 28])
            .add(Flatten::new())
            .add(Dense::new(100).activation("relu").kernel_initializer("he_normal"))
            .add(Dense::new(10).activation("softmax")),
    );
    print!("{}", model.summary());
    let compile = Compile::new().loss("sparse_categorical_crossentropy").optimizer(Sgd::new(0.01).momentum(0.9));
    model.compile(compile.metric("accuracy"))?;
    let fit = Fit::new().epochs(arguments.epochs).validation_data(&x_test, &y_test);
    model.fit(&x_train, &y_train, fit)?;

    println!("test: {}", model.evaluate(&x_test, &y_test)?);
    let predicted = model.predict(&x_test.slice(..3))?.argmax(-1).to_vec::<i64>()?;
    let true_classes = y_test.slice(..3).cast(I64).to_vec::<i64>()?;
    for (own, class) in predicted.iter().zip(&true_classes) {
        println!("taken for {}, is {}", CLASSES[*own as usize], CLASSES[*class as usize]);
    }
    Ok(())
}
