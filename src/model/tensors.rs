//! Named f32 tensors, and the safetensors files that hold them.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

/// A tensor of a checkpoint: row-major values and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extent of each dimension.
    pub shape: Vec<usize>,
    /// The values, last dimension fastest.
    pub values: Vec<f32>,
}

impl Tensor {
    /// A matrix with its rows as columns.
    ///
    /// # Panics
    /// If it has another number of dimensions than two.
    pub(super) fn transposed(&self) -> Self {
        let [rows, columns] = self.shape[..] else { panic!("{:?} is the shape of no matrix", self.shape) };
        let at = |i: usize| self.values[i % rows * columns + i / rows];
        Self { shape: vec![columns, rows], values: (0..rows * columns).map(at).collect() }
    }
}

/// The bytes of a safetensors file. The same tensors give the same bytes, if there is no metadata.
///
/// # Panics
/// If a tensor's shape is not that of its values.
pub(crate) fn to_bytes(
    tensors: &BTreeMap<String, Tensor>,
    metadata: Option<HashMap<String, String>>,
) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.values().map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), data)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), data);
        (name.as_str(), view.expect("shape and values agree"))
    });
    safetensors::serialize(views, metadata).expect("names and shapes are plain")
}

/// The types of numbers that can be converted to f32.
pub(super) const FLOATS: [Dtype; 4] = [Dtype::F32, Dtype::BF16, Dtype::F16, Dtype::F64];

/// The tensors of a safetensors file in f32 whose names are wanted.
///
/// # Errors
/// What is wrong with the file, as a phrase.
pub(crate) fn from_bytes(
    file: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Tensor>, String> {
    let file = SafeTensors::deserialize(file).map_err(|e| phrase(&e))?;
    of_file(&file, wanted, &[Dtype::F32])
}

/// As [`from_bytes`], of any of these types, which are among [`FLOATS`].
pub(super) fn of_file(
    file: &SafeTensors<'_>,
    wanted: impl Fn(&str) -> bool,
    types: &[Dtype],
) -> Result<BTreeMap<String, Tensor>, String> {
    let mut tensors = BTreeMap::new();
    let mut views: Vec<_> = file.iter().filter(|(name, _)| wanted(name)).collect();
    // The crate's order is random, and the first wrong one is named.
    views.sort_unstable_by_key(|&(name, _)| name);
    for (name, view) in views {
        if !types.contains(&view.dtype()) {
            let known: Vec<String> = types.iter().map(Dtype::to_string).collect();
            return Err(format!("tensor '{name}' is {}, only {} is read", view.dtype(), known.join(", ")));
        }
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values: values(&view) });
    }
    Ok(tensors)
}

/// What is wrong with a safetensors file. Tensors of equal offsets are in random order, so that none is named.
pub(crate) fn phrase(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::InvalidOffset(_) => "tensors overlap, or there is a gap between them".into(),
        error => error.to_string(),
    }
}

/// The values of a tensor whose type is one of [`FLOATS`], the nearest f32 of each.
fn values(view: &TensorView<'_>) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|&b| value(b)).collect()
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        // The upper half of an f32.
        Dtype::BF16 => each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        Dtype::F16 => each(bytes, |b| from_half(u16::from_le_bytes(b))),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        other => unreachable!("{other} is no type to convert"),
    }
}

/// The f32 of a binary16's bits.
fn from_half(bits: u16) -> f32 {
    let (sign, magnitude) = (u32::from(bits >> 15) << 31, u32::from(bits & 0x7fff) << 13);
    // The exponent's bias is 127 instead of 15. What is not finite stays so, and is refused later.
    let scale = if bits & 0x7c00 == 0x7c00 { f32::INFINITY } else { f32::from_bits((127 + 112) << 23) };
    f32::from_bits((f32::from_bits(magnitude) * scale).to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_tensor_by_name_is_the_one_that_is_named() {
        let data = [0; 2];
        let view = || TensorView::new(Dtype::F16, vec![1], &data).unwrap();
        let file = safetensors::serialize(["c", "a", "b", "d"].map(|name| (name, view())), None).unwrap();
        for _ in 0..20 {
            let error = from_bytes(&file, |_| true).unwrap_err();
            assert!(error.contains("'a'"), "{error}");
        }
    }

    #[test]
    fn tensors_that_overlap_give_the_same_error_each_time() {
        let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let file = [&(header.len() as u64).to_le_bytes(), &header[..], &[0; 4]].concat();
        for _ in 0..20 {
            assert_eq!(
                from_bytes(&file, |_| true).unwrap_err(),
                "tensors overlap, or there is a gap between them"
            );
        }
    }

    /// All 65,536 of them, by the formula of IEEE 754.
    #[test]
    fn halves_are_exact() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude } as f32;
            let found = from_half(bits);
            // Infinities and NaN: no checkpoint may have either.
            let is_same =
                if exponent == 31 { !found.is_finite() } else { found.to_bits() == expected.to_bits() };
            assert!(is_same, "{bits:#x}: {found}");
        }
    }
}
