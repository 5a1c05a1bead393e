//! Graph rewriting, fusion, scheduling and memory planning.
