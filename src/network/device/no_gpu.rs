//! In place of the crate `surprisal-cuda` in a build without it: opening a GPU fails, so no value of the other types
//! exists.

use std::convert::Infallible;

use crate::network::parameters::Parameters;

/// Lines that a GPU takes together.
pub const TILE_LINES: usize = 16;

/// Why a GPU does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Device(String),
    #[error("{0}")]
    Network(String),
}

type Result<T> = std::result::Result<T, Error>;

pub struct Gpu(Infallible);

impl Gpu {
    pub fn open(_: usize) -> Result<Self> {
        Err(Error::Device("this build has no CUDA: build it with the feature gpu".into()))
    }

    pub fn name(&self) -> &str {
        match self.0 {}
    }
}

pub struct Network;

impl Parameters {
    pub(super) fn network(&self) -> Network {
        Network
    }
}

pub struct KnownLines(Infallible);

impl KnownLines {
    pub fn new(gpu: &Gpu, _: &Network, _: usize, _: usize) -> Result<Self> {
        match gpu.0 {}
    }

    pub fn most_lines(&self) -> usize {
        match self.0 {}
    }

    pub fn launch<I: Iterator<Item = u8>>(&mut self, _: impl ExactSizeIterator<Item = I>) -> Result<()> {
        match self.0 {}
    }

    pub fn wait(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub fn group_slots(&self, _: usize, _: usize) -> &[[u32; 2]] {
        match self.0 {}
    }
}

pub struct CodedLines(Infallible);

impl CodedLines {
    pub fn new(gpu: &Gpu, _: &Network, _: [u8; 2], _: usize, _: usize) -> Result<Self> {
        match gpu.0 {}
    }

    pub fn takes(&self, _: usize, _: usize) -> bool {
        match self.0 {}
    }

    pub fn launch<'w>(&mut self, _: impl ExactSizeIterator<Item = (&'w [u32], usize)>) -> Result<()> {
        match self.0 {}
    }

    pub fn wait(&mut self) -> Result<()> {
        match self.0 {}
    }

    pub fn decoded(&mut self, _: usize) -> Result<Option<std::slice::ChunksExact<'_, u8>>> {
        match self.0 {}
    }
}
