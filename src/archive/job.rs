//! Decoding of blocks that a model coded, each by itself on some thread.

use std::ops::Range;
use std::sync::Arc;

use super::block::BlockCoder;
use super::frames::Block;
use super::lines::LineRange;
use super::pipeline::Reply;
use super::stats::BlockStats;
use crate::Result;
use crate::coding::GROUP;
use crate::model::Model;

/// A block that a model is to decode.
pub(super) struct Job {
    pub model: Arc<Model>,
    pub block: Block,
    pub wanted: LineRange,
    /// Newlines before the block.
    pub before: u64,
}

/// A decoded block: all of it is checked, a part may be wanted.
#[derive(Default)]
pub(super) struct Content {
    pub stats: Option<BlockStats>,
    pub whole: Vec<u8>,
    pub wanted: Range<usize>,
}

impl Job {
    /// What to hand on of the block's content.
    pub fn content(&self, whole: Vec<u8>) -> Content {
        Content {
            stats: Some(self.block.stats),
            wanted: self.wanted.cut(&whole, self.before),
            whole,
        }
    }

    /// Decodes it.
    pub fn decode(&self, coder: &mut BlockCoder) -> Result<Content> {
        Ok(self.content(self.block.decode(coder)?))
    }
}

/// A job, and where its result goes.
pub(super) type Piece = (Job, Reply<Result<Content>>);

/// What a thread does without a GPU.
pub(super) fn decode_blocks(jobs: impl Iterator<Item = Piece>) {
    let mut jobs = jobs.peekable();
    // A coder lives as long as the model stays the same.
    while let Some((first, _)) = jobs.peek() {
        let model = Arc::clone(&first.model);
        let mut coder = BlockCoder::Model(Box::new(model.exact().group(GROUP)));
        while let Some((job, reply)) = jobs.next_if(|(job, _)| Arc::ptr_eq(&job.model, &model)) {
            reply.give(job.decode(&mut coder));
        }
    }
}
