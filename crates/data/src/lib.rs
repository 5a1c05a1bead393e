//! Readers, splits, scalers and batches.
