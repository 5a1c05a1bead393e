//! User tensors, the tracer, the signature cache, concrete functions, tapes, control flow.
