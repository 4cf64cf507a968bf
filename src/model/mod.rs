//! A trained model as the world knows it: a folder with `config.json` and `model.safetensors`,
//! in minGPT's names and shapes. It is read here, before the wall: the float world trains it
//! ([`crate::gpt`]), the exact world quantises it ([`crate::exact`]).

mod checkpoint;
mod config;
mod vocabulary;

pub use checkpoint::{CONFIG_FILE, Checkpoint, LOG_FILE, Tensor, WEIGHTS_FILE, read_folder};
pub use config::{GptConfig, Preset};
pub use vocabulary::{Token, Vocabulary};
