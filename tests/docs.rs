//! Pages that code can generate are up to date; `BLESS=1` rewrites them.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use tracelift_ir::{Lowering, Op, Vjp, VjpRule};
use tracelift_kernel::text::{Module as Code, Source};

/// Compares a page with what it should hold, or rewrites it.
fn check(page: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, wanted).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/{page} is stale: run `BLESS=1 cargo test --test docs` and read the difference");
}

/// What is written of one op.
#[derive(Default)]
struct Facts {
    dtypes: Vec<String>,
    operands: Vec<usize>,
    attributes: String,
    lowering: &'static str,
    gradient: &'static str,
    laws: Vec<&'static str>,
}

fn lowering_word(lowering: &Lowering) -> &'static str {
    match lowering {
        Lowering::Lane(_) => "lane",
        Lowering::Index(_) => "index",
        Lowering::View => "view",
        Lowering::Reduce(_) => "reduction",
        Lowering::Library(_) => "library",
        Lowering::Kernel(_) => "own kernel",
        Lowering::Iota { .. } => "index",
        Lowering::Fusion => "fused body",
        Lowering::Const => "literal",
        Lowering::Parameter => "argument",
        Lowering::Dim(_) => "size",
        Lowering::Control => "steps",
        Lowering::Stack => "stack",
        Lowering::Host => "host",
    }
}

/// How the gradient passes, found by asking the rule on the sample's own types.
fn gradient_word(sample: &tracelift_ir::Sample) -> &'static str {
    let mut b = tracelift_ir::Builder::new("gradient");
    let x: Vec<_> = sample.types.iter().map(|ty| b.param("", ty.clone(), tracelift_ir::ParamRole::Input)).collect();
    if !x.iter().any(|x| b.ty(*x).has_cotangent()) {
        return "none";
    }
    let Ok(y) = b.push_multi(sample.op.clone(), &x) else { return "" };
    let dy: Vec<_> = y.iter().map(|y| b.ty(*y).has_cotangent().then_some(*y)).collect();
    if dy.iter().all(Option::is_none) {
        return "none";
    }
    match sample.op.vjp(&mut Vjp { b: &mut b, x: &x, y: &y, dy: &dy }) {
        Ok(VjpRule::Local(dx)) if dx.iter().any(Option::is_some) => "yes",
        Ok(VjpRule::Local(_)) => "stops",
        Ok(VjpRule::Zero) => "zero",
        Ok(VjpRule::Region) => "through its graphs",
        Ok(VjpRule::NotDifferentiable(_)) => "an error",
        Err(_) => "",
    }
}

fn facts(name: &str) -> Facts {
    let mut facts = Facts::default();
    for sample in Op::all_samples().into_iter().filter(|sample| sample.op.name() == name) {
        let types = sample.types.clone();
        let first = types.iter().find_map(|ty| ty.as_tensor()).map(|ty| ty.dtype);
        if let Some(dtype) = first.map(|dtype| dtype.to_string())
            && !facts.dtypes.contains(&dtype)
        {
            facts.dtypes.push(dtype);
        }
        if !facts.operands.contains(&types.len()) {
            facts.operands.push(types.len());
        }
        if facts.attributes.is_empty() {
            let names: Vec<String> = sample.op.attributes().iter().map(|(name, _)| format!("`{name}`")).collect();
            facts.attributes = names.join(", ");
        }
        let gradient = gradient_word(&sample);
        if facts.gradient.is_empty() || facts.gradient == "none" {
            facts.gradient = gradient;
        }
        if facts.lowering.is_empty() {
            let mut b = tracelift_ir::Builder::new("lowering");
            let x: Vec<_> = types.iter().map(|ty| b.param("", ty.clone(), tracelift_ir::ParamRole::Input)).collect();
            if let Ok(y) = b.push_multi(sample.op.clone(), &x) {
                let y: Vec<_> = y.iter().map(|y| b.ty(*y).clone()).collect();
                facts.lowering = lowering_word(&sample.op.lowering(&types, &y));
            }
        }
        let laws = sample.op.laws(first.unwrap_or(tracelift_tensor::DType::F32));
        let named = [
            (laws.commutative, "commutative"),
            (laws.associative, "associative"),
            (laws.idempotent, "idempotent"),
            (laws.involution, "involution"),
            (laws.odd, "odd"),
            (laws.even, "even"),
            (laws.identity.is_some(), "neutral element"),
            (laws.absorbing.is_some(), "absorbing element"),
            (!laws.pure, "effect"),
        ];
        for (holds, word) in named {
            if holds && !facts.laws.contains(&word) {
                facts.laws.push(word);
            }
        }
    }
    facts.dtypes.sort();
    facts.operands.sort_unstable();
    facts
}

#[test]
fn the_table_of_ops_is_true() {
    let mut page = String::from(
        "# Ops\n\nGenerated from the ops themselves by `BLESS=1 cargo test --test docs`.\n\
         Dtypes are those of the first operand that the samples reach; laws hold for at least one of them.\n\n\
         | op | operands | dtypes | attributes | becomes | gradient | laws |\n|---|---|---|---|---|---|---|\n",
    );
    for name in Op::names() {
        let facts = facts(name);
        let operands: Vec<String> = facts.operands.iter().map(ToString::to_string).collect();
        writeln!(
            page,
            "| `{name}` | {} | {} | {} | {} | {} | {} |",
            operands.join(", "),
            facts.dtypes.join(" "),
            facts.attributes,
            facts.lowering,
            facts.gradient,
            facts.laws.join(", ")
        )
        .expect("a string can be written to");
    }
    check("OPS.md", &page);
}

/// The blocks of a page that are marked as a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).expect("the page is there");
    let begins = format!("```{language}\n");
    let block = |rest: &str| rest.split("```").next().unwrap_or_default().to_string();
    text.split(&begins).skip(1).map(block).collect()
}

#[test]
fn the_texts_of_the_grammar_page_read_back() {
    let blocks = blocks("IR.md", "tl");
    let (mut functions, mut kernels, mut programs) = (0, 0, 0);
    for block in &blocks {
        let source = Source::new("docs/IR.md", block);
        let graphs = tracelift_ir::Module::parse(source).unwrap_or_else(|mistake| panic!("{mistake}")).functions;
        for graph in &graphs {
            tracelift_ir::verify(graph).unwrap_or_else(|error| panic!("{error}"));
        }
        let code = Code::parse(source).unwrap_or_else(|mistake| panic!("{mistake}"));
        for kernel in &code.kernels {
            kernel.check().unwrap_or_else(|error| panic!("{error}"));
            assert!(block.contains(&kernel.to_string()), "written as it is printed:\n{kernel}");
        }
        for program in &code.programs {
            program.check().unwrap_or_else(|error| panic!("{error}"));
            assert!(block.contains(&program.steps_text()), "written as it is printed:\n{}", program.steps_text());
        }
        functions += graphs.len();
        kernels += code.kernels.len();
        programs += code.programs.len();
    }
    assert_eq!((functions, kernels, programs), (5, 2, 2));
}
