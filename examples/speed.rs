use surprisal::{exact::*, model::Checkpoint};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let c = Checkpoint::load(std::path::Path::new(&a[1])).unwrap();
    let m = ExactModel::from_checkpoint(&c).unwrap();
    let text = std::fs::read("/tmp/u100k.txt").unwrap();
    let v = m.vocabulary();
    for gsize in [32usize, 64, 128] {
        let mut g = m.group(gsize);
        let t = std::time::Instant::now();
        let mut n = 0;
        let mut bits = 0.0f64;
        let lines: Vec<&[u8]> = text
            .split(|&b| b == b'\n')
            .filter(|l| !l.is_empty())
            .take(32768)
            .collect();
        for ch in lines.chunks(gsize) {
            g.start(ch.len());
            for p in 0..28 {
                let toks: Vec<u8> = ch
                    .iter()
                    .map(|l| {
                        if p == 0 {
                            v.start()
                        } else {
                            v.token(l[p - 1]).unwrap()
                        }
                    })
                    .collect();
                let cdf = g.step(&toks);
                n += toks.len();
                for (i, l) in ch.iter().enumerate() {
                    let s = if p == 27 { v.end() } else { v.token(l[p]).unwrap() } as usize;
                    let r = cdf.row(i);
                    let r1 = if s + 1 < r.len() { r[s + 1] } else { 1 << 20 };
                    bits += 20.0 - ((r1 - r[s]) as f64).log2();
                }
            }
        }
        let s = t.elapsed().as_secs_f64();
        println!(
            "{} group {gsize}: {:.2} Mtok/s {:.4} bits/line",
            m.isa(),
            n as f64 / s / 1e6,
            bits / lines.len() as f64
        );
    }
}
