use tracelift::prelude::*;
use std::time::Instant;
use tracelift::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads: usize = args.get(1).map_or(2, |s| s.parse().unwrap());
    let fill = |shape: &[usize]| { random::normal(shape.to_vec(), 0.0, 1.0) };
    let cases: [(&str, [usize;4],[usize;4]);3] = [("conv1", [32,28,28,1],[3,3,1,32]), ("conv2",[32,13,13,32],[3,3,32,64]), ("big",[8,56,56,64],[3,3,64,64])];
    for (name, xs, ks) in cases {
        let (x,k) = (fill(&xs), fill(&ks));
        let y = x.conv(&k, Sliding::new());
        let dy = fill(&y.shape().iter().map(|d| d.known_len().unwrap()).collect::<Vec<_>>());
        let opt = || Options { threads, ..Options::default() };
        let f: Function<fn(&Tensor,&Tensor)->Tensor> = Function::new(|x: &Tensor, k: &Tensor| x.conv(k, Sliding::new())).options(opt());
        let dw: Function<fn(&Tensor,&Tensor,&Tensor)->Tensor> = Function::new(|x: &Tensor, k: &Tensor, dy: &Tensor| { let (_, d) = value_and_gradients(|| (x.conv(k, Sliding::new())*dy).sum(..), k); d }).options(opt());
        let dx: Function<fn(&Tensor,&Tensor,&Tensor)->Tensor> = Function::new(|x: &Tensor, k: &Tensor, dy: &Tensor| { let (_, d) = value_and_gradients(|| (x.conv(k, Sliding::new())*dy).sum(..), x); d }).options(opt());
        let flops: f64 = 2.0 * dy.size().item::<i32>().unwrap() as f64 * (ks[0]*ks[1]*ks[2]) as f64;
        for (what, g) in [("fwd", &(|| f(&x,&k)) as &dyn Fn()->Tensor), ("dw", &|| dw(&x,&k,&dy)), ("dx", &|| dx(&x,&k,&dy))] {
            for _ in 0..3 { g().to_array().unwrap(); }
            let mut best = f64::MAX; let mut all = vec![];
            for _ in 0..60 { let t = Instant::now(); let r = g(); std::hint::black_box(&r); let s = t.elapsed().as_secs_f64(); best = best.min(s); all.push(s); }
            all.sort_by(f64::total_cmp);
            println!("{name} {what}: min {:.1} us median {:.1} us  {:.0} GFLOP/s (min)", best*1e6, all[30]*1e6, flops/best/1e9);
        }
    }
}
