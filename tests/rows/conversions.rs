//! Rows C: dtypes are not mixed silently.

use tracelift_function::{Bool, F32, I32, Tensor, tensor};

use crate::rows;

rows! {
    t_c01_f32_and_i32_tensors_do_not_mix => |golden| {
        let error = golden.fails("conv.float_plus_int_tensor", (tensor(2.0) + tensor(40)).ok());
        assert_eq!(error.operands, ["f32[]", "i32[]"]);
    };
    t_c02_f32_and_f64_tensors_do_not_mix => |golden| {
        let double = Tensor::from(40.0_f64);
        golden.fails("conv.f32_plus_f64_tensor", (tensor(2.0) + &double).ok());
        let matrices = (Tensor::ones([2, 2]), Tensor::from([[1.0_f64, 0.0], [0.0, 1.0]]));
        golden.fails("conv.matmul_mixed", matrices.0.matmul(&matrices.1).ok());
    };
    t_c03_a_cast_makes_them_fit => |golden| golden.same("conv.cast_then_add", &(tensor(2.0) + Tensor::from(40.0_f64).cast(F32)));
    t_c04_host_numbers_are_weak_but_a_float_is_no_integer => |golden| {
        golden.everywhere("conv.float_plus_py_int", &tensor(2.0), |t| t + 40);
        golden.fails("conv.int_plus_py_float", (tensor(40) + 2.0).ok());
    };
    t_c05_casts_cut_off_and_what_is_not_zero_is_true => |golden| {
        golden.everywhere("conv.cast_truncates", &tensor([-2.7, -0.5, 0.5, 2.7]), |t| t.cast(I32));
        golden.everywhere("conv.cast_bool", &tensor([0.0, 0.5, -1.0]), |t| t.cast(Bool));
    };
}
