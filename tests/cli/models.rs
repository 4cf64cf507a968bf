//! `models`: what the program contains.

use surprisal::model::Checkpoint;

use crate::common::place::{Place, json};

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

/// Transformers itself is asked by tests/hugging_face.py.
#[test]
fn an_exported_model_comes_back() {
    let place = Place::with_corpus();
    place.ok("models export nano-uniform --to hf -o hf");
    assert_eq!(place.names_in("hf"), {
        let mut names = Checkpoint::HUGGING_FACE_FILES;
        names.sort_unstable();
        names
    });
    let identity = |model: &str| json(&place.ok(format!("c -f --json a.txt -m {model}")))["identity"].clone();
    assert_eq!(identity("hf"), identity("nano-uniform"));
    place.ok("models export hf --to hf -o again");
    for name in Checkpoint::HUGGING_FACE_FILES {
        assert!(place.read(&format!("hf/{name}")) == place.read(&format!("again/{name}")), "{name}");
    }
    assert!(place.fails(1, "models export nano-uniform --to hf -o hf").contains("use -f"));
    place.ok("models export tiny-uniform --to hf -o hf -f");
    assert_eq!(identity("hf"), identity("tiny-uniform"));
    assert!(place.fails(1, "models export none --to hf -o x").contains("none: neither a bundled model"));
    assert!(place.fails(1, "models export hf --to hf -o hf -f").contains("input"));
    std::fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/notes.txt", "mine");
    assert!(place.fails(1, "models export pico-uniform --to hf -o mine -f").contains("other files"));
    place.fails(2, "models --json export pico-uniform --to hf -o y");
}
