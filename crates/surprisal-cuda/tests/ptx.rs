//! The packed PTX: it is what the sources make, and strict. And what stands in for tensor cores.

#![allow(unsafe_code, reason = "a function of the stand-in is called")]

mod stand_in;

use surprisal_cuda::{PRESETS, ptx};

#[test]
fn the_ptx_belongs_to_the_sources() {
    let sources = stand_in::KERNEL_SOURCES.map(|(_, text)| text).concat();
    let hash = blake3::hash(sources.as_bytes()).to_hex();
    for (name, ..) in PRESETS {
        assert_eq!(
            ptx(name).unwrap().lines().next().unwrap(),
            format!("// BLAKE3 of the sources: {hash}"),
            "{name}: run crates/surprisal-cuda/kernels/build.sh"
        );
    }
    // No source is left out: each but the last is included once, and a header of the stand-in.
    assert_eq!(sources.matches("#include \"").count(), stand_in::KERNEL_SOURCES.len());
    assert!(ptx("gpt-2").is_none());
}

/// Nothing in it is fused, flushed to zero or approximate, each preset has both kernels, and old drivers take it.
#[test]
fn the_ptx_is_strict() {
    for (preset, ..) in PRESETS {
        let ptx = ptx(preset).unwrap();
        let instructions = ptx.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let mut products = 0;
        for line in instructions {
            let name = line.split_whitespace().next().unwrap_or_default();
            let is_strict =
                !["fma", "mad.f32", "ex2", "rsqrt", "rcp"].iter().any(|bad| name.starts_with(bad));
            assert!(
                is_strict && !name.contains(".ftz") && !name.contains(".approx") && !name.contains(".full"),
                "{line}"
            );
            for operation in ["add", "sub", "mul", "div", "sqrt"] {
                let is_float = name.starts_with(operation) && name.ends_with(".f32");
                assert!(!is_float || name == format!("{operation}.rn.f32"), "{line}");
            }
            products += usize::from(name.starts_with("mma.sync"));
        }
        assert!(products > 0);
        for kernel in ["known", "decode"] {
            let entry = format!(".entry {preset}_{kernel}(");
            assert!(ptx.contains(&entry), "{preset}_{kernel}");
        }
        assert!(ptx.contains("\n.version 7.0\n.target sm_80\n"), "{preset}");
    }
}

/// The stand-in's tensor cores have the fragments that CUTLASS says the real ones have.
#[test]
fn fragments_are_as_cutlass_has_them() {
    let Some(library) = stand_in::load() else {
        return;
    };
    // SAFETY: the function has this type.
    let is_right =
        unsafe { library.get::<unsafe extern "C" fn() -> bool>("mma_is_the_product_of_matrices").unwrap()() };
    assert!(is_right);
}
