//! A CUDA driver whose one device is the CPU, compiled from `libcuda.cpp`: tests run on it where there is no GPU.

#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the kernels are made of, in the order of `kernels/build.sh`.
pub const KERNEL_SOURCES: [(&str, &str); 7] = [
    ("arithmetic.cuh", include_str!("../../kernels/arithmetic.cuh")),
    ("model.cuh", include_str!("../../kernels/model.cuh")),
    ("rows.cuh", include_str!("../../kernels/rows.cuh")),
    ("attention.cuh", include_str!("../../kernels/attention.cuh")),
    ("layers.cuh", include_str!("../../kernels/layers.cuh")),
    ("decoder.cuh", include_str!("../../kernels/decoder.cuh")),
    ("kernels.cu", include_str!("../../kernels/kernels.cu")),
];
const STAND_IN_SOURCES: [(&str, &str); 2] =
    [("on_cpu.h", include_str!("on_cpu.h")), ("libcuda.cpp", include_str!("libcuda.cpp"))];

/// Compiles the driver to `libcuda.so` in a folder and gives its path; none without a C++ compiler.
pub fn compile(folder: &Path) -> Option<PathBuf> {
    let compiler = ["c++", "g++", "clang++"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(compiler) = compiler else {
        println!("NOT TESTED: no C++ compiler, so nothing stands in for a GPU");
        return None;
    };
    for (name, text) in KERNEL_SOURCES.iter().chain(&STAND_IN_SOURCES) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let status = Command::new(compiler)
        .current_dir(folder)
        .args(include_str!("flags.txt").split_whitespace())
        .args(["-o", "libcuda.so", "libcuda.cpp"])
        .status();
    assert!(status.unwrap().success(), "the kernels do not compile for the CPU");
    Some(folder.join("libcuda.so"))
}

/// Compiles the driver and loads it into this process: whatever asks for `libcuda.so` after that finds it. It stays
/// loaded. None without a C++ compiler.
#[allow(unsafe_code)]
pub fn load() -> Option<&'static libloading::Library> {
    let folder = tempfile::tempdir().unwrap();
    let path = compile(folder.path())?;
    // SAFETY: the library has no initialisers but those of its own variables.
    let library = unsafe { libloading::Library::new(path) };
    Some(Box::leak(Box::new(library.unwrap())))
}
