//! What the program answers for the shipped examples: each verb, each stage, each form of code.

use graph_dump::{Outcome, run};

const EXAMPLES: [&str; 5] = ["add_n", "cond", "huber", "mlp", "softmax"];

fn path(name: &str) -> String {
    format!("{}/../../examples/ir/{name}.tl", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command line in which a word like `huber.tl` stands for the example file.
fn outcome(command: &str) -> Outcome {
    let word = |word: &str| match word.strip_suffix(".tl") {
        Some(name) => path(name),
        None => word.to_owned(),
    };
    let mut outcome = run(std::iter::once("graph-dump".to_owned()).chain(command.split(' ').map(word)));
    let folder = path("").trim_end_matches(".tl").to_owned();
    outcome.text = outcome.text.replace(&folder, "");
    outcome.errors = outcome.errors.replace(&folder, "");
    outcome
}

/// The text of a command that must succeed.
fn text(command: &str) -> String {
    let outcome = outcome(command);
    assert_eq!((outcome.code, outcome.errors.as_str()), (0, ""), "{command}: {}", outcome.text);
    outcome.text
}

#[test]
fn every_stage_of_huber() {
    insta::assert_snapshot!(text("huber.tl --print-after-all"));
}

#[test]
fn a_loop_and_a_branch_become_steps() {
    insta::assert_snapshot!(text("add_n.tl --emit program"));
    insta::assert_snapshot!(text("cond.tl --emit program"));
}

#[test]
fn the_last_graph_of_softmax_is_one_kernel() {
    insta::assert_snapshot!(text("optimize softmax.tl"));
    insta::assert_snapshot!(text("softmax.tl --emit kernel"));
}

#[test]
fn gradients_are_graphs() {
    insta::assert_snapshot!(text("grad huber.tl --wrt p --after simplify"));
}

#[test]
fn shipped_functions_need_no_file() {
    insta::assert_snapshot!(text("cube"));
    assert!(text("newton --after fuse").contains(" = while ("));
    let unknown = outcome("no_such_function");
    assert_eq!(unknown.code, 1);
    insta::assert_snapshot!(unknown.errors);
}

#[test]
fn what_is_printed_reads_back() {
    for name in EXAMPLES {
        let file = path(name);
        let printed = text(&format!("{name}.tl"));
        let written = std::fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = written.lines().filter(|line| !line.starts_with(';')).collect();
        assert_eq!(printed.trim(), code.join("\n").trim(), "examples are written as they are printed");
    }
}

#[test]
fn all_forms_of_code_are_there_with_unknown_sizes_too() {
    for name in EXAMPLES {
        for (what, part) in [("kernel", "kernel @"), ("program", "program @"), ("clif", "function "), ("asm", "  ret")]
        {
            let text = text(&format!("{name}.tl --emit {what}"));
            assert!(text.contains(part), "{name} --emit {what}:\n{text}");
        }
        let unfused = text(&format!("{name}.tl --unfused --emit kernel"));
        assert!(
            unfused.matches("kernel @").count()
                >= text(&format!("{name}.tl --emit kernel")).matches("kernel @").count()
        );
    }
    if cfg!(target_arch = "x86_64") {
        assert!(text("huber.tl --emit asm").contains("subps"), "four lanes at a time");
    }
}

#[test]
fn graphs_are_data_and_pictures() {
    insta::assert_snapshot!(text("cond.tl --format dot"));
    for stage in ["trace", "fuse", "plan"] {
        let json = text(&format!("huber.tl --format json --after {stage}"));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["name"], "huber");
    }
    let program = outcome("huber.tl --format dot --after plan");
    assert_eq!(program.code, 1);
    insta::assert_snapshot!(program.errors);
}

#[test]
fn examples_are_checked_and_run() {
    let files = EXAMPLES.map(|name| format!("{name}.tl")).join(" ");
    insta::assert_snapshot!(text(&format!("check {files}")));
    for name in EXAMPLES {
        let text = text(&format!("run {name}.tl"));
        assert!(text.ends_with("calls as expected on reference, interpreter, unfused, fused\n"), "{text}");
    }
    assert_eq!(text("run add_n.tl @add_n([0.5,1],2) --engine fused"), "[2.5, 3.0] : f32[2]\n");
    assert_eq!(text("run newton @newton(9)"), "3.0000916 : f32[]\n");
}

#[test]
fn a_run_line_that_is_wrong_is_told() {
    let folder = std::env::temp_dir().join(format!("graph-dump-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("wrong.tl");
    let graph = "func @f(%x: f32[]) -> f32[] {\n  %0 = neg %x : f32[]\n  return %0\n}\n";
    std::fs::write(&file, format!("{graph}; run: @f(1.0) == 1.0\n; run: @f(2.0) == -2.0\n")).unwrap();
    let outcome = run(["graph-dump".into(), "run".into(), file.clone().into_os_string()]);
    let text = outcome.text.replace(file.to_str().unwrap(), "wrong.tl");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(outcome.code, 1);
    insta::assert_snapshot!(text);
}

#[test]
fn files_are_compared_after_a_stage() {
    assert_eq!(text("compare huber.tl huber.tl"), "no difference after plan\n");
    let outcome = outcome("compare cube gelu --after trace");
    assert_eq!((outcome.code, outcome.errors.as_str()), (1, ""));
    insta::assert_snapshot!(outcome.text);
}

#[test]
fn mistakes_show_their_place() {
    let folder = std::env::temp_dir().join(format!("graph-dump-mistake-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("bad.tl");
    std::fs::write(&file, "func @f(%x: f32[B]) -> f32[B] {\n  %0 = add %x, \u{1b}[2J%y : f32[B]\n  return %0\n}\n")
        .unwrap();
    let escape = run(["graph-dump".into(), "check".into(), file.clone().into_os_string()]);
    std::fs::write(&file, "func @f(%x: f32[B]) -> f32[B] {\n  %0 = add %x, %y : f32[B]\n  return %0\n}\n").unwrap();
    let unknown = run(["graph-dump".into(), file.clone().into_os_string()]);
    let shown = [escape, unknown].map(|outcome| outcome.errors.replace(file.to_str().unwrap(), "bad.tl")).concat();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(!shown.contains('\u{1b}'));
    insta::assert_snapshot!(shown);
}

#[test]
fn the_program_itself() {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_graph-dump"));
    let mut program = program;
    let answer = program.args([&path("softmax"), "--after", "fold"]).output().unwrap();
    assert!(answer.status.success() && answer.stderr.is_empty());
    insta::assert_snapshot!(String::from_utf8(answer.stdout).unwrap());
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_graph-dump"));
    let answer = program.args(["print", "huber", "--after", "nonsense"]).output().unwrap();
    assert_eq!(answer.status.code(), Some(2));
    let errors = String::from_utf8(answer.stderr).unwrap();
    assert!(errors.contains("[possible values: trace, sizes, cse, simplify, fold, inline, "), "{errors}");
}

#[test]
fn lines_of_the_user_are_shown_if_asked_for() {
    let plain = text("collatz");
    assert!(plain.contains(" = while (") && plain.contains(" = cond "), "{plain}");
    assert!(!plain.contains("shipped.rs"));
    let with = text("collatz --origins");
    assert!(with.contains("  ; crates/cli/src/shipped.rs:"), "{with}");
    let lines = |text: &str| text.lines().filter(|line| !line.trim().starts_with(';')).count();
    assert_eq!(lines(&with), lines(&plain));
    assert!(text("collatz --origins --after simplify").contains("shipped.rs:"), "passes keep the lines");
    assert!(text("counter").contains("state %counter: i32[]"));
}

#[test]
fn gradient_lines_are_run() {
    let file = std::env::temp_dir().join(format!("tracelift-grad-{}.tl", std::process::id()));
    let function = "func @square(%x: f32[2]) -> f32[2] {\n  %0 = mul %x, %x : f32[2]\n  return %0\n}\n";
    let run = |line: &str| {
        std::fs::write(&file, format!("{function}; run: @square([1, 2]) == [1, 4]\n{line}\n")).unwrap();
        graph_dump::run(["graph-dump".into(), "run".into(), file.clone().into_os_string()])
    };
    let good = run("; grad: @square([1, 2]) == [2, 4]");
    assert!(good.code == 0 && good.text.contains("2 of 2 calls as expected"), "{good:?}");
    let bad = run("; grad: @square([1, 2]) == [2, 5]");
    assert!(bad.code == 1 && bad.text.contains("the gradient of @square answers"), "{bad:?}");
    std::fs::remove_file(&file).unwrap();
}
