//! `compare`: what a stage makes of two files, line by line.

use crate::Answer;
use crate::arguments::Compare;
use crate::input::Input;
use std::fmt::Write;
use tracelift_passes::Pipeline;
use tracelift_tensor::Result;

/// How many lines around a difference are shown.
const CONTEXT: usize = 2;

/// Good news if the texts are the same.
pub(crate) fn compare(compare: &Compare) -> Result<Answer> {
    let old = text_after(&compare.old, compare)?;
    let new = text_after(&compare.new, compare)?;
    if old == new {
        return Ok(Answer::good(format!("no difference after {}\n", compare.after)));
    }
    let heading = format!("--- {} after {}\n+++ {} after {}\n", compare.old, compare.after, compare.new, compare.after);
    Ok(Answer { text: heading + &difference(&old, &new), good: false })
}

fn text_after(file: &str, compare: &Compare) -> Result<String> {
    let input = Input::load(file)?;
    let mut text = String::new();
    for graph in input.chosen(None)? {
        Pipeline::default().lower_to(compare.after, graph, &mut |stage, made| {
            if stage == compare.after {
                let _ = writeln!(text, "{made}");
            }
        })?;
    }
    for kernel in &input.kernels {
        let _ = writeln!(text, "{kernel}");
    }
    for program in &input.programs {
        let _ = writeln!(text, "{}", program.steps_text());
    }
    Ok(text)
}

/// The lines that differ, marked, with a few around them.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(same).count();
    let changes = changes(&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let before = old[head.saturating_sub(CONTEXT)..head].iter().map(|line| (' ', *line));
    let after = old[old.len() - tail..].iter().take(CONTEXT).map(|line| (' ', *line));
    let mut text = String::new();
    for (mark, line) in before.chain(changes).chain(after) {
        let _ = writeln!(text, "{mark} {line}");
    }
    text
}

/// Tables larger than this are not worth filling: all old lines are shown, then all new ones.
const MOST_CELLS: usize = 16 << 20;

/// One line after the other, with as many as possible kept: the longest common subsequence.
fn changes<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    if (old.len() + 1).saturating_mul(new.len() + 1) > MOST_CELLS {
        return old.iter().map(|line| ('-', *line)).chain(new.iter().map(|line| ('+', *line))).collect();
    }
    let width = new.len() + 1;
    // How many lines the rests from (i, j) have in common.
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut changes = vec![];
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            changes.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            changes.push(('-', old[i]));
            i += 1;
        } else {
            changes.push(('+', new[j]));
            j += 1;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_marked_in_their_place() {
        let text = difference("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nx\ne\ny\nf\n");
        assert_eq!(text, "  b\n  c\n- d\n+ x\n  e\n+ y\n  f\n");
        assert_eq!(difference("", "a\n"), "+ a\n");
        assert_eq!(difference("a\na\n", "a\n"), "  a\n- a\n");
    }
}
