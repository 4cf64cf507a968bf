//! What several modules need.

pub mod corpora;
pub mod place;

use serde_json::Value;

/// The JSON object that this text is.
#[track_caller]
pub fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// A number of a JSON object.
#[track_caller]
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}
