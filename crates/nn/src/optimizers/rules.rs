//! What is done around the updates of every optimizer: clipping, decay, the learning rate, the step count.

use tracelift_function::{F64, Result, Tensor, Variable, add_n, eagerly, tensor};

use super::Schedule;
use crate::{Module, Visitor};

/// Learning rate, clipping and weight decay of an optimizer, and its step count; clones count the same steps.
#[derive(Clone)]
pub struct Rules {
    learning_rate: Schedule,
    clip_norm: Option<f64>,
    global_clip_norm: Option<f64>,
    clip_value: Option<f64>,
    weight_decay: Option<f64>,
    /// The number of steps done, i64.
    steps: Variable,
}

impl Rules {
    /// A learning rate, a number or a schedule, and nothing else.
    #[must_use]
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Rules {
            learning_rate: learning_rate.into(),
            clip_norm: None,
            global_clip_norm: None,
            clip_value: None,
            weight_decay: None,
            steps: eagerly(|| Variable::new(tensor(0i64)).named("iterations").not_trainable()),
        }
    }

    /// Gradients scaled to at most this norm, each variable's by itself.
    #[must_use]
    pub fn clip_norm(self, norm: f64) -> Self {
        Rules { clip_norm: Some(norm), ..self }
    }

    /// Gradients scaled to at most this norm, all together.
    #[must_use]
    pub fn global_clip_norm(self, norm: f64) -> Self {
        Rules { global_clip_norm: Some(norm), ..self }
    }

    /// Gradients cut off at this magnitude, entry by entry.
    #[must_use]
    pub fn clip_value(self, value: f64) -> Self {
        Rules { clip_value: Some(value), ..self }
    }

    /// Variables shrunk by this share of the learning rate before each update.
    #[must_use]
    pub fn weight_decay(self, decay: f64) -> Self {
        Rules { weight_decay: Some(decay), ..self }
    }

    /// How many steps were done.
    pub fn steps(&self) -> &Variable {
        &self.steps
    }

    /// The number of the step under way, counted from 1, as f64.
    #[must_use]
    pub fn step_number(&self) -> Tensor {
        (self.steps.value() + 1).cast(F64)
    }

    pub(super) fn current_rate(&self) -> Tensor {
        self.learning_rate.at(&self.steps)
    }

    pub(super) fn count_step(&self) -> Result {
        self.steps.assign_add(1).map(|_| ())
    }

    /// `w -= w · decay · rate`
    pub(super) fn decay(&self, variable: &Variable, rate: &Tensor) -> Result {
        match self.weight_decay {
            Some(decay) => variable.assign_sub(variable.value() * (rate * decay)).map(|_| ()),
            None => Ok(()),
        }
    }

    pub(super) fn clip<'a>(&self, gradients: impl Iterator<Item = &'a Tensor>) -> Vec<Tensor> {
        let mut gradients: Vec<Tensor> = gradients.cloned().collect();
        if let Some(limit) = self.clip_norm {
            gradients.iter_mut().for_each(|g| *g = scaled(g, &g.square().sum(..).sqrt(), limit));
        }
        if let Some(limit) = self.global_clip_norm {
            let squares: Vec<Tensor> = gradients.iter().map(|g| g.square().sum(..)).collect();
            let norm = add_n(&squares).sqrt();
            gradients.iter_mut().for_each(|g| *g = scaled(g, &norm, limit));
        }
        if let Some(limit) = self.clip_value {
            gradients.iter_mut().for_each(|g| *g = g.clip(-limit, limit));
        }
        gradients
    }
}

/// A gradient scaled down if its norm exceeds a limit.
fn scaled(gradient: &Tensor, norm: &Tensor, limit: f64) -> Tensor {
    let factor = norm.gt(limit).select(limit / norm, 1.0);
    gradient * factor
}

impl Module for Rules {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.variable(&self.steps);
    }

    fn share(&self) -> Self {
        self.clone()
    }
}
