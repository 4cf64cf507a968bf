//! `--device`: the same bytes from a GPU, both ways. Without one, the CPU stands in behind a driver that the test
//! compiles.

use std::io::Cursor;
use std::process::Output;

use surprisal::archive::Index;
use surprisal::text::Operands;

use crate::common::corpora::{noise_bytes, sums, uniform_sums};
use crate::common::place::{Args, Place, json, stderr};

#[path = "../../crates/surprisal-cuda/tests/stand_in/mod.rs"]
mod stand_in;

/// What runs the network: a GPU, or a driver in the folder whose device is the CPU.
struct Machine {
    place: Place,
    has_gpu: bool,
}

impl Machine {
    /// The GPU of this machine, or what stands in for it; none without a C++ compiler. It says which.
    fn new() -> Option<Self> {
        let place = Place::new();
        let has_gpu = has_gpu(&place);
        if !has_gpu {
            println!("NOT TESTED on a CUDA device: there is none; the CPU stands in");
            stand_in::compile(place.folder())?;
        }
        Some(Self { place, has_gpu })
    }

    fn command(&self, args: impl Args) -> assert_cmd::Command {
        let mut command = self.place.command(args);
        if !self.has_gpu {
            command.env("LD_LIBRARY_PATH", self.place.folder());
        }
        command
    }

    /// Runs the program; `libcuda.cpp` says `how` the stand-in goes wrong.
    fn run(&self, args: impl Args, how: &str) -> Output {
        self.command(args).env("SURPRISAL_TEST_GPU", how).output().unwrap()
    }
}

fn has_gpu(place: &Place) -> bool {
    place.run("compress --device cuda -c").status.success()
}

/// Some lines that a model knows, some that it does not, and lines of other lengths. More than a group, and the
/// last group is short.
fn corpus() -> Vec<u8> {
    let mut text = uniform_sums(70);
    text.extend_from_slice(b"1+1=2\n\nnot a sum\n123+");
    text
}

/// Inputs of all kinds, and the model that codes each.
fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let exceptions = [b"not a sum\n", &uniform_sums(3)[..], b"nor this"].concat();
    let two = uniform_sums(2);
    let crlf = two.split(|&b| b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
    // Blocks that a device decodes beside each other, none as long as another.
    let many = (1..=10).map(|n| ("tiny-uniform", uniform_sums(7 * n)));
    let others = [
        ("tiny-uniform", Vec::new()),
        ("tiny-uniform", corpus()),
        ("tiny-uniform", uniform_sums(64)),
        ("tiny-uniform", uniform_sums(1)[..27].to_vec()),
        ("tiny-uniform", b"\n\n\n".to_vec()),
        ("tiny-uniform", exceptions),
        ("tiny-uniform", crlf),
        ("tiny-uniform", noise_bytes(900)),
        ("tiny-natural", sums(Operands::Natural, 17)),
        ("tiny-uniform", uniform_sums(16)),
    ];
    many.chain(others).collect()
}

/// An archive on the CPU.
fn compressed(machine: &Machine, model: &str, text: &[u8]) -> Vec<u8> {
    machine.place.write("text", text);
    machine.place.ok(format!("compress -q -m {model} --device cpu -c text"))
}

#[test]
fn no_device_is_a_clear_error() {
    let place = Place::with_archive();
    if has_gpu(&place) {
        println!("NOT TESTED: this machine has a CUDA device");
        return;
    }
    for args in ["compress -c a.txt", "decompress -c a.txt.sur", "verify a.txt.sur", "report a.txt"] {
        let output = place.run(format!("{args} --device cuda:1"));
        assert_eq!(output.status.code(), Some(1), "{args}");
        assert!(output.stdout.is_empty());
        let error = stderr(&output);
        let is_clear = error.lines().count() == 1 && error.contains("no CUDA driver");
        assert!(is_clear && error.contains("--device cpu"), "{args}: {error}");
        place.fails(2, format!("{args} --device gpu"));
    }
}

/// `auto` is the CPU for a small file, and a device for a large one: zeros, which no network sees.
#[test]
fn auto_is_a_device_for_large_files() {
    let Some(machine) = Machine::new() else {
        return;
    };
    machine.place.write("sums.txt", corpus());
    for device in ["--device auto", ""] {
        let output = machine.run(format!("compress -v -c sums.txt {device}"), "");
        let said = stderr(&output);
        assert!(output.status.success() && said.contains("device CPU") && !said.contains("CUDA"), "{said}");
        machine.place.write("sums.sur", &output.stdout);
        for args in ["decompress -v -c sums.sur", "verify -v sums.sur"] {
            let output = machine.run(format!("{args} {device}"), "");
            let said = stderr(&output);
            assert!(output.status.success() && said.contains("device CPU"), "{args}: {said}");
        }
    }
    let zeros = std::fs::File::create(machine.place.path("zeros")).unwrap();
    zeros.set_len(4 << 20).unwrap();
    let output = machine.run("compress -v -f zeros", "");
    let said = stderr(&output);
    assert!(output.status.success() && said.contains("device CUDA"), "{said}");
    let output = machine.run("compress -v -f --device cpu zeros", "");
    assert!(stderr(&output).contains("device CPU"));
}

/// The ordinary build does not train on a GPU, whatever its number, and says what does.
#[cfg(all(feature = "train", not(feature = "cuda")))]
#[test]
fn training_on_a_device_needs_a_build_of_its_own() {
    let place = Place::new();
    for device in ["cuda", "cuda:3"] {
        let error = place.fails(1, &["train", "--device", device, "-o", "run"]);
        assert!(error.contains("--features cuda"), "{error}");
    }
}

/// The archive is the same from both, and so is the account of bits. A device that is wrong is not used, and one
/// that fails on the way leaves the rest to the CPU.
#[test]
fn the_archive_is_the_same_from_both() {
    let Some(machine) = Machine::new() else {
        return;
    };
    machine.place.write("sums.txt", corpus());
    let expected = compressed(&machine, "tiny-uniform", &corpus());
    let compress = |how| machine.run("compress -v -m tiny-uniform --device cuda -c sums.txt", how);
    let gpu = compress("");
    let said = stderr(&gpu);
    assert!(gpu.status.success() && said.contains("device CUDA (") && !said.contains("went on"), "{said}");
    assert_eq!(gpu.stdout, expected);
    let links = |device| {
        let args = format!("report --json -m tiny-uniform --device {device} sums.txt");
        let object = json(&machine.run(args, "").stdout);
        (object["links"].clone(), object["worst_lines"].clone())
    };
    assert_eq!(links("cuda"), links("cpu"));
    if machine.has_gpu {
        return;
    }
    for (how, why) in
        [("wrong 1", "does not compute"), ("fails 2", "the GPU failed"), ("memory", "of the GPU's memory")]
    {
        let gpu = compress(how);
        let said = stderr(&gpu);
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
    machine.place.write("all.sur", &archive);
    for threads in ["-T1", "-T2"] {
        let gpu = machine.run(&["decompress", "-v", threads, "--device", "cuda", "-c", "all.sur"], "");
        let said = stderr(&gpu);
        assert!(gpu.status.success() && said.contains("device CUDA ("), "{said}");
        assert!(!said.contains("went on"), "{said}");
        assert!(gpu.stdout == content, "{threads}");
    }
    machine.place.write("all.txt", &content);
    let verified = machine.run("verify --device cuda --against all.txt all.sur", "");
    assert!(verified.status.success(), "{}", stderr(&verified));

    // A range of lines from a pipe is decoded there, too, and blocks behind it while the program ends.
    let lines = |device| {
        let mut command = machine.command(&["decompress", "--lines", "60..150", "--device", device]);
        let output = command.write_stdin(archive.clone()).output().unwrap();
        assert!(output.status.success(), "{:?}: {}", output.status, stderr(&output));
        output.stdout
    };
    assert!(lines("cuda") == lines("cpu") && !lines("cpu").is_empty());

    for text in [corpus(), Vec::new()] {
        machine.place.write("text", &text);
        let gpu = machine.run("compress -q -m tiny-uniform --device cuda -c text", "");
        machine.place.write("gpu.sur", &gpu.stdout);
        let cpu = machine.run("decompress -q --device cpu -c gpu.sur", "");
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
    // More blocks than a thread takes at a time.
    let (few, many) = (3, 48);
    let texts = [(corpus(), few), (uniform_sums(1), many)];
    let content = texts.each_ref().map(|(text, times)| text.repeat(*times)).concat();
    let archives = texts.map(|(text, times)| compressed(&machine, "tiny-uniform", &text).repeat(times));
    machine.place.write("sums.sur", archives.concat());
    // A thread's check of the device takes two launches, one for each of its batches.
    for (how, why) in [
        ("wrong 1", "does not compute"),
        ("wrong 2", "does not compute"),
        ("wrong 3", "decoded a block to other bytes"),
        ("wrong 4", "decoded a block to other bytes"),
        ("garbage 3", "decoded a block to other bytes"),
        ("fails 1", "the GPU failed"),
        ("fails 2", "the GPU failed"),
        ("fails 3", "the GPU failed"),
        ("fails 4", "the GPU failed"),
        ("memory", "of the GPU's memory"),
    ] {
        let gpu = machine.run("decompress -T1 --device cuda -c sums.sur", how);
        let said = stderr(&gpu);
        assert!(gpu.status.success(), "{how}: {said}");
        assert!(said.contains("went on with the CPU") && said.contains(why), "{how}: {said}");
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
        machine.place.write("bad.sur", [&good[..], &bad].concat());
        let decode = |device| {
            let output = machine.run(format!("decompress --device {device} -c bad.sur"), "");
            assert_eq!(output.status.code(), Some(1));
            (stderr(&output), output.stdout)
        };
        let (gpu, cpu) = (decode("cuda"), decode("cpu"));
        assert!(gpu.0.contains(what), "{}", gpu.0);
        assert_eq!(gpu, cpu);
        assert!(gpu.1 == corpus());
    }
}
