//! `--device`: the same bytes from a GPU. Without one, the CPU stands in behind a driver that the test compiles.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;

/// Some lines that a model knows, some that it does not, and lines of other lengths.
fn corpus() -> Vec<u8> {
    let mut text: Vec<u8> = std::fs::read("corpora/uniform-8-10k.txt").unwrap()[..28 * 150].to_vec();
    text.extend_from_slice(b"1+1=2\n\nnot a sum\n123+");
    text
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

/// A folder with a driver that has the CPU for its device; none without a C++ compiler.
fn driver(folder: &Path) -> Option<PathBuf> {
    let compiler = ["c++", "g++", "clang++"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())?;
    let library = folder.join("libcuda.so");
    let status = Command::new(compiler)
        .args([
            "-std=c++11",
            "-O2",
            "-ffp-contract=off",
            "-Wno-unknown-pragmas",
            "-fPIC",
            "-shared",
        ])
        .args(["-Itests/cuda", "-Isrc/exact/cuda", "-o"])
        .arg(&library)
        .arg("tests/cuda/libcuda.cpp")
        .status();
    assert!(status.unwrap().success());
    Some(folder.to_path_buf())
}

fn has_gpu() -> bool {
    surprisal(&["compress", "--device", "cuda", "-c"], None, "")
        .status
        .success()
}

#[test]
fn no_device_is_a_clear_error_and_auto_goes_on() {
    if has_gpu() {
        println!("NOT TESTED: this machine has a CUDA device");
        return;
    }
    let output = surprisal(
        &[
            "compress",
            "--device",
            "cuda:1",
            "-c",
            "corpora/uniform-8-10k.txt",
        ],
        None,
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.lines().count() == 1 && error.contains("CUDA") && error.contains("--device cpu"),
        "{error}"
    );
    let output = surprisal(&["compress", "-v", "-c", "corpora/uniform-8-10k.txt"], None, "");
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("device CPU"), "{told}");
    let output = surprisal(&["compress", "--device", "gpu", "-c"], None, "");
    assert_eq!(output.status.code(), Some(2));
}

/// The archive is the same from both, and the CPU decodes it; a device that is wrong is not used, and one that
/// fails on the way leaves the rest to the CPU.
#[test]
fn the_archive_is_the_same_from_both() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("sums.txt");
    std::fs::write(&text, corpus()).unwrap();
    let text = text.to_str().unwrap();
    let compress = |device: &str, how: &str, driver: Option<&Path>| {
        let args = [
            "compress",
            "-v",
            "-m",
            "tiny-uniform",
            "--device",
            device,
            "-c",
            text,
        ];
        surprisal(&args, driver, how)
    };
    let cpu = compress("cpu", "", None);
    assert!(cpu.status.success());
    let driver = match has_gpu() {
        true => None,
        false => {
            println!("NOT TESTED on a CUDA device: there is none; the CPU stands in");
            let Some(driver) = driver(folder.path()) else {
                println!("NOT TESTED: no C++ compiler, so nothing stands in");
                return;
            };
            Some(driver)
        }
    };
    let gpu = compress("cuda", "", driver.as_deref());
    let told = String::from_utf8(gpu.stderr).unwrap();
    assert!(
        gpu.status.success() && told.contains("device CUDA (") && !told.contains("went on"),
        "{told}"
    );
    assert_eq!(gpu.stdout, cpu.stdout);
    let report = |device| {
        surprisal(
            &["report", "--json", "-m", "tiny-uniform", "--device", device, text],
            driver.as_deref(),
            "",
        )
    };
    let links = |output: Output| {
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (object["links"].clone(), object["worst_lines"].clone())
    };
    assert_eq!(links(report("cuda")), links(report("cpu")));
    if driver.is_none() {
        return;
    }
    for (how, why) in [("wrong", "does not compute"), ("fails", "the GPU failed")] {
        let gpu = compress("auto", how, driver.as_deref());
        let told = String::from_utf8(gpu.stderr).unwrap();
        assert!(
            gpu.status.success() && told.contains("went on with the CPU") && told.contains(why),
            "{told}"
        );
        assert_eq!(gpu.stdout, cpu.stdout);
    }
}
