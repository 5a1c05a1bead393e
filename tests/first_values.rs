//! First values of weights depend on the seed and on the layer's path. Alone in its process: models that other threads make
//! meanwhile count as models of the run.

use tracelift::prelude::*;
use tracelift::random;

#[test]
fn first_values_depend_on_seed_and_path_alone() {
    let kernels = |net: Sequential| -> Vec<Vec<f32>> {
        net.apply(&Tensor::ones([1, 3])).ok().unwrap();
        net.weights().iter().step_by(2).map(|kernel| kernel.to_vec().unwrap()).collect()
    };
    let net = || Sequential::new().add(Dense::new(2)).add(Dense::new(2));
    let seeded = |net: Sequential| {
        random::set_seed(11).unwrap();
        kernels(net)
    };
    let first = seeded(net());
    assert_eq!(first, seeded(net()));
    assert_ne!(first[0], first[1]);
    assert_eq!(first, seeded(net().add(Dense::new(1)))[..2]);
    // A second model of a run has other values.
    assert_ne!(first, kernels(net()));
}
