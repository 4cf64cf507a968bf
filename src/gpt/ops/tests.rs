//! Every fused operation against its definition in f64, forward and backward, and against finite
//! differences of that definition; with registers of every width.

use candle_core::{DType, Device, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::dispatch::tests::with_every_width;
use super::*;

/// Values from −1 to 1.
fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values = (0..count).map(|_| rng.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0);
    Tensor::from_vec(values.collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap()
}

fn inputs(shapes: &[&[usize]]) -> Vec<Tensor> {
    let seeded = shapes.iter().zip(1..);
    seeded.map(|(shape, seed)| random(shape, seed)).collect()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    tensor.to_vec1().unwrap()
}

/// Largest difference, as a share of the largest value.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-3, |m: f64, e| m.max(e.abs()));
    let differences = found.iter().zip(expected).map(|(f, e)| (f - e).abs());
    differences.fold(0.0, |m: f64, d| if d > m || d.is_nan() { d } else { m }) / size
}

/// Rounding of f32 over the longest sums here.
const TOLERANCE: f64 = 1e-5;

/// Holds `fused` in f32 to `composed` in f64: the result, every gradient of Σ result·weights, and
/// some gradients' entries to central differences.
fn check(
    name: &str,
    inputs: &[Tensor],
    fused: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
    composed: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
) {
    with_every_width(|registers| {
        check_here(&format!("{registers:?}, {name}"), inputs, &fused, &composed);
    });
}

fn check_here(
    name: &str,
    inputs: &[Tensor],
    fused: &impl Fn(&[Tensor]) -> Result<Tensor>,
    composed: &impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let vars = |dtype: DType| -> Vec<Tensor> {
        let var = |t: &Tensor| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap();
        inputs.iter().map(|t| var(t).into_inner()).collect()
    };
    let (single, double) = (vars(DType::F32), vars(DType::F64));
    let (found, expected) = (fused(&single).unwrap(), composed(&double).unwrap());
    let error = difference(&flat(&found), &flat(&expected));
    assert!(error < TOLERANCE, "{name}: the result is off by {error}");

    let weights = random(expected.dims(), 99);
    let weighted = |y: &Tensor| {
        let weights = weights.to_dtype(y.dtype()).unwrap();
        (y * weights).unwrap().sum_all().unwrap()
    };
    let found = weighted(&found).backward().unwrap();
    let expected = weighted(&expected).backward().unwrap();
    for (i, (single, double)) in single.iter().zip(&double).enumerate() {
        let found = flat(found.get(single).expect("a gradient"));
        let error = difference(&found, &flat(expected.get(double).expect("a gradient")));
        assert!(error < TOLERANCE, "{name}: gradient {i} is off by {error}");

        let entries = (0..found.len()).step_by(found.len() / 5 + 1);
        let slopes = entries.clone().map(|entry| {
            let at = |shift: f64| {
                let mut values = flat(double);
                values[entry] += shift;
                let mut inputs = vars(DType::F64);
                inputs[i] = Tensor::from_vec(values, double.shape(), &Device::Cpu).unwrap();
                flat(&weighted(&composed(&inputs).unwrap()))[0]
            };
            (at(1e-4) - at(-1e-4)) / 2e-4
        });
        let found: Vec<f64> = entries.clone().map(|entry| found[entry]).collect();
        let error = difference(&found, &slopes.collect::<Vec<f64>>());
        assert!(
            error < 1e-4,
            "{name}: gradient {i} is off its difference by {error}"
        );
    }
}

/// x, gain, bias, W₁, b₁, W₂, b₂
fn block_inputs(rows: usize, width: usize, hidden: usize, inner: usize) -> Vec<Tensor> {
    inputs(&[
        &[rows, width],
        &[width],
        &[width],
        &[hidden, width],
        &[hidden],
        &[width, inner],
        &[width],
    ])
}

fn parameters(v: &[Tensor]) -> Parameters<&Tensor> {
    Parameters {
        gain: &v[1],
        bias: &v[2],
        w1: &v[3],
        b1: &v[4],
        w2: &v[5],
        b2: &v[6],
    }
}

fn check_block(name: &str, inputs: &[Tensor], inner: Inner) {
    check(
        name,
        inputs,
        |v| residual(&v[0], &parameters(v), inner),
        |v| residual::composed_residual(&v[0], &parameters(v), inner, Ok),
    );
}

#[test]
fn attention_block() {
    for (lines, length, heads, features) in [
        (1, 1, 1, 4),
        (1, 7, 2, 4),
        (2, 28, 2, 8),
        (3, 28, 3, 16),
        (1, 28, 1, 20),
        (5, 7, 2, 32),
        (1, 40, 2, 3),
        (35, 3, 1, 4),
    ] {
        let width = heads * features;
        let name = format!("{lines} lines of {length} in {heads} heads of {features}");
        let inputs = block_inputs(lines * length, width, 3 * width, width);
        check_block(&name, &inputs, Inner::Attention { length, heads });
    }
}

#[test]
fn gelu_block() {
    for (rows, width, hidden) in [(1, 1, 1), (7, 20, 80), (28, 16, 64), (115, 48, 192), (900, 4, 7)] {
        let inputs = block_inputs(rows, width, hidden, hidden);
        check_block(&format!("{rows} × {width}, {hidden}"), &inputs, Inner::Gelu);
    }
}

#[test]
fn layer_norm_alone() {
    for (rows, width) in [(1, 5), (6, 8), (513, 20)] {
        let inputs = inputs(&[&[rows, width], &[width], &[width]]);
        check(
            &format!("{rows} × {width}"),
            &inputs,
            |v| layer_norm(&v[0], &v[1], &v[2]),
            |v| layer_norm::composed(&v[0], &v[1], &v[2]),
        );
    }
}

fn integers(count: usize, below: u32, seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<u32> = (0..count).map(|_| rng.next_u32() % below).collect();
    Tensor::from_vec(values, count, &Device::Cpu).unwrap()
}

#[test]
fn embeddings() {
    for (lines, length, vocabulary, positions, width) in
        [(1, 1, 1, 1, 1), (3, 5, 14, 7, 20), (40, 28, 14, 28, 48)]
    {
        let tokens = integers(lines * length, vocabulary, 5);
        let tokens = tokens.reshape((lines, length)).unwrap();
        check(
            &format!("{lines} × {length} of {vocabulary}"),
            &inputs(&[&[vocabulary as usize, width], &[positions, width]]),
            |v| embedding(&tokens, &v[0], &v[1]),
            |v| embedding::composed(&tokens, &v[0], &v[1]),
        );
    }
}

#[test]
fn weighted_surprisals() {
    for (rows, vocabulary) in [(1, 1), (7, 14), (600, 14), (5, 37)] {
        let targets = integers(rows, vocabulary as u32, 5);
        let weights = random(&[rows], 6);
        let logits = (random(&[rows, vocabulary], 7) * 20.0).unwrap();
        check(
            &format!("{rows} of {vocabulary}"),
            &[logits],
            |v| surprisals(&v[0], &targets, &weights),
            |v| surprisal::composed(&v[0], &targets, &weights.to_dtype(v[0].dtype())?),
        );
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let tokens = Tensor::from_vec(vec![0u32, 14], (1, 2), &Device::Cpu).unwrap();
    let (wte, wpe) = (random(&[14, 4], 1), random(&[1, 4], 2));
    let refused = embedding(&tokens, &wte, &random(&[2, 4], 2)).unwrap_err();
    assert!(refused.to_string().contains("token 14"), "{refused}");
    let refused = embedding(&tokens.zeros_like().unwrap(), &wte, &wpe).unwrap_err();
    assert!(refused.to_string().contains("positions for 1"), "{refused}");
    let targets = Tensor::from_vec(vec![14u32], 1, &Device::Cpu).unwrap();
    let refused = surprisals(&random(&[1, 14], 1), &targets, &random(&[1], 1)).unwrap_err();
    assert!(refused.to_string().contains("target 14"), "{refused}");
    let v = block_inputs(8, 4, 12, 4);
    let attention = Inner::Attention { length: 3, heads: 2 };
    assert!(residual(&v[0], &parameters(&v), attention).is_err());
}

/// The same bits on one thread as on three.
#[test]
fn threads_change_nothing() {
    let (lines, length, heads, width) = (50, 7, 2, 8);
    let gradients = || -> Result<Vec<f64>> {
        let v = block_inputs(lines * length, width, 3 * width, width);
        let v: Vec<Tensor> = v
            .iter()
            .map(|t| Ok(Var::from_tensor(t)?.into_inner()))
            .collect::<Result<_>>()?;
        let y = residual(&v[0], &parameters(&v), Inner::Attention { length, heads })?;
        let y = layer_norm(&y, &v[1], &v[2])?;
        let targets = integers(lines * length, width as u32, 1);
        let nats = surprisals(&y, &targets, &random(&[lines * length], 2))?;
        let gradients = nats.sum_all()?.backward()?;
        Ok(v.iter().flat_map(|v| flat(gradients.get(v).unwrap())).collect())
    };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(gradients).unwrap()
    };
    assert!(on(1) == on(3));
}
