//! The table of a model's layers, as Keras prints it.

use comfy_table::{CellAlignment, Table, presets};
use tracelift_function::{Shape, Variable};

use crate::{AnyLayer, Layer, Module, Sequential};

/// Title, table, and the numbers of parameters.
pub(super) fn of(layer: &AnyLayer) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["Layer (type)", "Output Shape", "Param #"]);
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    match layer.get::<Sequential>() {
        Some(sequential) => {
            let shapes = sequential.output_shapes();
            for (i, layer) in sequential.layers().iter().enumerate() {
                let shape = shapes.get(i).map_or_else(|| "?".to_owned(), any_rows);
                table.add_row([title(layer), shape, grouped(count(&layer.variables()))]);
            }
        }
        None => {
            table.add_row([title(layer), "?".to_owned(), grouped(count(&layer.variables()))]);
        }
    }
    let all = count(&layer.variables());
    let trainable = count(&layer.trainable_variables());
    format!(
        "Model: \"{}\"\n{table}\n Total params: {}\n Trainable params: {}\n Non-trainable params: {}\n",
        layer.display_name(),
        with_bytes(all),
        with_bytes(trainable),
        with_bytes(all - trainable),
    )
}

/// `dense_1 (Dense)`
fn title(layer: &AnyLayer) -> String {
    let description = layer.description();
    let kind = description.split(',').next().unwrap_or(&description);
    format!("{} ({kind})", layer.display_name())
}

/// `(None, 30)`
fn any_rows(shape: &Shape) -> String {
    let sizes: Vec<String> = shape.iter().skip(1).map(ToString::to_string).collect();
    format!("(None{}{})", if sizes.is_empty() { "" } else { ", " }, sizes.join(", "))
}

fn count(variables: &[Variable]) -> usize {
    variables.iter().map(|variable| variable.shape().known().map_or(0, |sizes| sizes.iter().product())).sum()
}

/// `266,610`
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `301 (1.18 KB)`: the weights are f32.
fn with_bytes(n: usize) -> String {
    let bytes = (4 * n) as f64;
    let size = match n * 4 {
        ..1024 => format!("{bytes:.2} B"),
        1024..1_048_576 => format!("{:.2} KB", bytes / 1024.0),
        _ => format!("{:.2} MB", bytes / 1_048_576.0),
    };
    format!("{} ({size})", grouped(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dense, Model, random};

    #[test]
    fn a_table_of_layers() {
        random::set_seed(0).unwrap();
        let model =
            Model::new(Sequential::new().input([8]).add(Dense::new(30).name("hidden")).add(Dense::new(1).name("out")));
        let text = model.summary();
        for part in
            ["hidden (Dense)", "(None, 30)", "270", "out (Dense)", "(None, 1)", "31", "Total params: 301 (1.18 KB)"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert_eq!(grouped(266_610), "266,610");
    }
}
