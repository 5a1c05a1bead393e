//! Every op on its samples, on every engine.

use tracelift_ir::Op;
use tracelift_testkit::engines::compare;
use tracelift_testkit::samples::case;

#[test]
fn engines_agree_on_samples() {
    let mut faults = vec![];
    for sample in Op::all_samples() {
        let case = case(&sample);
        let graph = match case.graph {
            Err(_) if sample.fails => continue,
            Err(error) => {
                faults.push(format!("{}: {error}", case.name));
                continue;
            }
            Ok(graph) => graph,
        };
        match compare(&graph, &case.arguments) {
            Ok(run) if run.results.is_err() != sample.fails => {
                faults.push(format!("{}: {:?}", case.name, run.results));
            }
            Ok(_) => {}
            Err(fault) => faults.push(format!("{} on {:?}:\n{fault}", case.name, case.arguments)),
        }
    }
    assert!(faults.is_empty(), "{} samples fail:\n{}", faults.len(), faults.join("\n\n"));
}
