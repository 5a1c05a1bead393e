//! Layers, losses, metrics, optimizers, models and training.
