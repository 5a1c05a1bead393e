//! Prints and assertions happen at each call, in the order of the program, in loops and branches too.

use std::sync::{Arc, Mutex};

use tracelift_function::{
    Array, Engine, ErrorKind, Function, Options, PrintSink, Result, Tensor, Variable, assert_all, cond, for_range,
    print, print_line, tensor,
};

fn listening(engine: Engine) -> (Options, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    let sink = move |message: &str, values: &[Array]| seen.lock().unwrap().push(print_line(message, values));
    (Options { engine, print: PrintSink::Function(Arc::new(sink)), ..Options::default() }, lines)
}

#[test]
fn lines_come_in_order_on_every_engine() -> Result {
    for engine in Engine::ALL {
        let (options, lines) = listening(engine);
        let f = Function::new(|x: &Tensor| -> Result<Tensor> {
            print("begin", &[x])?;
            let y = for_range(2, x.clone(), |i, x| {
                let line = cond(&i.eq(1), || print("one", &[i]).map_or_else(Tensor::failed, |()| &x + 0), || &x + 0);
                line * 2
            });
            print("end", &[&y])?;
            Ok(y)
        })
        .options(options);
        for _ in 0..2 {
            assert_eq!(f(&tensor(3))?.item::<i32>()?, 12);
        }
        let expect = ["begin 3", "one 1", "end 12"];
        assert_eq!(*lines.lock().unwrap(), [expect, expect].concat(), "{}", engine.name());
    }
    Ok(())
}

#[test]
fn a_failed_assertion_fails_the_call_and_changes_nothing() -> Result {
    for engine in Engine::ALL {
        let n = Variable::new(0);
        let counted = n.clone();
        let f = Function::new(move |x: &Tensor| -> Result<Tensor> {
            counted.assign_add(1)?;
            assert_all(&x.lt(10), "x must be small")?;
            Ok(x + 1)
        })
        .options(Options { engine, ..Options::default() });
        assert_eq!(f(&tensor([1, 2]))?.to_vec::<i32>()?, [2, 3]);
        let error = f(&tensor([1, 20])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("x must be small"), "{} {error}", engine.name());
        assert_eq!(n.item::<i32>()?, 1, "{}", engine.name());
    }
    Ok(())
}

#[test]
fn at_once_it_is_an_error_of_this_line() {
    assert!(assert_all(&tensor([true, true]), "holds").is_ok());
    let error = assert_all(&tensor(false), "does not hold").unwrap_err().to_string();
    assert!(error.contains("does not hold") && error.contains("effects.rs:"), "{error}");
    assert_eq!(assert_all(&tensor(1), "is no bool").unwrap_err().kind, ErrorKind::Type);
}
