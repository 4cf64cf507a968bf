//! `--device`: the same bytes from a GPU, both ways. Without one, the CPU stands in behind a driver that the test
//! compiles.

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use surprisal::archive::Index;

#[path = "../crates/surprisal-cuda/tests/stand_in/mod.rs"]
mod stand_in;

/// What runs the network: a GPU, or a driver in the folder whose device is the CPU.
struct Machine {
    folder: tempfile::TempDir,
    has_gpu: bool,
}

impl Machine {
    /// The GPU of this machine, or what stands in for it; none without a C++ compiler. It says which.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let has_gpu = has_gpu();
        if !has_gpu {
            println!("NOT TESTED on a CUDA device: there is none; the CPU stands in");
            stand_in::compile(folder.path())?;
        }
        Some(Self { folder, has_gpu })
    }

    /// The folder of the driver that stands in for a GPU's.
    fn driver(&self) -> Option<&Path> {
        (!self.has_gpu).then(|| self.folder.path())
    }

    /// Runs the program; `libcuda.cpp` says `how` the stand-in goes wrong.
    fn run(&self, args: &[&str], how: &str) -> Output {
        surprisal(args, self.driver(), how)
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn surprisal(args: &[&str], driver: Option<&Path>, how: &str) -> Output {
    let mut command = Command::new(cargo_bin("surprisal"));
    if let Some(folder) = driver {
        command.env("LD_LIBRARY_PATH", folder);
    }
    command
        .args(args)
        .env("SURPRISAL_TEST_GPU", how)
        .output()
        .unwrap()
}

fn has_gpu() -> bool {
    surprisal(&["compress", "--device", "cuda", "-c"], None, "")
        .status
        .success()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Some lines that a model knows, some that it does not, and lines of other lengths. More than a group, and the
/// last group is short.
fn corpus() -> Vec<u8> {
    let mut text = sums(70);
    text.extend_from_slice(b"1+1=2\n\nnot a sum\n123+");
    text
}

fn sums(lines: usize) -> Vec<u8> {
    std::fs::read("corpora/uniform-8-10k.txt").unwrap()[..28 * lines].to_vec()
}

/// Inputs of all kinds, and the model that codes each.
fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let exceptions = [b"not a sum\n", &sums(3)[..], b"nor this"].concat();
    let crlf = sums(2)
        .split(|&b| b == b'\n')
        .collect::<Vec<_>>()
        .join(&b"\r\n"[..]);
    let args = ["corpus", "--operands", "natural", "--lines", "17", "-q"];
    let natural = surprisal(&args, None, "").stdout;
    let noise = (0u32..900).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    vec![
        ("tiny-uniform", Vec::new()),
        ("tiny-uniform", corpus()),
        ("tiny-uniform", sums(64)),
        ("tiny-uniform", sums(1)[..27].to_vec()),
        ("tiny-uniform", b"\n\n\n".to_vec()),
        ("tiny-uniform", exceptions),
        ("tiny-uniform", crlf),
        ("tiny-uniform", noise.collect()),
        ("tiny-natural", natural),
        ("tiny-uniform", sums(16)),
    ]
}

/// An archive on the CPU.
fn compressed(machine: &Machine, model: &str, text: &[u8]) -> Vec<u8> {
    let text = machine.file("text", text);
    let output = machine.run(
        &["compress", "-q", "-m", model, "--device", "cpu", "-c", &text],
        "",
    );
    assert!(output.status.success());
    output.stdout
}

#[test]
fn no_device_is_a_clear_error() {
    if has_gpu() {
        println!("NOT TESTED: this machine has a CUDA device");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("sums.sur");
    let (text, archive) = ("corpora/uniform-8-10k.txt", archive.to_str().unwrap());
    let output = surprisal(&["compress", "-o", archive, text], None, "");
    assert!(output.status.success());
    for args in [
        &["compress", "-c", text][..],
        &["decompress", "-c", archive],
        &["verify", archive],
        &["report", text],
    ] {
        let output = surprisal(&[args, &["--device", "cuda:1"]].concat(), None, "");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty());
        let error = told(&output);
        let is_clear = error.lines().count() == 1 && error.contains("no CUDA driver");
        assert!(is_clear && error.contains("--device cpu"), "{args:?}: {error}");
        let output = surprisal(&[args, &["--device", "gpu"]].concat(), None, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

/// `auto` is the CPU, whatever there is: from which size on a GPU is faster was not measured.
#[test]
fn auto_is_the_cpu() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let text = machine.file("sums.txt", &corpus());
    for device in [&["--device", "auto"][..], &[]] {
        let args = [&["compress", "-v", "-c", &text], device].concat();
        let output = machine.run(&args, "");
        let said = told(&output);
        assert!(
            output.status.success() && said.contains("device CPU") && !said.contains("CUDA"),
            "{said}"
        );
        let archive = machine.file("sums.sur", &output.stdout);
        for args in [
            &["decompress", "-v", "-c", &archive][..],
            &["verify", "-v", &archive],
        ] {
            let output = machine.run(&[args, device].concat(), "");
            let said = told(&output);
            assert!(
                output.status.success() && said.contains("device CPU"),
                "{args:?}: {said}"
            );
        }
    }
}

/// The ordinary build does not train on a GPU, whatever its number, and says what does.
#[cfg(all(feature = "train", not(feature = "cuda")))]
#[test]
fn training_on_a_device_needs_a_build_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    for device in ["cuda", "cuda:3"] {
        let output = surprisal(
            &["train", "--device", device, "-o", run.to_str().unwrap()],
            None,
            "",
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains("--features cuda"), "{}", told(&output));
    }
}

/// The archive is the same from both, and so is the account of bits. A device that is wrong is not used, and one
/// that fails on the way leaves the rest to the CPU.
#[test]
fn the_archive_is_the_same_from_both() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let text = machine.file("sums.txt", &corpus());
    let expected = compressed(&machine, "tiny-uniform", &corpus());
    let model = ["-m", "tiny-uniform", "--device"];
    let compress = |device, how| {
        let args = [&["compress", "-v"][..], &model, &[device, "-c", &text]].concat();
        machine.run(&args, how)
    };
    let gpu = compress("cuda", "");
    let said = told(&gpu);
    assert!(
        gpu.status.success() && said.contains("device CUDA (") && !said.contains("went on"),
        "{said}"
    );
    assert_eq!(gpu.stdout, expected);
    let links = |device| {
        let args = [&["report", "--json"][..], &model, &[device, &text]].concat();
        let object: serde_json::Value = serde_json::from_slice(&machine.run(&args, "").stdout).unwrap();
        (object["links"].clone(), object["worst_lines"].clone())
    };
    assert_eq!(links("cuda"), links("cpu"));
    if machine.has_gpu {
        return;
    }
    for (how, why) in [
        ("wrong 1", "does not compute"),
        ("fails 2", "the GPU failed"),
        ("memory", "of the GPU's memory"),
    ] {
        let gpu = compress("cuda", how);
        let said = told(&gpu);
        assert!(
            gpu.status.success() && said.contains("went on with the CPU") && said.contains(why),
            "{how}: {said}"
        );
        assert_eq!(gpu.stdout, expected, "{how}");
    }
}

/// Archives of the CPU decode on the device, all kinds of content, many blocks at once, of more than one model. What
/// the device wrote, the CPU decodes.
#[test]
fn each_decodes_the_others_archives() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let (mut archive, mut content) = (Vec::new(), Vec::new());
    for (model, text) in inputs() {
        archive.extend(compressed(&machine, model, &text));
        content.extend(text);
    }
    let all = machine.file("all.sur", &archive);
    for threads in ["-T1", "-T2"] {
        let gpu = machine.run(&["decompress", "-v", threads, "--device", "cuda", "-c", &all], "");
        let said = told(&gpu);
        assert!(gpu.status.success() && said.contains("device CUDA ("), "{said}");
        assert!(!said.contains("went on"), "{said}");
        assert!(gpu.stdout == content, "{threads}");
    }
    let text = machine.file("all.txt", &content);
    let verified = machine.run(&["verify", "--device", "cuda", "--against", &text, &all], "");
    assert!(verified.status.success(), "{}", told(&verified));

    // A range of lines from a pipe is decoded there, too.
    let lines = |device| {
        let input = std::fs::File::open(&all).unwrap();
        let mut command = Command::new(cargo_bin("surprisal"));
        if let Some(folder) = machine.driver() {
            command.env("LD_LIBRARY_PATH", folder);
        }
        let args = ["decompress", "--lines", "60..150", "--device", device];
        command.args(args).stdin(input).output().unwrap().stdout
    };
    assert!(lines("cuda") == lines("cpu") && !lines("cpu").is_empty());

    for (model, text) in [("tiny-uniform", corpus()), ("tiny-uniform", Vec::new())] {
        let file = machine.file("text", &text);
        let gpu = machine.run(
            &["compress", "-q", "-m", model, "--device", "cuda", "-c", &file],
            "",
        );
        let archive = machine.file("gpu.sur", &gpu.stdout);
        let cpu = machine.run(&["decompress", "-q", "--device", "cpu", "-c", &archive], "");
        assert!(cpu.status.success() && cpu.stdout == text);
    }
}

/// A device that computes something else, that stops computing right, that fails or that lacks memory: the content
/// is the same, and a line says why the CPU did the work.
#[test]
fn a_bad_device_decodes_nothing_wrong() {
    let Some(machine) = Machine::new() else {
        return;
    };
    if machine.has_gpu {
        println!("NOT TESTED: a real device does not fail at will");
        return;
    }
    let blocks = 3;
    let content = corpus().repeat(blocks);
    let archive = compressed(&machine, "tiny-uniform", &corpus()).repeat(blocks);
    let archive = machine.file("sums.sur", &archive);
    // A thread's check of the device takes 56 launches: all positions in both halves.
    for (how, why) in [
        ("wrong 1", "does not compute"),
        ("wrong 40", "does not compute"),
        ("wrong 70", "decoded a block to other bytes"),
        ("garbage 70", "decoded a block to other bytes"),
        ("fails 1", "the GPU failed"),
        ("fails 57", "the GPU failed"),
        ("fails 70", "the GPU failed"),
        ("fails 121", "the GPU failed"),
        ("memory", "of the GPU's memory"),
    ] {
        let gpu = machine.run(&["decompress", "-T1", "--device", "cuda", "-c", &archive], how);
        let said = told(&gpu);
        assert!(gpu.status.success(), "{how}: {said}");
        assert!(
            said.contains("went on with the CPU") && said.contains(why),
            "{how}: {said}"
        );
        assert!(gpu.stdout == content, "{how}");
    }
}

/// What precedes a damage comes out, and the error is the CPU's: of a block that does not match its checksum, of one
/// whose checksums are right but which does not decode, and of an archive that is cut short.
#[test]
fn damage_is_the_same_from_both() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let good = compressed(&machine, "tiny-uniform", &corpus());
    let index = Index::read(&mut Cursor::new(&good)).unwrap();
    let header = index.archives[0].blocks[0].offset as usize;
    let payload = header + 29;
    let payload_len = u32::from_le_bytes(good[header + 9..][..4].try_into().unwrap()) as usize;
    let mut flipped = good.clone();
    flipped[payload + payload_len - 100] ^= 1;
    let mut forged = flipped.clone();
    let crc = crc32fast::hash(&forged[payload..][..payload_len]);
    forged[header + 13..][..4].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&[&0u64.to_le_bytes()[..], &forged[header..][..25]].concat());
    forged[header + 25..][..4].copy_from_slice(&crc.to_le_bytes());
    let cut = good[..good.len() / 2].to_vec();

    for (bad, what) in [
        ([flipped, good.clone()].concat(), "does not match its checksum"),
        ([forged, good.clone()].concat(), "cannot be decoded"),
        (cut, "cut short"),
    ] {
        let archive = machine.file("bad.sur", &[&good[..], &bad].concat());
        let decode = |device| {
            let output = machine.run(&["decompress", "--device", device, "-c", &archive], "");
            assert_eq!(output.status.code(), Some(1));
            (told(&output), output.stdout)
        };
        let (gpu, cpu) = (decode("cuda"), decode("cpu"));
        assert!(gpu.0.contains(what), "{}", gpu.0);
        assert_eq!(gpu, cpu);
        assert!(gpu.1 == corpus());
    }
}
