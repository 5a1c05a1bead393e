//! Rows T: tensors and operations.

use serde_json::json;
use tracelift_function::{F32, F64, I32, I64, Tensor, add_n, concat, range, s, select, stack, tensor};
use tracelift_ir::{Evaluator, Op};

use crate::rows;

fn t() -> Tensor {
    tensor([[1., 2., 3.], [4., 5., 6.]])
}

rows! {
    t_t01_a_nested_list_of_floats_is_an_f32_matrix => |golden| golden.same("t.const", &t());
    t_t02_the_shape_of_a_tensor => |golden| assert_eq!(golden.output("t.shape")["dims"], json!(t().shape().known().unwrap().to_vec()));
    t_t03_the_dtype_of_a_tensor => |golden| {
        assert_eq!(golden.output("t.dtype")["name"], "float32");
        assert_eq!(t().dtype(), F32);
    };
    t_t04_a_range_of_columns => |golden| {
        golden.everywhere("t.slice_cols", &t(), |t| t.slice((.., 1..)));
        golden.everywhere("t.slice_oob_empty", &t(), |t| t.slice((.., 9..)));
    };
    t_t05_ellipsis_an_index_a_new_axis => |golden| golden.everywhere("t.ellipsis_newaxis", &t(), |t| t.slice(s![..., 1, newaxis]));
    t_t06_steps_negative_indices => |golden| {
        golden.everywhere("t.strided", &t(), |t| t.slice(s![.., ..;2]));
        golden.everywhere("t.reversed", &t(), |t| t.slice(s![.., ..;-1]));
        golden.everywhere("t.neg_index", &t(), |t| t.slice((-1, -2)));
        golden.everywhere("t.row", &t(), |t| t.slice(0));
        let error = golden.fails("t.index_oob", t().slice(7).ok());
        assert!(error.message.contains("index 7 of axis 0, which is out of bounds"), "{error}");
    };
    t_t07_a_host_number_takes_the_tensor_s_dtype => |golden| {
        golden.everywhere("t.add_scalar", &t(), |t| t + 10);
        golden.everywhere("t.add_method", &t(), |t| 10 + t);
    };
    t_t08_square => |golden| golden.everywhere("t.square", &t(), Tensor::square);
    t_t09_matrix_product_and_transpose => |golden| {
        golden.everywhere("t.matmul_transpose", &t(), |t| t.matmul(t.t()));
        golden.everywhere("t.transpose", &t(), Tensor::t);
        let error = golden.fails("t.matmul_bad_shapes", t().matmul(t()).ok());
        assert!(error.message.matches("f32[2, 3]").count() == 2, "{error}");
    };
    t_t10_a_rank_0_integer => |golden| golden.same("t.scalar", &tensor(42));
    t_t11_square_of_the_transpose => |golden| {
        golden.everywhere("t.square_transpose_add", &t(), |t| t.t().square() + 10);
        golden.everywhere("t.keras_backend_square", &t(), |t| t.t().square() + 10.0);
    };
    t_t12_host_f64_data_stays_f64 => |golden| golden.same("t.from_f64_array", &Tensor::from(vec![2., 4., 5.]));
    t_t13_data_is_read_back => |golden| {
        golden.same("t.to_numpy", &t());
        assert_eq!(t().to_vec::<f32>().unwrap(), [1., 2., 3., 4., 5., 6.]);
    };
    t_t14_ops_take_host_data => |golden| {
        golden.same("t.square_f64_array", &Tensor::from(vec![2., 4., 5.]).square());
        golden.same("t.np_square_of_tensor", &t().square());
    };
    t_t15_broadcasting => |golden| {
        golden.everywhere("t.broadcast_row", &t(), |t| t + [1., 2., 3.]);
        let error = golden.fails("t.broadcast_bad", (t() + [1., 2., 3., 4., 5.]).ok());
        assert!(error.message.contains("f32[2, 3]") && error.message.contains("f32[5]"), "{error}");
    };
    t_t16_reductions_over_all_axes_and_over_some => |golden| {
        let t = t();
        let all = [t.sum(..), t.mean(..), t.max(..), t.min(..), t.variance(..)];
        golden.same_list("t.reduce_all", &all.each_ref());
        golden.same_list("t.reduce_axis_keep", &[&t.sum(0), &t.mean_keep(-1), &t.argmax(-1)]);
        let (mean, variance) = t.moments_keep(-1);
        golden.same_list("t.moments", &[&mean, &variance]);
    };
    t_t17_select_comparison_zeros_like => |golden| golden.everywhere("t.where", &t(), |t| select(&t.gt(2.5), t, t.zeros_like()));
    t_t18_size_is_i32 => |golden| {
        let size = t().size();
        golden.same_list("t.size_cast", &[&size, &size.cast(F32)]);
    };
    t_t19_add_n_concat_stack_reshape => |golden| {
        let t = t();
        golden.same("t.add_n", &add_n(&[t.clone(), t.clone(), t.clone()]));
        let parts = [concat(&[&t, &t], 0), concat(&[&t, &t], -1), stack(&[&t, &t], 0), t.reshape([-1])];
        golden.same_list("t.concat", &parts.each_ref());
    };
    t_t21_range_is_i32_host_i64_data_stays_i64 => |golden| {
        let list: Vec<i64> = (0..10).collect();
        let (counted, data) = (range(10), Tensor::from(list));
        assert_eq!((counted.dtype(), data.dtype()), (I32, I64));
        golden.same_list("t.range_dtype", &[&counted, &data]);
        golden.output("ex.range_vs_arange_dtype");
    };
    t_t22_integer_division_powers_overflow_division_by_zero => |golden| {
        let (seven, minus) = (tensor(7), tensor(-7));
        let results = [&seven / 2, seven.floor_div(2), minus.floor_div(2), &minus % 3];
        assert_eq!(results[0].dtype(), F64);
        golden.same_list("t.int_div", &results.each_ref());
        golden.same_list("t.int_pow", &[&tensor(2).powi(3), &tensor(2.0).powi(3)]);
        golden.everywhere("t.int_overflow_wraps", &tensor(i32::MAX), |n| n + 1);
        golden.fails("t.div_by_zero_int", tensor(1).floor_div(0).ok());
    };
    t_t23_float_division_by_zero => |golden| golden.everywhere("t.div_by_zero_float", &tensor([1.0, -1.0, 0.0]), |x| x / 0);
    t_t24_ragged_lists_are_refused => |golden| {
        golden.fails("t.ragged_list_error", tensor(vec![vec![1, 2], vec![3]]).ok());
        golden.fails("t.ragged_list_error", Tensor::from(vec![vec![1, 2], vec![3]]).ok());
        // A list of integers and floats is refused by the compiler; written as floats, it is f32.
        golden.same("t.mixed_list_promotes", &tensor([1., 2.5]));
    };
    t_t25_every_op_gives_equal_bits_eagerly_traced_and_compiled => |_| {
        let mut compared = std::collections::BTreeSet::new();
        for sample in Op::all_samples().into_iter().filter(|sample| !sample.fails) {
            let case = tracelift_testkit::samples::case(&sample);
            let (Ok(graph), true) = (case.graph, sample.types.iter().all(|ty| ty.as_tensor().is_some())) else { continue };
            // At once, op by op, then as a graph on all engines.
            let eager = match sample.types.iter().all(|ty| ty.shape().known().is_some()) {
                true => Evaluator::new().apply(&sample.op, &sample.inputs).unwrap(),
                false => continue,
            };
            // Stacks and tokens exist in graphs alone.
            if graph.results().len() != eager.len() {
                continue;
            }
            let run = tracelift_testkit::engines::compare(&graph, &case.arguments).unwrap();
            assert_eq!(run.results.unwrap(), eager, "{}", case.name);
            compared.insert(sample.op.name());
        }
        let others: Vec<&str> = Op::names().filter(|name| !compared.contains(name)).collect();
        assert!(others.len() < 10, "not compared: {others:?}");
    };
}
