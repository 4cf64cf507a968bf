//! The surprisal of many lines, token by token.

use rayon::prelude::*;

use crate::Result;
use crate::coding::{GROUP, Predictor, encode};
use crate::network::ExactModel;

/// Lines that a thread takes at once: some groups.
const PIECE: usize = 16 * GROUP;

/// What a model makes of lines (without their newlines), on all threads of the present rayon pool: for each the bits of its
/// tokens, its characters' and its end's, by the integer probabilities that are coded. A line by itself costs the same as among others.
///
/// ```
/// use surprisal::Models;
/// use surprisal::report::score;
///
/// let models = Models::bundled();
/// let scores = score(models.default_model().exact(), &[b"17282456+79546852=096829308", b"no sum"]);
/// let bits = scores[0].as_ref().unwrap();
/// assert_eq!(bits.len(), 28);
/// assert!((bits.iter().sum::<f64>() - 16.0 * 10f64.log2()).abs() < 0.5);
/// assert!(scores[1].is_err()); // it has characters that the model does not know
/// ```
///
/// # Errors
/// In the place of a line that the model cannot code, why: those of [`crate::text::Vocabulary::tokens`].
pub fn score(model: &ExactModel, lines: &[&[u8]]) -> Vec<Result<Vec<f64>>> {
    lines.par_chunks(PIECE).flat_map_iter(|lines| score_piece(model, lines)).collect()
}

fn score_piece(model: &ExactModel, lines: &[&[u8]]) -> Vec<Result<Vec<f64>>> {
    let mut group = model.group(GROUP);
    let (vocabulary, longest) = (model.vocabulary(), model.max_line_len());
    let room = |line: &&[u8]| Ok(Vec::with_capacity(vocabulary.tokens(line, longest)?.len()));
    let mut scores: Vec<Result<Vec<f64>>> = lines.iter().map(room).collect();
    let fitting: Vec<&[u8]> = lines.iter().copied().filter(|line| group.fits(line)).collect();
    let mut rows: Vec<&mut Vec<f64>> = scores.iter_mut().flatten().collect();
    encode(&mut group, &fitting, |line, _, slots| rows[line].push(slots.bits()));
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Models;
    use crate::report::explain;

    /// A line's score is what `explain` says of it, whatever lines are around it.
    #[test]
    fn a_line_costs_what_it_costs_alone() {
        let models = Models::bundled();
        let model = models.default_model().exact();
        let text = include_bytes!("../../corpora/uniform-8-10k.txt");
        let mut lines: Vec<&[u8]> = text.split(|&c| c == b'\n').take(PIECE + 70).collect();
        lines[3] = b"";
        lines[5] = b"no sum";
        lines[PIECE] = b"1+1=2";
        let scores = score(model, &lines);
        assert_eq!(scores.len(), lines.len());
        for (i, (line, score)) in lines.iter().zip(&scores).enumerate() {
            match (explain(model, line), score) {
                (Ok(line), Ok(score)) => {
                    assert_eq!(&line.tokens.iter().map(|token| token.bits).collect::<Vec<_>>(), score, "{i}");
                }
                (Err(expected), Err(error)) => assert_eq!(expected.to_string(), error.to_string()),
                _ => panic!("line {i}"),
            }
        }
        assert!(scores[5].is_err() && scores[3].as_ref().is_ok_and(|bits| bits.len() == 1));
    }
}
