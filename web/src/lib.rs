//! surprisal for JavaScript: the face of the codec, which a page and a package share.
//!
//! The module carries no model: [`add_model`] gives it those that it is to have, first of all. Everything runs on the
//! caller's thread, so a page calls it in a worker. Objects come and go as plain JavaScript objects, whose types stand
//! beside the functions.

mod explain;
mod learn;
mod selftest;
mod stream;

use surprisal::network::Isa;
use surprisal::selftest::{CASES, Target};
use surprisal::{Error, Level, Models};
use wasm_bindgen::prelude::*;

/// A panic becomes an error of JavaScript that says what and where.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}

fn thrown(error: Error) -> JsError {
    JsError::new(&error.to_string())
}

/// Plain data as an object of JavaScript.
fn to_js(value: &impl serde::Serialize) -> JsValue {
    let text = serde_json::to_string(value).expect("plain data");
    js_sys::JSON::parse(&text).expect("it was just written")
}

fn level_of(level: Option<u8>) -> Result<Level, JsError> {
    level.map_or(Ok(Level::default()), Level::new).map_err(thrown)
}

/// Gives a bundled model's `config.json` and `model.safetensors`. Call it before anything else.
#[wasm_bindgen(js_name = addModel)]
pub fn add_model(name: &str, config: Vec<u8>, weights: Vec<u8>) -> Result<(), JsError> {
    surprisal::model::give_bundled(name, config, weights).map_err(thrown)
}

/// The kernel that computes: `simd128` or `relaxed-simd`.
#[wasm_bindgen]
pub fn kernel() -> String {
    Isa::best().name().to_owned()
}

/// Whether this engine computes what every machine does: 250 lines are coded and decoded by the first model, and the
/// archive must have the known hash. An engine was seen that computes relaxed SIMD wrong.
#[wasm_bindgen(js_name = isRight)]
pub fn is_right() -> bool {
    let case = CASES.iter().find(|case| case.is_runnable());
    let found = case.and_then(|case| Some((case, case.run(&Target::kernel(Isa::best()).ok()?).ok()??)));
    found.is_some_and(|(case, hash)| hash.to_string() == case.expected)
}

/// Compresses bytes, by a model of a level from 1 (fast) to 9 (small); 6 unless one is given.
#[wasm_bindgen]
pub fn compress(data: &[u8], level: Option<u8>) -> Result<Vec<u8>, JsError> {
    let models = Models::bundled();
    let model = models.choose(level_of(level)?, stream::beginning(data));
    surprisal::compress(data, model).map_err(thrown)
}

/// Restores what was compressed.
#[wasm_bindgen]
pub fn decompress(archive: &[u8]) -> Result<Vec<u8>, JsError> {
    surprisal::decompress(archive, &Models::bundled()).map_err(thrown)
}
