//! A network that knows nothing, drawn from a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::settings::Settings;
use super::shape::{Kind, Shape};
use crate::exact::{LANES, Vector};
use crate::learn::kernel::floats_mut;

/// ChaCha8's stream for initial parameters (3 is the float world's).
const INIT_STREAM: u64 = 5;
/// The stream that draws lines to replay.
const REPLAY_STREAM: u64 = 6;

fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// The generator that draws lines to replay.
pub(super) fn replay_generator(seed: u64) -> ChaCha8Rng {
    generator(seed, REPLAY_STREAM)
}

/// Initial parameters: matrices and tokens' embeddings with the settings' deviations, residual
/// projections divided by √(2·layers), gains 1, biases 0. Positions' embeddings are waves.
pub(super) fn parameters(settings: &Settings, shape: &Shape) -> Vec<Vector> {
    let mut rng = generator(settings.seed, INIT_STREAM);
    let mut parameters = vec![Vector::ZERO; shape.places().len / LANES];
    let all = floats_mut(&mut parameters);
    for tensor in shape.tensors() {
        let values = &mut all[tensor.place];
        let deviation = match tensor.kind {
            Kind::Tokens => settings.token_deviation,
            Kind::Positions => {
                waves(values, shape.width, settings.position_deviation);
                continue;
            }
            Kind::Matrix => settings.matrix_deviation,
            Kind::Head => settings.head_deviation,
            Kind::Residual => settings.matrix_deviation / (2.0 * shape.layers as f32).sqrt(),
            Kind::Gain => {
                values.fill(1.0);
                continue;
            }
            Kind::Bias => continue,
        };
        values.iter_mut().for_each(|v| *v = normal(&mut rng) * deviation);
    }
    parameters
}

/// A draw that is nearly normal, of deviation 1: the sum of twelve uniform 16-bit numbers, less its
/// mean. Made of integers and one exact product.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let mut sum = 0i32;
    for _ in 0..3 {
        let four = rng.next_u64();
        sum += (0..4).map(|i| (four >> (16 * i) & 0xffff) as i32).sum::<i32>();
    }
    (sum - 6 * 65_535) as f32 * (1.0 / 65_536.0)
}

/// Positions as waves (Vaswani et al., 2017), to begin with: features 2i and 2i + 1 of position t are
/// the sine and the cosine of t·2/(i + 1), times √2·deviation. What a head learns to look at from
/// one position, so many places back, holds for others as well, which random positions would have
/// it learn one by one.
fn waves(positions: &mut [f32], width: usize, deviation: f32) {
    let amplitude = f64::from(deviation) * 2f64.sqrt();
    for i in 0..width / 2 {
        let (sine, cosine) = sine_and_cosine(2.0 / (i + 1) as f64);
        let mut now = (0.0, 1.0);
        for position in positions.chunks_exact_mut(width) {
            position[2 * i] = (amplitude * now.0) as f32;
            position[2 * i + 1] = (amplitude * now.1) as f32;
            now = (now.0 * cosine + now.1 * sine, now.1 * cosine - now.0 * sine);
        }
    }
}

/// Sine and cosine of an angle of at most 2, by their series, in binary64.
fn sine_and_cosine(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for k in (1..16).rev() {
        let k = f64::from(2 * k);
        cosine = 1.0 - cosine * (square / (k * (k - 1.0)));
        sine = 1.0 - sine * (square / (k * (k + 1.0)));
    }
    (angle * sine, cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_sine_and_cosine() {
        for i in 0..=200 {
            let angle = f64::from(i) / 100.0;
            let (sine, cosine) = sine_and_cosine(angle);
            assert!((sine - angle.sin()).abs() < 1e-15 && (cosine - angle.cos()).abs() < 1e-15);
        }
        let mut positions = vec![0.0; 256 * 16];
        waves(&mut positions, 16, 1.0);
        let (at, last) = (255.0 * 2.0 / 8.0, &positions[255 * 16 + 14..]);
        assert!((last[0] - (2f32.sqrt() * f32::sin(at))).abs() < 1e-3);
    }
}
