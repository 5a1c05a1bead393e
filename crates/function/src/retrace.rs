//! Why a function is traced again, told to people: which argument differs from the nearest signature, and the remedy.

use std::fmt;

use comfy_table::{Table, presets};
use tracelift_ir::TensorType;

use crate::{
    TensorSpec, call_site,
    key::ArgType,
    parts::{Part, What, described},
};

/// One trace after the first, and why it was made.
///
/// ```
/// use tracelift_function::{Function, Tensor, tensor};
///
/// let f = Function::new(|x: &Tensor, n: &i32| x.powi(*n)).argument_names(&["x", "n"]);
/// for n in [2, 3] {
///     f(&tensor(1.5), &n).item::<f32>()?;
/// }
/// let retrace = &f.retraces()[0];
/// assert_eq!(retrace.reason(), "`n` is 3, not 2");
/// assert_eq!(retrace.nearest, "(x: f32[], n = 2)");
/// assert!(retrace.remedy.contains("pass it as a tensor"));
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Retrace {
    /// Which trace of the function it was, the first being 1.
    pub number: usize,
    /// What it was traced for.
    pub signature: String,
    /// The signature there was that differs least.
    pub nearest: String,
    /// In what they differ; nothing if the sizes break an assumption of the earlier trace.
    pub differences: Vec<Difference>,
    /// What the earlier trace assumed of sizes, and these break.
    pub broken: Option<String>,
    /// The line that called, or the function that did; told for the first traces and then now and then.
    pub call_site: Option<String>,
    /// How it can be avoided.
    pub remedy: &'static str,
}

/// An argument, or part of one, that differs from an earlier signature.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// Its name and the way from there, or its number.
    pub argument: String,
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
    kind: Kind,
}

/// In what an argument differs, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Sizes,
    Value,
    Rank,
    DType,
    Variables,
    Structure,
}

/// Arguments of a call, or those of an earlier trace.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) types: &'a [ArgType],
    pub(crate) parts: &'a [Part],
    pub(crate) names: &'a [String],
}

impl Retrace {
    /// The differences in one line.
    pub fn reason(&self) -> String {
        if let Some(broken) = &self.broken {
            return format!("the sizes break what was assumed of them: {broken}");
        }
        let told = self
            .differences
            .iter()
            .map(|Difference { argument, old, new, .. }| format!("{argument} is {new}, not {old}"));
        told.collect::<Vec<_>>().join("; ")
    }

    /// Why there is one more trace beside these; `None` if there is none yet.
    pub(crate) fn explain<'a>(
        others: impl Iterator<Item = Given<'a>>,
        given: Given<'_>,
        broken: Option<String>,
        number: usize,
    ) -> Option<Retrace> {
        let compared = others.map(|other| (differences(other, given), other));
        // Of equally near ones the latest.
        let (differences, nearest) =
            compared.reduce(|best, other| if distance(&other.0) <= distance(&best.0) { other } else { best })?;
        let worst = differences.iter().map(|difference| difference.kind).max();
        let remedy = match (&broken, worst) {
            (Some(_), _) => "sizes that behave alike share a trace: give the unusual ones a function of their own",
            (None, None) => "it was dropped because there were too many signatures: raise `max_signatures`",
            (None, Some(Kind::Sizes)) => {
                "give `input_signature` with `None` for sizes that vary, or `reduce_retracing`"
            }
            (None, Some(Kind::Value)) => {
                "host values are part of the signature: pass it as a tensor, `tensor(…)`, if it varies"
            }
            (None, Some(Kind::Rank)) => "reshape the argument before the call, so that it has one number of axes",
            (None, Some(Kind::DType)) => "cast the argument before the call, so that it has one dtype",
            (None, Some(Kind::Variables)) => "which arguments are the same variable is part of the signature",
            (None, Some(Kind::Structure)) => {
                "every length of a list and every choice of an option is traced: a tensor with one more axis can have any length"
            }
        };
        Some(Retrace {
            number,
            signature: signature_text(given),
            nearest: signature_text(nearest),
            differences,
            broken,
            call_site: call_site::latest().map(ToString::to_string),
            remedy,
        })
    }
}

impl fmt::Display for Retrace {
    /// `trace 3: ‘n’ is 3, not 2`, then where, and the remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trace {}: {}", self.number, self.reason())?;
        if let Some(site) = &self.call_site {
            write!(f, "\n  called at {site}")?;
        }
        write!(f, "\n  nearest: {}\n  help: {}", self.nearest, self.remedy)
    }
}

fn distance(differences: &[Difference]) -> usize {
    differences.iter().map(|difference| 1 + difference.kind as usize).sum()
}

fn differences(old: Given<'_>, new: Given<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (old, new_parts) in by_argument(old).into_iter().zip(by_argument(new)) {
        for ((a, a_type), (b, b_type)) in old.into_iter().zip(new_parts) {
            let difference = |old: String, new_text: String, kind| Difference {
                argument: described(b, new.names),
                old,
                new: new_text,
                kind,
            };
            match (&a.what, &b.what) {
                (What::Leaf, What::Leaf) if a.same_place(b) => {
                    if let Some((kind, (a, b))) = Kind::of(a_type, b_type).zip(a_type.zip(b_type)) {
                        differences.push(difference(type_text(a), type_text(b), kind));
                    }
                }
                (What::Host(a), What::Host(b)) if a != b => {
                    differences.push(difference(a.clone(), b.clone(), Kind::Value));
                }
                (What::Host(_), What::Host(_)) => {}
                (What::Structure(a), What::Structure(b)) if a == b => {}
                // From here on the parts of the argument are others: a list is longer, or an option is there.
                _ => {
                    let text = |part: &Part| match &part.what {
                        What::Leaf => "a tensor".to_owned(),
                        What::Host(text) | What::Structure(text) => text.clone(),
                    };
                    differences.push(difference(text(a), text(b), Kind::Structure));
                    break;
                }
            }
        }
    }
    differences
}

/// The parts of each argument, with the types of its leaves.
fn by_argument<'a>(given: Given<'a>) -> Vec<Vec<(&'a Part, Option<&'a ArgType>)>> {
    let mut types = given.types.iter();
    let mut arguments: Vec<Vec<(&'a Part, Option<&'a ArgType>)>> = Vec::new();
    for part in given.parts {
        arguments.resize_with(arguments.len().max(part.argument + 1), Vec::new);
        let ty = if part.what == What::Leaf { types.next() } else { None };
        arguments[part.argument].push((part, ty));
    }
    arguments
}

impl Kind {
    fn of(old: Option<&ArgType>, new: Option<&ArgType>) -> Option<Kind> {
        let (old, new) = old.zip(new)?;
        let (a, b) = (old.ty(), new.ty());
        if a.dtype != b.dtype {
            Some(Kind::DType)
        } else if a.shape.rank() != b.shape.rank() {
            Some(Kind::Rank)
        } else if a != b {
            Some(Kind::Sizes)
        } else {
            (old != new).then_some(Kind::Variables)
        }
    }
}

/// `(x: f32[None, 3], n = 2)`
pub(crate) fn signature_text(given: Given<'_>) -> String {
    let mut types = given.types.iter();
    let parts = given.parts.iter().map(|part| {
        let name = described(part, given.names).replace('`', "");
        match &part.what {
            What::Leaf => format!("{name}: {}", types.next().map_or_else(String::new, type_text)),
            What::Host(text) | What::Structure(text) => format!("{name} = {text}"),
        }
    });
    format!("({})", parts.collect::<Vec<_>>().join(", "))
}

fn type_text(ty: &ArgType) -> String {
    let spec = |ty: &TensorType| TensorSpec::from(ty).to_string();
    match ty {
        ArgType::Tensor(ty) => spec(ty),
        ArgType::Variable { ty, only: None, .. } => format!("variable {}", spec(ty)),
        ArgType::Variable { ty, only: Some(_), .. } => format!("captured variable {}", spec(ty)),
    }
}

/// What a function was traced for, how often, and why; printed as a table.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// The function's name.
    pub function: String,
    /// The signatures that are kept, oldest first.
    pub signatures: Vec<SignatureInfo>,
    /// How often the function was traced.
    pub trace_count: usize,
    /// How many signatures were dropped because there were too many.
    pub evictions: usize,
    /// The latest retraces, oldest first.
    pub retraces: Vec<Retrace>,
}

/// A signature that is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct SignatureInfo {
    /// `(x: f32[None, 3], n = 2)`
    pub arguments: String,
    /// How many operations its graph has.
    pub operations: usize,
    /// Bytes of native code; 0 if it was not called yet, or is not native.
    pub code_bytes: usize,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        write!(f, "{}: {}", self.function, plural(self.trace_count, "trace"))?;
        write!(f, ", {}", plural(self.signatures.len(), "signature"))?;
        if self.evictions > 0 {
            write!(f, ", {} dropped", self.evictions)?;
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["signature", "operations", "code bytes"]);
        for SignatureInfo { arguments, operations, code_bytes } in &self.signatures {
            table.add_row([arguments.clone(), operations.to_string(), code_bytes.to_string()]);
        }
        write!(f, "\n{table}")?;
        for retrace in &self.retraces {
            write!(f, "\n{retrace}")?;
        }
        Ok(())
    }
}
