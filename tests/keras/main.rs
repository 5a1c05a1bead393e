//! Layers, losses, metrics, optimizers and training give Keras's numbers: the golden files decide.

mod golden;
mod activations;
mod convolutions;
mod layers;
mod loop_l2;
mod losses;
mod metrics;
mod models;
mod optimizers;
mod sequences;
mod training;
