//! The graph of tracelift: operations, types, builder, text, verifier, reference evaluator.
