//! Names of layers, as messages and summaries show them.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{module::no_weights, seed};

/// The display name of a layer: given by the user, or numbered at first use (`dense`, `dense_1`, …).
#[derive(Clone, Default)]
pub struct Name(Arc<OnceLock<String>>);

impl Name {
    /// A given name.
    pub fn given(name: &str) -> Self {
        Name(Arc::new(OnceLock::from(name.to_owned())))
    }

    /// The name, or the next free one of a type.
    pub fn or_numbered(&self, base: &str) -> &str {
        self.0.get_or_init(|| seed::next_name(base))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get().map_or("unnamed", String::as_str))
    }
}

no_weights!(Name);

/// `my_dense` of the type `program::MyDense<3>`, `huber_fn` of the function `program::huber_fn`, `create_huber` of a
/// closure that `program::create_huber` made.
pub(crate) fn snake_case(type_name: &str) -> String {
    let mut snake = String::new();
    for letter in short(type_name).chars() {
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The last part of a path, without arguments and `{{closure}}`.
pub(crate) fn short(type_name: &str) -> &str {
    let path = type_name.split('<').next().unwrap_or(type_name);
    path.split("::").filter(|part| !part.starts_with('{')).last().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_functions_and_closures() {
        assert_eq!(snake_case("program::layers::MyDense<3>"), "my_dense");
        assert_eq!(snake_case("program::create_huber::{{closure}}"), "create_huber");
        assert_eq!(snake_case("Dense"), "dense");
    }

    #[test]
    fn a_given_name_stays() {
        assert_eq!(Name::given("head").or_numbered("dense"), "head");
    }
}
