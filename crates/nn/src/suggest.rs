//! "Did you mean …": the nearest of the known names.

use tracelift_function::Error;

/// The error of a name that nobody knows.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let error = Error::value(format!("there is no {what} called \"{name}\""));
    match nearest(name, known) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None => error.help(format!("known are {}", known.join(", "))),
    }
}

/// The known name that takes the fewest edits, if those are few enough.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let (distance, near) = known.iter().map(|&other| (distance(&lower, &other.to_lowercase()), other)).min()?;
    (distance <= 1 + near.len() / 3).then_some(near)
}

/// How many letters must be put in, taken out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        assert_eq!(nearest("rellu", &["relu", "selu", "tanh"]), Some("relu"));
        assert_eq!(nearest("ADAM", &["adam", "nadam"]), Some("adam"));
        assert_eq!(nearest("quantum", &["relu", "tanh"]), None);
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }

    #[test]
    fn the_message_names_what_is_known() {
        let text = unknown("activation", "quantum", &["relu", "tanh"]).to_string();
        assert!(text.contains("there is no activation called \"quantum\""), "{text}");
        assert!(text.contains("known are relu, tanh"), "{text}");
    }
}
