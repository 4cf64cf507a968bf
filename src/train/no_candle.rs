//! What stands for [`super::candle`] in a build without that feature: nothing can be made of it.

use crate::learner::{Loss, Prediction};
use crate::model::Checkpoint;
use crate::model::training_log::TrainSettings;
use crate::network::DeviceChoice;
use crate::text::LineBatch;
use crate::{Error, Result};

/// There is none.
pub enum Autodiff {}

impl Autodiff {
    pub fn new(settings: &TrainSettings, _: &Checkpoint) -> Result<Self> {
        Err(match settings.device {
            DeviceChoice::Cuda(_) => super::no_cuda(),
            _ => Error::Conflict("this build trains without dropout: the feature candle has it"),
        })
    }

    pub fn load(&self, _: &[f32]) -> Result<()> {
        match *self {}
    }

    pub fn differentiate(&mut self, _: &LineBatch) -> Result<Loss> {
        match *self {}
    }

    pub fn gradient(&self) -> &[f32] {
        match *self {}
    }

    pub fn predict(&self, _: &LineBatch) -> Result<Vec<Option<Prediction>>> {
        match *self {}
    }

    pub fn dropout_position(&self) -> u128 {
        match *self {}
    }

    pub fn seek_dropout(&mut self, _: u128) {
        match *self {}
    }
}
