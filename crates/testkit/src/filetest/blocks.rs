//! The `after` blocks of a test file.

use tracelift_passes::Stage;

/// A test file cut into its `after` blocks and everything else.
pub(super) struct Blocks<'t> {
    /// The lines that belong to no block.
    rest: Vec<&'t str>,
    blocks: Vec<(&'t str, String)>,
}

impl<'t> Blocks<'t> {
    /// A block starts at `; after STAGE:` and ends where the comment ends or another kind of line begins.
    pub(super) fn of(text: &'t str) -> Blocks<'t> {
        let mut cut = Blocks { rest: vec![], blocks: vec![] };
        let mut inside = false;
        for line in text.lines() {
            if let Some(stage) = line.strip_prefix("; after ").and_then(|rest| rest.strip_suffix(':')) {
                cut.blocks.push((stage, String::new()));
                inside = true;
            } else if inside && line.starts_with(';') && !is_call(line) {
                let (_, block) = cut.blocks.last_mut().expect("a block was begun");
                let content = line.strip_prefix("; ").or(line.strip_prefix(';')).unwrap_or_default();
                *block += content;
                block.push('\n');
            } else {
                // The empty line behind a block belongs to it.
                if !(inside && line.is_empty() && cut.rest.last().is_some_and(|last| last.is_empty())) {
                    cut.rest.push(line);
                }
                inside = false;
            }
        }
        cut
    }

    /// Where the blocks are not what was made.
    pub(super) fn differences(&self, made: &[(Stage, String)]) -> Vec<String> {
        let mut differences = vec![];
        for (stage, text) in made {
            match self.blocks.iter().find(|(name, _)| *name == stage.name()) {
                Some((_, block)) if block == text => {}
                Some((_, block)) => {
                    differences.push(format!("after {stage} it is\n{text}\nand should be\n{block}"));
                }
                None => differences.push(format!("has no block `; after {stage}:` (BLESS=1 writes it)")),
            }
        }
        for (name, _) in &self.blocks {
            if !made.iter().any(|(stage, _)| stage.name() == *name) {
                differences.push(format!("`; after {name}:` is of no stage in `; pipeline:`"));
            }
        }
        differences
    }

    /// The file with these blocks: before the comment in which the first call stands.
    pub(super) fn with(&self, made: &[(Stage, String)]) -> String {
        let call = self.rest.iter().position(|line| is_call(line)).unwrap_or(self.rest.len());
        let start = self.rest[..call].iter().rposition(|line| !line.starts_with(';')).map_or(0, |line| line + 1);
        let (before, after) = self.rest.split_at(start);
        let mut text = lines(before);
        if !text.is_empty() && !text.ends_with("\n\n") {
            text.push('\n');
        }
        for (stage, block) in made {
            text += &format!("; after {stage}:\n");
            for line in block.lines() {
                text += format!("; {line}").trim_end();
                text.push('\n');
            }
            text.push('\n');
        }
        text + &lines(after)
    }
}

fn is_call(line: &str) -> bool {
    line.starts_with("; run:") || line.starts_with("; grad:")
}

fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "; pipeline: cse\n\nfunc\n\n; after cse:\n; old\n;\n; more\n\n; why\n; run: @f() == 1\n";

    #[test]
    fn blocks_are_found_and_replaced() {
        let blocks = Blocks::of(FILE);
        assert_eq!(blocks.blocks, [("cse", "old\n\nmore\n".to_string())]);
        assert!(blocks.differences(&[(Stage::Cse, "old\n\nmore\n".to_string())]).is_empty());
        let new = [(Stage::Cse, "new\n".to_string())];
        assert_eq!(blocks.differences(&new).len(), 1);
        assert_eq!(blocks.with(&new), FILE.replace("; old\n;\n; more", "; new"));
    }

    #[test]
    fn missing_and_superfluous_blocks_are_reported() {
        assert_eq!(Blocks::of("").differences(&[(Stage::Fold, String::new())]).len(), 1);
        assert_eq!(Blocks::of(FILE).differences(&[]).len(), 1);
    }
}
