//! A corpus is made and coded while a network learns it.

use js_sys::Function;
use serde::Serialize;
use surprisal::model::Preset;
use surprisal::report::LearningWindow;
use surprisal::text::{Additions, Distribution, Operands, Survey};
use surprisal::{CompressOptions, Compressor, LearnOptions, Observer};
use wasm_bindgen::prelude::*;

use super::stream::{listen, tell};
use super::{thrown, to_js};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Lines that followed each other while a network learned. */
export interface LearningWindow {
    /** Lines up to its end. */
    lines: number;
    /** Mean surprisal of its lines in bits, and of the tokens at each position. */
    bits: number;
    positions: number[];
}
/** How a corpus was coded while a network learned it. */
export interface Learned {
    /** Bytes of the corpus and of its archive. */
    bytesIn: number;
    bytesOut: number;
    lines: number;
    /** The entropy of a line, in bits. */
    entropy: number;
    /** Parameters of the network. */
    parameters: number;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Learned")]
    pub type Learned;
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    bytes_in: u64,
    bytes_out: u64,
    lines: u64,
    entropy: f64,
    parameters: usize,
}

#[derive(Serialize)]
struct Window {
    lines: u64,
    bits: f64,
    positions: Vec<f64>,
}

impl From<&LearningWindow> for Window {
    fn from(window: &LearningWindow) -> Self {
        let means = window.positions.iter().map(|&(bits, tokens)| bits / tokens.max(1) as f64);
        let bits = window.bits_per_line();
        Self { lines: window.lines, bits, positions: means.collect() }
    }
}

/// The corpus that `surprisal corpus --digits D --lines N --seed S` writes.
#[wasm_bindgen(js_name = makeCorpus)]
pub fn make_corpus(digits: u32, lines: usize, seed: u32) -> Result<Vec<u8>, JsError> {
    Ok(Additions::new(distribution(digits)?, seed.into()).text(lines))
}

fn distribution(digits: u32) -> Result<Distribution, JsError> {
    Distribution::new(digits, Operands::Uniform).map_err(thrown)
}

/// Makes that corpus and codes it while the smallest network learns it; `onWindow` is told of every so many lines.
#[wasm_bindgen]
pub fn learn(
    digits: u32,
    lines: usize,
    seed: u32,
    #[wasm_bindgen(js_name = windowLines)] window_lines: u32,
    #[wasm_bindgen(js_name = onWindow, unchecked_param_type = "(window: LearningWindow) => void")]
    on_window: Function,
) -> Result<Learned, JsError> {
    let corpus = make_corpus(digits, lines, seed)?;
    let mut survey = Survey::default();
    survey.update(&corpus);
    let coder = LearnOptions::default().with_preset(Preset::Pico).with_substitute(None).with_survey(survey);
    listen(Some(on_window));
    let mut window = LearningWindow::default();
    let observer = Observer::of_batches(move |batch| {
        window.merge(&batch.into());
        if window.window_lines >= u64::from(window_lines) {
            let whole = std::mem::take(&mut window);
            tell(&to_js(&Window::from(&whole)));
            window.lines = whole.lines;
        }
    });
    let options = CompressOptions::default().with_coder(coder).with_observer(observer);
    let mut compressor = Compressor::with_options(Vec::new(), options).map_err(thrown)?;
    std::io::Write::write_all(&mut compressor, &corpus).map_err(|error| JsError::new(&error.to_string()))?;
    let finished = compressor.finish().map_err(thrown)?;
    let learner = finished.learner.expect("it learned");
    Ok(to_js(&Figures {
        bytes_in: finished.stats.bytes_in,
        bytes_out: finished.stats.bytes_out,
        lines: finished.stats.lines,
        entropy: distribution(digits)?.entropy_bits(),
        parameters: learner.settings().config.parameters(),
    })
    .into())
}
