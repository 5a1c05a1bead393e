//! Fashion-MNIST, and whatever else comes as the same four files.

use std::path::Path;

use tracelift_tensor::{Array, DType, Error, Result};

use crate::{Split, read_idx, rows::count_rows, to_i32};

/// Reads images `u8[n, height, width]` and labels `i32[n]` from the four IDX files of a folder, gzipped or not.
///
/// ```
/// # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data");
/// let split = tracelift_data::fashion_mnist(format!("{data}/fashion-mnist-mini"))?;
/// assert_eq!(split.x_train.type_text(), "u8[750, 28, 28]");
/// assert_eq!(split.y_test.type_text(), "i32[150]");
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn fashion_mnist(folder: impl AsRef<Path>) -> Result<Split> {
    let folder = folder.as_ref();
    let (x_train, y_train) = part(folder, "train")?;
    let (x_test, y_test) = part(folder, "t10k")?;
    Ok(Split { x_train, x_test, y_train, y_test })
}

fn part(folder: &Path, name: &str) -> Result<(Array, Array)> {
    let images = member(folder, &format!("{name}-images-idx3-ubyte"))?;
    let labels = member(folder, &format!("{name}-labels-idx1-ubyte"))?;
    if (images.dtype(), images.rank(), labels.rank()) != (DType::U8, 3, 1) {
        return Err(Error::format(format!(
            "`{}`: the {name} part has images {} and labels {}, not u8[n, height, width] and u8[n]",
            folder.display(),
            images.type_text(),
            labels.type_text()
        )));
    }
    count_rows(&[&images, &labels])?;
    Ok((images, to_i32(&labels)?))
}

fn member(folder: &Path, name: &str) -> Result<Array> {
    let packed = folder.join(format!("{name}.gz"));
    let plain = folder.join(name);
    // If there is neither, the error names the usual one.
    read_idx(if plain.exists() && !packed.exists() { plain } else { packed })
}

/// Pixels from 0 to 255 as floats from 0 to 1: `f32`, `x / 255`.
///
/// ```
/// use tracelift_data::scale_pixels;
/// use tracelift_tensor::Array;
///
/// let pixels = scale_pixels(&Array::vector([0u8, 51, 255])?)?;
/// assert_eq!(pixels.to_vec::<f32>()?, [0.0, 0.2, 1.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn scale_pixels(images: &Array) -> Result<Array> {
    if images.dtype() != DType::U8 {
        return Err(Error::type_(format!("pixels are u8, not {}", images.type_text())));
    }
    Array::new(
        images.shape(),
        images.as_slice::<u8>().iter().map(|&pixel| f32::from(pixel) / 255.0).collect::<Vec<_>>(),
    )
}
