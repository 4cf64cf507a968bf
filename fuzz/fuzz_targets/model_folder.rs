//! Any bytes as the files of a model folder: the length of config.json in two bytes, config.json, model.safetensors.
//! What is taken, in whatever form, codes lines that come back.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use surprisal::model::Checkpoint;
use surprisal::{Model, Models};

fuzz_target!(|data: &[u8]| {
    let Some((len, files)) = data.split_first_chunk() else {
        return;
    };
    let len = usize::from(u16::from_le_bytes(*len)).min(files.len());
    let (config, weights) = files.split_at(len);
    let Ok(checkpoint) = Checkpoint::from_foreign(config, weights) else {
        assert!(Checkpoint::from_bytes(config, weights).is_err());
        return;
    };
    let config = checkpoint.config().to_json().into_bytes();
    let Ok(model) = Model::from_files("fuzz", config, checkpoint.weights_to_bytes()) else {
        return;
    };
    let model = Arc::new(model);
    let text = b"1+1=2\n12+34=046\n\n000+999=0999\n";
    let archive = surprisal::compress(text, &model).unwrap();
    let mut models = Models::bundled();
    models.add(model);
    assert_eq!(surprisal::decompress(&archive, &models).unwrap(), text[..]);
});
