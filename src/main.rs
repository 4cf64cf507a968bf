fn main(){
 let a: Vec<String> = std::env::args().collect();
 let s = surprisal::train::Settings{ preset: a[1].parse().unwrap(), digits: 8, operands: surprisal::corpus::Operands::Uniform, steps: a[2].parse().unwrap(), batch_lines: 512, seed: 1, learning_rate: a[3].parse().unwrap(), warmup: 100, final_share: 0.02, beta1: 0.9, beta2: 0.98, weight_decay: 0.01, clip: 1.0, eval_every: 250, validation_lines: 4096};
 surprisal::train::train(&s, std::path::Path::new(&a[4]), |r| println!("{} {:.5} {:.5} {:.6} {:.4} {:.1}", r.step, r.train_loss, r.validation_loss, r.excess, r.sum_accuracy, r.seconds)).unwrap();
}
