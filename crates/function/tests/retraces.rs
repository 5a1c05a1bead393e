//! Retraces are told: as data, as `tracing` events, as warnings when there are many.

use std::{
    cell::RefCell,
    fmt::Debug,
    sync::{Arc, Once},
};

use tracelift_function::{Function, Result, Tensor, Variable, spec, tensor};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

thread_local! {
    /// The events of this thread, and so of one test.
    static EVENTS: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the text of every event. There is one for the whole process: which events are made is decided once.
struct Events;

impl Subscriber for Events {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0 += &format!("{}={value:?} ", field.name());
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        EVENTS.with_borrow_mut(|events| events.push((*event.metadata().level(), text.0)));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What is told of one level while something is done.
fn told(level: Level, work: impl FnOnce()) -> Vec<String> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| tracing::subscriber::set_global_default(Events).unwrap());
    EVENTS.take();
    work();
    let events = EVENTS.take().into_iter().filter(|(of, _)| *of == level).map(|(_, text)| text);
    events.filter(|text| text.contains("traced again") || text.contains("signatures")).collect()
}

fn ones(n: usize) -> Tensor {
    Tensor::ones([n])
}

#[test]
fn each_retrace_is_an_event() {
    let f = Function::new(|x: &Tensor| x + 1).argument_names(&["x"]);
    let events = told(Level::DEBUG, || (1..=3).for_each(|n| drop(f(&ones(n)))));
    assert_eq!(events.len(), 2, "{events:?}");
    let parts = ["number=3", "`x` is f32[3], not f32[2]", "nearest=\"(x: f32[2])\"", "retraces.rs:", "input_signature"];
    for part in parts {
        assert!(events[1].contains(part), "{part} in {}", events[1]);
    }
}

#[test]
fn many_retraces_from_one_line_are_warned_of_once() {
    let f = Function::new(|n: &i32| tensor(*n)).argument_names(&["n"]);
    let line = line!() + 1;
    let warnings = told(Level::WARN, || (0..30).for_each(|n| drop(f(&n))));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("count=5") && warnings[0].contains("again and again from one line"),
        "{}",
        warnings[0]
    );
    let site = format!("{}:{line}:", file!());
    assert!(warnings[0].contains(&site), "{site} in {}", warnings[0]);
}

#[test]
fn sixty_four_signatures_are_warned_of_once() {
    let f = Function::new(|n: &i32| tensor(*n));
    let warnings = told(Level::WARN, || (0..70).for_each(|n| drop(f(&n))));
    assert_eq!(warnings.iter().filter(|text| text.contains("has many signatures")).count(), 1, "{warnings:?}");
    assert!(warnings.iter().any(|text| text.contains("signatures=64")), "{warnings:?}");
    assert_eq!(f.retraces().len(), 64);
    assert_eq!(f.retraces()[63].number, 70);
}

#[test]
fn a_broken_assumption_is_the_reason() {
    let f = Function::new(|x: &Tensor, y: &Tensor| x + y).input_signature((spec!(f32[None]), spec!(f32[None])));
    assert_eq!(f(&ones(3), &ones(3)).to_vec::<f32>().unwrap(), [2.0; 3]);
    assert_eq!(f(&ones(3), &ones(1)).to_vec::<f32>().unwrap(), [2.0; 3]);
    let retrace = &f.retraces()[0];
    assert!(retrace.reason().contains("break what was assumed of them: B == N"), "{retrace}");
    assert!(retrace.call_site.as_ref().unwrap().contains("retraces.rs"), "{retrace}");
}

#[test]
fn a_signature_that_is_dropped_is_gone_even_if_the_last_calls_were_for_it() {
    let f = Function::new(|x: &Tensor| x * 2).max_signatures(1);
    let first = Arc::downgrade(&f.concrete(&ones(1)).unwrap());
    for _ in 0..3 {
        assert_eq!(f(&ones(1)).to_vec::<f32>().unwrap(), [2.0]);
    }
    assert!(first.upgrade().is_some());
    assert_eq!(f(&ones(2)).to_vec::<f32>().unwrap(), [2.0; 2]);
    assert!(first.upgrade().is_none());
}

#[test]
fn calls_of_several_signatures_take_turns() {
    let f = Function::new(|x: &Tensor, n: &i32| x * *n);
    for round in 0..6 {
        for (size, factor) in [(1, 2), (2, 2), (1, 3), (1, 3), (1, 3), (1, 2)] {
            assert_eq!(f(&ones(size), &factor).to_vec::<f32>().unwrap(), vec![factor as f32; size], "round {round}");
        }
    }
    assert_eq!(f.trace_count(), 3);
}

#[test]
fn dropped_signatures_are_traced_again_and_the_hot_one_stays() {
    let f = Function::new(|x: &Tensor| x * 2).max_signatures(3);
    let hot = f.concrete(&ones(1)).unwrap();
    drop(f(&ones(1)));
    for n in 2..10 {
        drop(f(&ones(n)));
        assert_eq!(f(&ones(1)).to_vec::<f32>().unwrap(), [2.0]);
    }
    assert_eq!((f.trace_count(), f.signatures().len(), f.evictions()), (9, 3, 6));
    assert!(Arc::ptr_eq(&hot, &f.concrete(&ones(1)).unwrap()), "what is used stays");
    let before = f.trace_count();
    assert_eq!(f(&ones(2)).to_vec::<f32>().unwrap(), [2.0; 2]);
    assert_eq!(f.trace_count(), before + 1);
}

#[test]
fn a_captured_variable_may_be_the_argument_of_a_concrete_function() {
    let v = Variable::new(1.0).named("v");
    let captured = v.clone();
    let f = Function::new(move |x: &Variable| -> Result<Tensor> {
        x.assign_add(1)?;
        Ok(&captured * 10)
    });
    let concrete = f.concrete(&v).unwrap();
    assert_eq!(concrete.call([]).unwrap()[0].item::<f32>().unwrap(), 20.0);
    assert_eq!(f(&v).unwrap().item::<f32>().unwrap(), 30.0);
    assert_eq!(f(&Variable::new(5.0)).unwrap().item::<f32>().unwrap(), 30.0);
    assert_eq!(v.item::<f32>().unwrap(), 3.0);
}

#[test]
fn alternating_signatures_and_clones_share_their_traces() {
    let f = Function::new(|x: &Tensor, n: &i64| x * *n as f64);
    let clone = f.clone();
    for round in 0..20 {
        let (n, size) = (round % 3, 1 + (round as usize % 5));
        let g = if round % 2 == 0 { &f } else { &clone };
        assert_eq!(g(&ones(size), &n).to_vec::<f32>().unwrap(), vec![n as f32; size]);
    }
    assert_eq!((f.trace_count(), clone.trace_count()), (15, 15));
}
