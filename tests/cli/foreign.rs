//! Model folders in the forms in which PyTorch and Hugging Face leave them, and what is none.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};
use surprisal::Model;
use surprisal::model::{Checkpoint, GptConfig, Tensor};

use crate::common::place::Place;

type Tensors = BTreeMap<String, Tensor>;

/// minGPT's network in `tests/mingpt`, rounded so that bf16 and f16 have each of its values.
fn network() -> (GptConfig, Tensors) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mingpt");
    let checkpoint = Checkpoint::load(&folder).unwrap();
    let mut tensors = checkpoint.tensors().clone();
    for value in tensors.values_mut().flat_map(|tensor| &mut tensor.values) {
        // f16 has no smaller normal number than 2^-14.
        let is_small = value.abs() < 2f32.powi(-14);
        *value = if is_small { 0.0 } else { f32::from_bits(value.to_bits() & 0xffff_0000) };
    }
    (checkpoint.config().clone(), tensors)
}

fn mingpt_config() -> Value {
    serde_json::from_str(&network().0.to_json()).unwrap()
}

/// As `GPT2LMHeadModel.save_pretrained` writes it, and the symbols.
fn gpt2_config() -> Value {
    json!({
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 10,
        "dtype": "float32", "embd_pdrop": 0.1, "eos_token_id": 11, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2", "n_ctx": 28, "n_embd": 32, "n_head": 4, "n_inner": null, "n_layer": 2, "n_positions": 28,
        "reorder_and_upcast_attn": false, "resid_pdrop": 0.1, "scale_attn_by_inverse_layer_idx": false,
        "scale_attn_weights": true, "tie_word_embeddings": false, "transformers_version": "5.24.0", "use_cache": true,
        "vocab_size": 14, "vocab": "0123456789se+=", "start": "s", "end": "e"
    })
}

/// With the weights of linear layers as `Conv1D` has them, (in, out).
fn transposed(mut tensors: Tensors) -> Tensors {
    for (_, tensor) in tensors.iter_mut().filter(|(name, _)| name.contains(".c_") && name.ends_with("weight"))
    {
        let [rows, columns] = tensor.shape[..] else { unreachable!() };
        let column = |c: usize| tensor.values.iter().skip(c).step_by(columns).copied();
        tensor.values = (0..columns).flat_map(column).collect();
        tensor.shape = vec![columns, rows];
    }
    tensors
}

fn renamed(tensors: Tensors, name: impl Fn(&str) -> String) -> Tensors {
    tensors.into_iter().map(|(old, tensor)| (name(&old), tensor)).collect()
}

fn without(mut tensors: Tensors, name: &str) -> Tensors {
    tensors.remove(name).unwrap();
    tensors
}

/// Number for number, in little endian; f16 and bf16 cut off what a value of [`network`] does not have.
fn bytes(values: &[f32], dtype: Dtype) -> Vec<u8> {
    let half = |v: f32| {
        let bits = v.to_bits();
        let exponent = if v == 0.0 { 0 } else { (bits >> 23 & 255) - 112 };
        ((bits >> 31 << 15) | exponent << 10 | bits >> 13 & 1023) as u16
    };
    let each = |v: &f32| match dtype {
        Dtype::F32 => v.to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(*v).to_le_bytes().to_vec(),
        Dtype::BF16 => v.to_le_bytes()[2..].to_vec(),
        _ => half(*v).to_le_bytes().to_vec(),
    };
    values.iter().flat_map(each).collect()
}

/// A safetensors file.
fn stored(tensors: &Tensors, dtype: Dtype) -> Vec<u8> {
    let data: Vec<_> = tensors.values().map(|tensor| bytes(&tensor.values, dtype)).collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, tensor), data)| (name, TensorView::new(dtype, tensor.shape.clone(), data).unwrap()));
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    serialize(views, Some(metadata)).unwrap()
}

fn put(place: &Place, folder: &str, config: &Value, weights: &[u8]) {
    std::fs::create_dir_all(place.path(folder)).unwrap();
    place.write(&format!("{folder}/config.json"), config.to_string());
    place.write(&format!("{folder}/model.safetensors"), weights);
}

/// Puts a folder in another form and expects the very network.
#[track_caller]
fn assert_taken(what: &str, config: &Value, tensors: &Tensors, dtype: Dtype, expected: &Tensors) {
    let place = Place::new();
    put(&place, "m", config, &stored(tensors, dtype));
    let checkpoint = Checkpoint::load(&place.path("m")).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(checkpoint.tensors() == expected, "{what}");
    let plain = Checkpoint::new(network().0, expected.clone()).unwrap();
    plain.save(place.folder()).unwrap();
    let identity = |folder: &Path| Model::load(folder).unwrap().identity();
    assert_eq!(identity(&place.path("m")), identity(place.folder()), "{what}");
}

#[test]
fn types_of_numbers_are_taken() {
    let (_, tensors) = network();
    for dtype in [Dtype::BF16, Dtype::F16, Dtype::F64] {
        assert_taken("a type", &mingpt_config(), &tensors, dtype, &tensors);
    }
}

#[test]
fn names_with_and_without_prefixes_are_taken() {
    let (_, tensors) = network();
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."] {
        let named = renamed(tensors.clone(), |name| format!("{prefix}{name}"));
        assert_taken(prefix, &mingpt_config(), &named, Dtype::F32, &tensors);
        let bare = renamed(named, |name| name.replace("transformer.", ""));
        assert_taken(prefix, &mingpt_config(), &bare, Dtype::F32, &tensors);
    }
}

#[test]
fn tied_heads_are_taken() {
    let (_, mut tensors) = network();
    tensors.insert("lm_head.weight".into(), tensors["transformer.wte.weight"].clone());
    for left_out in ["lm_head.weight", "transformer.wte.weight"] {
        let stored = without(tensors.clone(), left_out);
        assert_taken(left_out, &mingpt_config(), &stored, Dtype::F32, &tensors);
        let mut config = gpt2_config();
        config.as_object_mut().unwrap().remove("tie_word_embeddings");
        assert_taken(left_out, &config, &transposed(stored), Dtype::F32, &tensors);
    }
}

/// What an archive carries is never read so.
#[test]
fn archives_carry_the_plain_form_only() {
    let (_, tensors) = network();
    let hf = |dtype| stored(&transposed(tensors.clone()), dtype);
    let plain = |dtype| stored(&tensors, dtype);
    let (config, gpt2) = (mingpt_config().to_string(), gpt2_config().to_string());
    let model = |config: &str, weights| Model::from_files("m", config.into(), weights);
    model(&config, plain(Dtype::F32)).unwrap();
    for (config, weights) in
        [(&config, plain(Dtype::BF16)), (&config, hf(Dtype::F32)), (&gpt2, hf(Dtype::F32))]
    {
        model(config, weights).unwrap_err();
    }
}

/// Also with its masks, in bf16 and from DDP; every square matrix goes the way of the others.
#[test]
fn gpt2_as_hugging_face_has_it_is_taken() {
    let (_, tensors) = network();
    let mut conv1d = transposed(tensors.clone());
    assert_ne!(conv1d["transformer.h.0.attn.c_proj.weight"], tensors["transformer.h.0.attn.c_proj.weight"]);
    assert_taken("gpt2", &gpt2_config(), &conv1d, Dtype::F32, &tensors);
    for layer in 0..2 {
        for (name, shape) in [("bias", vec![1, 1, 28, 28]), ("masked_bias", vec![])] {
            let values = vec![1.0; shape.iter().product()];
            conv1d.insert(format!("transformer.h.{layer}.attn.{name}"), Tensor { shape, values });
        }
    }
    assert_taken("masks", &gpt2_config(), &conv1d, Dtype::F32, &tensors);
    let named = renamed(conv1d, |name| format!("module.{}", name.replace("transformer.", "")));
    assert_taken("all at once", &gpt2_config(), &named, Dtype::BF16, &tensors);
    let mut early = gpt2_config();
    early.as_object_mut().unwrap().retain(|name, _| name.starts_with("n_") && name != "n_positions");
    for (name, value) in mingpt_config().as_object().unwrap().iter().filter(|(name, _)| *name != "block_size")
    {
        early[name] = value.clone();
    }
    early["model_type"] = "gpt2".into();
    early["tie_word_embeddings"] = false.into();
    assert_taken("n_ctx only", &early, &transposed(tensors.clone()), Dtype::F32, &tensors);
}

/// An archive carries the plain form, byte for byte, and a run may begin with it.
#[test]
fn the_program_takes_them_too() {
    let (config, tensors) = network();
    let place = Place::with_corpus();
    put(&place, "hf/m", &gpt2_config(), &stored(&transposed(tensors.clone()), Dtype::F16));
    std::fs::create_dir_all(place.path("plain/m")).unwrap();
    Checkpoint::new(config, tensors).unwrap().save(&place.path("plain/m")).unwrap();
    let [from_hf, from_plain] = ["hf", "plain"].map(|folder| {
        place.ok(format!("compress -q --embed-model -m {folder}/m a.txt -o {folder}.sur"));
        place.ok(format!("decompress -q {folder}.sur -o {folder}.txt"));
        assert!(place.read(&format!("{folder}.txt")) == place.read("a.txt"));
        place.ok(format!(
            "train -q --init {folder}/m --steps 1 --validation-lines 9 --batch-lines 9 -o {folder}/run"
        ));
        (place.read(&format!("{folder}.sur")), place.read(&format!("{folder}/run/model.safetensors")))
    });
    assert!(from_hf == from_plain);
}

/// A config with one field more or changed, and what is said of it.
#[test]
fn configs_that_cannot_be_taken_say_why() {
    let (_, tensors) = network();
    let weights = stored(&transposed(tensors), Dtype::F32);
    let place = Place::new();
    let fails = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut config = gpt2_config();
        change(&mut config);
        put(&place, "m", &config, &weights);
        let message = place.fails(1, "verify -m m x");
        assert!(message.contains("config.json") && message.contains(expected), "{expected}: {message}");
    };
    for name in ["vocab", "start", "end"] {
        let remove = |c: &mut Value| drop(c.as_object_mut().unwrap().remove(name));
        fails(&remove, "add \"vocab\", a string of their 14 characters in order, and \"start\" and \"end\"");
    }
    for (name, value, expected) in [
        (
            "activation_function",
            json!("gelu"),
            "activation_function is 'gelu', the network here has GELU by tanh (gelu_new",
        ),
        ("activation_function", json!("relu"), "'relu'"),
        ("layer_norm_epsilon", json!(1e-6), "layer_norm_epsilon is not 1e-5"),
        ("n_inner", json!(64), "n_inner is not null or 4 n_embd"),
        ("scale_attn_weights", json!(false), "scale_attn_weights is not true"),
        ("scale_attn_by_inverse_layer_idx", json!(true), "scale_attn_by_inverse_layer_idx is not false"),
        ("n_positions", json!(1024), "n_positions is 1024, not within 1 to 256"),
        ("vocab_size", json!(15), "vocab has 14 symbols, vocab_size is 15"),
        (
            "model_type",
            json!("llama"),
            "model_type is 'llama', only 'gpt' and Hugging Face's 'gpt2' are known",
        ),
        ("n_layer", json!("two"), "invalid type"),
    ] {
        fails(&|config: &mut Value| config[name] = value.clone(), expected);
    }
    let tie = |config: &mut Value| config["tie_word_embeddings"] = true.into();
    fails(&tie, "'lm_head.weight' is not 'transformer.wte.weight', but config.json has them tied");
}

#[test]
fn weights_that_cannot_be_taken_say_which() {
    let (_, tensors) = network();
    let first = "transformer.h.0.attn.c_attn.weight";
    let odd = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = transposed(tensors.clone());
        change(&mut tensors);
        stored(&tensors, Dtype::F32)
    };
    let straight = |name: &'static str| {
        let tensor = tensors[name].clone();
        odd(&move |t| drop(t.insert(name.into(), tensor.clone())))
    };
    let extra = || Tensor { shape: vec![1], values: vec![0.0] };
    let view = TensorView::new(Dtype::I8, vec![1], &[0]).unwrap();
    let place = Place::new();
    for (weights, expected) in [
        (
            straight("transformer.h.1.mlp.c_fc.weight"),
            format!(
                "'transformer.h.1.mlp.c_fc.weight' has shape [128, 32], and as '{first}' is stored (in, out) it should have [32, 128]"
            ),
        ),
        (straight(first), "tensor 'transformer.h.0.mlp.c_fc.weight' has shape [32, 128]".into()),
        (odd(&|t| drop(t.insert("h.0.attn.rotary".into(), extra()))), "holds 'h.0.attn.rotary'".into()),
        (
            odd(&|t| drop(t.insert("module.lm_head.weight".into(), extra()))),
            "two of its tensors are 'lm_head.weight'".into(),
        ),
        (odd(&|t| drop(t.remove("lm_head.weight"))), "no tensor 'lm_head.weight'".into()),
        (
            serialize(["d", "c", "a", "b", "f", "e"].map(|name| (name, &view)), None).unwrap(),
            "tensor 'a' is I8, only F32, BF16, F16, F64 is read".into(),
        ),
    ] {
        put(&place, "m", &gpt2_config(), &weights);
        let message = place.fails(1, "verify -m m x");
        assert!(message.contains("model.safetensors") || message.contains("tensor '"), "{message}");
        assert!(message.contains(&expected), "{expected}: {message}");
        assert!(place.fails(1, "train --init m -o n").contains("m: "));
    }
}

#[test]
fn what_is_no_safetensors_file_is_named() {
    let place = Place::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let kinds: [(&[u8], &str); 5] = [
        (pointer.as_bytes(), "is a Git LFS pointer, not the file itself: run git lfs pull"),
        (b"PK\x03\x04\0\0\x08\x08 archive/data.pkl", "is a pickle of PyTorch"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02", "safetensors.torch.save_file"),
        (b"GGUF\x03\0\0\0 and more", "is a GGUF file"),
        (b"\x10\0\0\0\0\0\0\0{}", "model.safetensors: invalid header"),
    ];
    for (file, expected) in kinds {
        put(&place, "m", &mingpt_config(), file);
        let message = place.fails(1, "verify -m m x");
        assert!(message.contains("model.safetensors") && message.contains(expected), "{expected}: {message}");
    }
    put(&place, "m", &mingpt_config(), &stored(&network().1, Dtype::BF16));
    place.write("m/config.json", pointer);
    assert!(place.fails(1, "verify -m m x").contains("config.json is a Git LFS pointer"));
    place.write("m/config.json", "");
    place.write("m/model.safetensors", pointer);
    assert!(place.fails(1, "verify -m m x").contains("model.safetensors is a Git LFS pointer"));
    place.write("one.gguf", "GGUF");
    assert!(place.fails(1, "verify -m one.gguf x").contains("it is a GGUF file"));
    place.write("one.json", "{}");
    assert!(place.fails(1, "verify -m one.json x").contains("it is a file: name the folder that holds"));
    for (name, expected) in [
        ("model.gguf", "model.gguf is a GGUF file, which is not read: take the checkpoint"),
        ("model-best.pt", "model-best.pt is a pickle of PyTorch"),
        ("pytorch_model.bin", "pytorch_model.bin is a pickle of PyTorch (torch.save), which is not read"),
        ("model.safetensors.index.json", "index.json has the weights in several files: save them as one"),
    ] {
        std::fs::create_dir_all(place.path("n")).unwrap();
        place.write("n/a-scheduler.pt", "x");
        place.write(&format!("n/{name}"), "x");
        let message = place.fails(1, "verify -m n x");
        assert!(message.contains("n/model.safetensors: there is no such file; "), "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
        std::fs::remove_dir_all(place.path("n")).unwrap();
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    assert!(place.fails(1, "verify -m empty x").contains("empty/model.safetensors: "));
}

/// A header of 640 bytes begins with the bytes of a pickle.
#[test]
fn a_header_that_looks_like_a_pickle_is_a_header() {
    let (_, tensors) = network();
    let mut file = stored(&tensors, Dtype::BF16);
    let old = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let new = 0x280 + old.next_multiple_of(0x10000);
    file[..8].copy_from_slice(&(new as u64).to_le_bytes());
    file.splice(8 + old..8 + old, vec![b' '; new - old]);
    assert_eq!(file[..2], [0x80, 2]);
    Checkpoint::from_foreign(mingpt_config().to_string().as_bytes(), &file).unwrap();
}
