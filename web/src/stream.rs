//! Compressing and restoring piece by piece, so that whoever calls sees how far it is and may stop.

use std::cell::RefCell;
use std::io::{Cursor, Read, Write};
use std::rc::Rc;

use js_sys::Function;
use serde::Serialize;
use sha2::{Digest, Sha256};
use surprisal::{
    ArchiveStats, CompressOptions, DecompressOptions, Event, Index, LearnerSettings, Models, Observer,
};
use wasm_bindgen::prelude::*;

use super::{level_of, thrown, to_js};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What an archive holds and takes. Sizes are bytes. */
export interface Summary {
    /** The name of the model; `learning …` where a learner coded. */
    model: string;
    bytesIn: number;
    bytesOut: number;
    lines: number;
    /** Tokens that the model coded, and lines that they are in: only known where content was compressed. */
    tokens: number;
    modelledLines: number;
    /** Bits that the range coder wrote for them. */
    codedBits: number;
    /** Blocks: by the model or learner, by zstd, as they are. */
    modelledBlocks: number;
    zstdBlocks: number;
    rawBlocks: number;
    /** SHA-256 of the content and of the archive, in hexadecimal digits. */
    contentSha256: string;
    archiveSha256: string;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Summary")]
    pub type Summary;
}

/// As [`Summary`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    model: String,
    bytes_in: u64,
    bytes_out: u64,
    lines: u64,
    tokens: u64,
    modelled_lines: u64,
    coded_bits: u64,
    modelled_blocks: u64,
    zstd_blocks: u64,
    raw_blocks: u64,
    content_sha256: String,
    archive_sha256: String,
}

impl Figures {
    fn new(model: String, stats: ArchiveStats, content: Sha256, archive: Sha256) -> Summary {
        let hexadecimal = |hash: Sha256| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        to_js(&Self {
            model,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            lines: stats.lines,
            tokens: stats.tokens,
            modelled_lines: stats.modelled_lines,
            coded_bits: 8 * stats.coded_len,
            modelled_blocks: stats.modelled_blocks,
            zstd_blocks: stats.zstd_blocks,
            raw_blocks: stats.raw_blocks,
            content_sha256: hexadecimal(content),
            archive_sha256: hexadecimal(archive),
        })
        .into()
    }
}

/// What the choice of a model looks at, as in the program.
pub fn beginning(content: &[u8]) -> &[u8] {
    &content[..content.len().min(Models::LOOK_AT as usize)]
}

/// Memory that a compressor writes to, and that is taken from while it does.
#[derive(Clone, Default)]
pub struct Output(Rc<RefCell<Vec<u8>>>);

impl Output {
    /// What was written since the last time.
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(data)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Who is told of progress. An observer must be `Send`, and a function of JavaScript is not: it stays here.
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Has a function told of everything that a coder does from now on. Only one coder at a time tells.
pub fn listen(listener: Option<Function>) {
    LISTENER.with(|slot| slot.replace(listener));
}

/// Tells it.
pub fn tell(value: &JsValue) {
    LISTENER.with(|slot| {
        if let Some(listener) = &*slot.borrow() {
            // What a listener throws is its own affair.
            let _ = listener.call1(&JsValue::NULL, value);
        }
    });
}

/// Lines between two calls of a listener.
const TOLD_LINES: usize = 1024;

/// An observer that has the listener told how many lines were coded so far.
fn count_lines() -> Observer {
    let (mut lines, mut told) = (0, 0);
    Observer::new(move |event| {
        let more = match event {
            Event::Lines(lines) => lines,
            Event::Batch(batch) => batch.lines,
            _ => 0,
        };
        lines += more;
        if lines >= told + TOLD_LINES {
            told = lines;
            tell(&(lines as f64).into());
        }
    })
}

/// Compresses a content that comes in pieces.
#[wasm_bindgen]
pub struct Compressor {
    inner: Option<surprisal::Compressor<Output>>,
    output: Output,
    model: String,
    content: Sha256,
    archive: Sha256,
}

#[wasm_bindgen]
impl Compressor {
    /// Begins, by the model of a level (1 to 9; 6 unless given) that suits the content's beginning: pass its first 64 KiB
    /// or more, or all of it. `onLines` is told at times how many lines were coded so far.
    #[wasm_bindgen(constructor)]
    pub fn new(
        beginning_of_content: &[u8],
        level: Option<u8>,
        #[wasm_bindgen(js_name = onLines, unchecked_param_type = "((lines: number) => void) | undefined")]
        on_lines: Option<Function>,
    ) -> Result<Self, JsError> {
        let models = Models::bundled();
        let model = models.choose(level_of(level)?, beginning(beginning_of_content));
        listen(on_lines);
        let options = CompressOptions::default().with_coder(model).with_observer(count_lines());
        let output = Output::default();
        let inner = surprisal::Compressor::with_options(output.clone(), options).map_err(thrown)?;
        Ok(Self {
            inner: Some(inner),
            output,
            model: model.name().to_owned(),
            content: Sha256::new(),
            archive: Sha256::new(),
        })
    }

    /// Takes the next bytes, and gives those of the archive that are ready.
    pub fn write(&mut self, data: &[u8]) -> Result<Vec<u8>, JsError> {
        let inner = self.inner.as_mut().ok_or_else(ended)?;
        inner.write_all(data).map_err(|error| JsError::new(&error.to_string()))?;
        self.content.update(data);
        Ok(self.ready())
    }

    /// Ends the archive and gives the rest of it.
    pub fn finish(&mut self) -> Result<Finished, JsError> {
        let stats = self.inner.take().ok_or_else(ended)?.finish().map_err(thrown)?.stats;
        let rest = self.ready();
        let (content, archive) = (self.content.clone(), self.archive.clone());
        Ok(Finished { rest, summary: Figures::new(self.model.clone(), stats, content, archive) })
    }

    /// The name of the model that codes.
    #[wasm_bindgen(getter)]
    pub fn model(&self) -> String {
        self.model.clone()
    }

    fn ready(&mut self) -> Vec<u8> {
        let ready = self.output.take();
        self.archive.update(&ready);
        ready
    }
}

fn ended() -> JsError {
    JsError::new("the archive has been finished")
}

/// What is left of an archive at its end.
#[wasm_bindgen]
pub struct Finished {
    rest: Vec<u8>,
    summary: Summary,
}

#[wasm_bindgen]
impl Finished {
    /// The archive's last bytes.
    #[wasm_bindgen(getter)]
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// What it holds and takes.
    #[wasm_bindgen(getter)]
    pub fn summary(&self) -> Summary {
        JsValue::from(&self.summary).into()
    }
}

/// Bytes of content that [`Decompressor::read`] gives at a time.
const PIECE: u64 = 1 << 20;

/// Restores the content of an archive piece by piece.
#[wasm_bindgen]
pub struct Decompressor {
    inner: surprisal::Decompressor<Cursor<Vec<u8>>>,
    model: String,
    lines: Option<u64>,
    content: Sha256,
    archive: Sha256,
}

#[wasm_bindgen]
impl Decompressor {
    /// Begins with a whole archive. `onLines` is told at times how many lines were decoded so far.
    #[wasm_bindgen(constructor)]
    pub fn new(
        archive: Vec<u8>,
        #[wasm_bindgen(js_name = onLines, unchecked_param_type = "((lines: number) => void) | undefined")]
        on_lines: Option<Function>,
    ) -> Result<Self, JsError> {
        listen(on_lines);
        let hash = Sha256::new_with_prefix(&archive);
        let mut input = Cursor::new(archive);
        // Without an index, as in one that was cut short, decoding tells what is wrong.
        let index = Index::read(&mut input).ok();
        let lines = index.map(|index| index.archives.iter().map(|archive| archive.stats().lines).sum());
        input.set_position(0);
        let options = DecompressOptions::default().with_observer(count_lines());
        let inner = surprisal::Decompressor::with_options(input, options).map_err(thrown)?;
        let model = match (inner.model(), inner.learner()) {
            (Some(model), _) => model.name().to_owned(),
            (None, Some(settings)) => learner_name(settings),
            (None, None) => String::new(),
        };
        Ok(Self { inner, model, lines, content: Sha256::new(), archive: hash })
    }

    /// The next bytes of the content; `undefined` at its end.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, JsError> {
        let mut piece = Vec::new();
        let read = self.inner.by_ref().take(PIECE).read_to_end(&mut piece);
        read.map_err(|error| JsError::new(&error.to_string()))?;
        self.content.update(&piece);
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// The name of the model that coded.
    #[wasm_bindgen(getter)]
    pub fn model(&self) -> String {
        self.model.clone()
    }

    /// Newlines of the content, as the archive's index tells; `undefined` if it has none.
    #[wasm_bindgen(getter)]
    pub fn lines(&self) -> Option<f64> {
        self.lines.map(|lines| lines as f64)
    }

    /// What the archive held; whole once `read` has come to the end.
    #[wasm_bindgen(getter)]
    pub fn summary(&self) -> Summary {
        Figures::new(self.model.clone(), self.inner.stats(), self.content.clone(), self.archive.clone())
    }
}

fn learner_name(settings: &LearnerSettings) -> String {
    format!("learning, {} parameters", settings.config.parameters())
}
