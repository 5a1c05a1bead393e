//! Rows C: dtypes are not mixed silently.

use tracelift_function::{Bool, F32, I32, Tensor, tensor};

use crate::rows;

rows! {
    c01 => |golden| {
        let error = golden.fails("conv.float_plus_int_tensor", (tensor(2.0) + tensor(40)).ok());
        assert_eq!(error.operands, ["f32[]", "i32[]"]);
    };
    c02 => |golden| {
        let double = Tensor::from(40.0_f64);
        golden.fails("conv.f32_plus_f64_tensor", (tensor(2.0) + &double).ok());
        let matrices = (Tensor::ones([2, 2]), Tensor::from([[1.0_f64, 0.0], [0.0, 1.0]]));
        golden.fails("conv.matmul_mixed", matrices.0.matmul(&matrices.1).ok());
    };
    c03 => |golden| golden.same("conv.cast_then_add", &(tensor(2.0) + Tensor::from(40.0_f64).cast(F32)));
    c04 => |golden| {
        golden.everywhere("conv.float_plus_py_int", &tensor(2.0), |t| t + 40);
        golden.fails("conv.int_plus_py_float", (tensor(40) + 2.0).ok());
    };
    c05 => |golden| {
        golden.everywhere("conv.cast_truncates", &tensor([-2.7, -0.5, 0.5, 2.7]), |t| t.cast(I32));
        golden.everywhere("conv.cast_bool", &tensor([0.0, 0.5, -1.0]), |t| t.cast(Bool));
    };
}
