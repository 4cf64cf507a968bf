//! The account of bits: one number carried from the entropy of a corpus through loss, cross-entropy,
//! integer probabilities and coded bits to bytes, with every difference named.
//!
//! ```text
//! corpus ──► Reporter, the Compressor itself, into nothing ──► ModelRun      ┐
//!        ──► Compressor (Decompressor), LearningWatch ──► LearningRuns       ┴─► Account ──► sections
//!        ──► Peer: what others make of it                                           │            │
//!                                                                                 JSON     text, HTML
//! ```
//!
//! The surprisals are noted in the pass that codes, so the network runs once. Bits that chance put
//! into a line are called aleatoric, the rest epistemic: learning can take only the latter away.
//! Logarithms are taken here and nowhere in the exact world, which decides bytes.

mod account;
mod canvas;
mod chain;
mod code_length;
mod explain;
mod facts;
mod html;
mod learned;
mod ledger;
mod modelled;
mod numbers;
mod peers;
mod reporter;
mod sample;
mod score;
mod section;
mod sections;
mod text;
mod two_part;
mod windows;

pub use account::{Account, Coding, Learners};
pub use canvas::Figure;
pub use chain::{Claim, Link};
pub use code_length::CodeLength;
pub use explain::{END, LineAccount, TokenAccount, explain, glyph};
pub use facts::{CorpusFacts, Floor};
pub use html::to_html;
pub use learned::{BundledCode, LearningPosition, LearningRun, LearningWatch};
pub use modelled::{ModelRun, Position};
pub use numbers::{count, decimal, grouped};
pub use peers::{Peer, PeerResult};
pub use reporter::{Coded, Reporter};
pub use sample::{Estimate, Sample};
pub use score::score;
pub use section::{Brief, Column, Section, Table};
pub use sections::{NAMES as FIGURES, lines_section, sections};
pub use text::to_text;
pub use two_part::{TwoPart, XzPoint};
pub use windows::{EMERGED_BITS, LearningWindow, WINDOW};
