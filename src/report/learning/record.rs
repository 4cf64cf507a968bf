//! What is noted of batches and blocks while a corpus is coded or decoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::windows::Windows;
use crate::archive::{BlockKind, BlockParts, BlockWatch};
use crate::learner::{BatchRecord, Observer};
use crate::report::curve::Curve;
use crate::report::ledger::Parts;

/// Lines between two points of the code length.
const CURVE_STRIDE: u64 = 256;

/// Notes, in the order of an archive: batches of a block, then the block.
#[derive(Default)]
pub(super) struct Record {
    pub windows: Windows,
    /// Of the present block.
    batches: Vec<BatchRecord>,
    /// Bits of the lines that stand in the archive as the learner coded them: their loss, and by
    /// their slots.
    pub loss_bits: f64,
    pub slot_bits: f64,
    pub lines: u64,
    pub tokens: u64,
    /// Lines that were learned from, whether their block is coded so or by zstd.
    pub learned_lines: u64,
    pub parts: Parts,
    pub curve: Curve,
    newlines: u64,
}

impl Record {
    /// A block is done, and says what became of its batches.
    fn block(&mut self, block: &BlockParts) {
        let batches = std::mem::take(&mut self.batches);
        let is_coded = block.kind == BlockKind::Learned;
        if is_coded || block.kind == BlockKind::ZstdLearned {
            for batch in &batches {
                self.windows.add(batch);
                self.learned_lines += batch.lines as u64;
            }
        }
        if is_coded {
            self.coded(&batches);
        }
        self.newlines += block.newlines;
        self.parts.add(block);
        self.curve.add(self.newlines, 8.0 * self.parts.payload as f64);
    }

    /// Adds the batches of a block that stands in the archive as they were coded.
    fn coded(&mut self, batches: &[BatchRecord]) {
        let payload = 8.0 * self.parts.payload as f64;
        let (mut lines, mut bits, mut last) = (0, 0.0, 0);
        for batch in batches {
            lines += batch.lines as u64;
            bits += batch.slot_bits;
            if lines - last >= CURVE_STRIDE {
                self.curve.add(self.newlines + lines, payload + bits);
                last = lines;
            }
            self.loss_bits += batch.nats() / std::f64::consts::LN_2;
            self.tokens += batch.tokens();
        }
        self.slot_bits += bits;
        self.lines += lines;
    }
}

/// Notes that two observers share.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Record>>);

impl Shared {
    /// The two; `also` is told of every batch first.
    pub fn observers(&self, mut also: Option<Observer>) -> (Observer, BlockWatch) {
        let (batches, blocks) = (self.clone(), self.clone());
        let on_batch = move |record: &BatchRecord| {
            if let Some(also) = &mut also {
                also(record);
            }
            batches.lock().batches.push(record.clone());
        };
        (
            Box::new(on_batch),
            Box::new(move |parts: &BlockParts| blocks.lock().block(parts)),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was noted.
    pub fn take(&self) -> Record {
        std::mem::take(&mut *self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: BlockKind, lines: u64, len: u64) -> BlockParts {
        BlockParts {
            kind,
            newlines: lines,
            content_len: 10 * lines,
            payload_len: len + 6,
            coded_len: len,
            beside_len: 0,
            modelled_lines: lines,
            tokens: lines,
        }
    }

    /// What was learned from blocks that zstd stored counts as learning, not as coding; what was
    /// forgotten again does not count.
    #[test]
    fn only_what_stands_in_the_archive_is_coded() {
        let shared = Shared::default();
        let mut told = 0;
        let (mut on_batch, mut on_block) = shared.observers(None);
        let mut go = |kind, len| {
            for _ in 0..4 {
                on_batch(&BatchRecord {
                    lines: 256,
                    by_position: vec![(256.0 * std::f64::consts::LN_2, 256)],
                    slot_bits: 257.0,
                    ..BatchRecord::default()
                });
                told += 1;
            }
            on_block(&block(kind, 1024, len));
        };
        go(BlockKind::Learned, 129);
        go(BlockKind::ZstdLearned, 50);
        go(BlockKind::Raw, 10_240);
        let record = shared.take();
        assert_eq!(told, 12);
        assert_eq!(
            (record.lines, record.tokens, record.learned_lines),
            (1024, 1024, 2048)
        );
        assert!((record.loss_bits - 1024.0).abs() < 1e-9);
        assert_eq!(record.slot_bits, 4.0 * 257.0);
        assert_eq!((record.parts.coded, record.parts.fallback), (129, 10_290));
        assert_eq!(record.windows.finish().1.len(), 2);
        let points = record.curve.until(3072, record.parts.payload);
        assert_eq!((points[1].lines, points[1].bits), (256, 257.0));
        assert_eq!(points.last().unwrap().lines, 3072);
    }
}
