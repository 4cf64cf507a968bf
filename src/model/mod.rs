//! A trained model as the world knows it: a folder with `config.json` and `model.safetensors`,
//! in minGPT's names and shapes, or in a form that others store it in. It is read here, before the wall: the float world trains it
//! ([`crate::gpt`]), the exact world quantises it ([`crate::network`]).

mod bundled;
mod checkpoint;
mod config;
mod folder;
mod foreign;
mod hugging_face;
mod identity;
mod prune;
mod shape;
pub(crate) mod tensors;
pub mod training_log;

#[cfg(surprisal_models = "given")]
pub use bundled::give_bundled;
pub use bundled::{Level, Model, Models};
pub use checkpoint::{CONFIG_FILE, Checkpoint, LOG_FILE, WEIGHTS_FILE};
#[cfg(feature = "train")]
pub(crate) use config::MAX_BLOCK;
pub use config::{GptConfig, Preset};
pub use identity::Identity;
pub(crate) use shape::Shape;
pub use tensors::Tensor;
