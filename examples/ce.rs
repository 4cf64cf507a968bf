use surprisal::model::Checkpoint;
fn main(){
 let a: Vec<String> = std::env::args().collect();
 let c = Checkpoint::load(std::path::Path::new(&a[1])).unwrap();
 let text = std::fs::read(&a[2]).unwrap();
 let n: usize = a[3].parse().unwrap();
 let text = &text[..28*n];
 let (b,w,n) = surprisal::exact::bits(&c, text);
 println!("exact: {b:.5} bits/line worst {w:.2} lines {n} over floor {:.4}%", (b/ (16.0*10f64.log2())-1.0)*100.0);
 let gpt = surprisal::gpt::Gpt::from_checkpoint(&c, &candle_core::Device::Cpu).unwrap();
 let v = c.config().vocabulary().unwrap();
 let mut f = 0.0; 
 for chunk in text.chunks(28*500) { 
   let mut inp=vec![]; let mut tgt=vec![];
   for l in chunk.chunks(28) { inp.push(v.start() as u32); for &c in &l[..27] { let t=v.token(c).unwrap() as u32; inp.push(t); tgt.push(t);} tgt.push(v.end() as u32); }
   let rows=tgt.len();
   let b = surprisal::gpt::Batch{ inputs: candle_core::Tensor::from_vec(inp,(rows/28,28),&candle_core::Device::Cpu).unwrap(), targets: candle_core::Tensor::from_vec(tgt,rows,&candle_core::Device::Cpu).unwrap(), weights: candle_core::Tensor::ones(rows, candle_core::DType::F32,&candle_core::Device::Cpu).unwrap()};
   let s: Vec<f32> = gpt.surprisals(&b).unwrap().to_vec1().unwrap();
   f += s.iter().map(|&x| x as f64).sum::<f64>();
 }
 let f = f/std::f64::consts::LN_2/n as f64;
 println!("float: {f:.5}  exact-float {:.4}%", (b/f-1.0)*100.0);
}
