//! `models`: what the program contains.

use crate::common::place::Place;

#[test]
fn bundled_models_are_listed() {
    let place = Place::new();
    let models = place.json("models --json");
    let model = &models["models"][0];
    assert_eq!((&model["name"], &model["parameters"]), (&"tiny-uniform".into(), &27_264.into()));
    assert!(model["nonzero_parameters"].as_u64() < model["parameters"].as_u64());
    for model in models["models"].as_array().unwrap() {
        let levels: Vec<u8> = match model["name"].as_str().unwrap().split_once('-').unwrap().0 {
            "pico" => vec![1],
            "lite" => vec![2, 3],
            "nano" => vec![9],
            "tiny" if model["name"] == "tiny-uniform" => (4..=8).collect(),
            "tiny" if model["name"] == "tiny-natural" => (1..=9).collect(),
            _ => (4..=9).collect(),
        };
        assert_eq!(model["levels"], serde_json::json!(levels), "{model}");
        assert!(model["validation_loss"].as_f64().unwrap() > 1.3, "{model}");
    }
    assert!(place.text("models").contains("8 digits uniform"));
}
