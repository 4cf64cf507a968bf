//! Named f32 tensors, and the safetensors files that hold them.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A tensor of a checkpoint: row-major values and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extent of each dimension.
    pub shape: Vec<usize>,
    /// The values, last dimension fastest.
    pub values: Vec<f32>,
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

/// The tensors of a safetensors file whose names are wanted.
///
/// # Errors
/// What is wrong with the file, as a phrase.
pub(crate) fn from_bytes(
    file: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Tensor>, String> {
    let file = SafeTensors::deserialize(file).map_err(|e| e.to_string())?;
    let mut tensors = BTreeMap::new();
    let mut views: Vec<_> = file.iter().filter(|(name, _)| wanted(name)).collect();
    // The crate's order is random, and the first wrong one is named.
    views.sort_unstable_by_key(|&(name, _)| name);
    for (name, view) in views {
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor '{name}' is {:?}, only F32 is read", view.dtype()));
        }
        let (values, _) = view.data().as_chunks::<4>();
        let tensor = Tensor {
            shape: view.shape().to_vec(),
            values: values.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        };
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
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
}
