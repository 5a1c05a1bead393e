//! Rows V: variables.

use tracelift::prelude::*;
use tracelift_function::{Engine, IndexedSlices};

use crate::rows;

fn v() -> Variable {
    Variable::new([[1., 2., 3.], [4., 5., 6.]])
}

rows! {
    t_v01_a_variable_from_a_matrix => |golden| golden.same("v.new", &v());
    t_v02_assign => |golden| {
        let v = v();
        let doubled = v.assign(2.0 * &v).unwrap();
        golden.same("v.assign", &v);
        golden.same("v.assign", &doubled);
        v.assign([[4., 5., 6.], [1., 2., 3.]]).unwrap();
        golden.fails("v.assign_bad_shape", v.assign([1., 2.]));
        golden.same("v.unchanged_after_error", &v);
    };
    t_v03_one_item_is_assigned => |golden| {
        let v = Variable::new([[2., 4., 6.], [8., 10., 12.]]);
        v.at((0, 1)).assign(42).unwrap();
        golden.same("v.item_assign", &v);
    };
    t_v04_a_column_is_assigned => |golden| {
        let v = Variable::new([[2., 42., 6.], [8., 10., 12.]]);
        v.at((.., 2)).assign([0., 1.]).unwrap();
        golden.same("v.col_assign", &v);
    };
    t_v05_items_are_scattered => |golden| {
        let v = Variable::new([[2., 42., 0.], [8., 10., 1.]]);
        v.scatter_nd_update([[0, 0], [1, 2]], [100., 200.]).unwrap();
        golden.same("v.scatter_nd_update", &v);
        golden.fails("v.scatter_nd_oob", v.scatter_nd_update([[9, 9]], [1.]));
        // Adding is the same on every engine, also at places that only a call knows.
        let add = |v: &Variable, indices: &Tensor| v.scatter_nd_add(indices, [1., 10., 100.]);
        let set = |v: &Variable, indices: &Tensor| v.scatter_nd_update(indices, [1., 10., 100.]);
        let (indices, outside) = (tensor([[0, 1], [1, 2], [0, 1]]), tensor([[0, 1], [2, 0], [0, 1]]));
        for engine in Engine::ALL {
            let traced = Function::new(add).options(Options { engine, ..Options::default() });
            let (eager, compiled) = (self::v(), self::v());
            add(&eager, &indices).unwrap();
            traced(&compiled, &indices).unwrap();
            assert_eq!(eager.to_vec::<f32>().unwrap(), [1., 103., 3., 4., 5., 16.]);
            assert_eq!(compiled.to_vec::<f32>().unwrap(), eager.to_vec::<f32>().unwrap());
            let traced_set = Function::new(set).options(Options { engine, ..Options::default() });
            let written = Variable::new([[2., 42., 0.], [8., 10., 1.]]);
            traced_set(&written, &tensor([[1, 1], [0, 0], [1, 1]])).unwrap();
            assert_eq!(written.to_vec::<f32>().unwrap(), [10., 42., 0., 8., 100., 1.], "the last one stays");
            golden.fails("v.scatter_nd_oob", set(&written, &outside));
            golden.fails("v.scatter_nd_oob", traced_set(&written, &outside));
            golden.fails("v.scatter_nd_oob", add(&eager, &outside));
            golden.fails("v.scatter_nd_oob", traced(&compiled, &outside));
            assert_eq!(compiled.to_vec::<f32>().unwrap(), eager.to_vec::<f32>().unwrap());
        }
    };
    t_v06_rows_are_scattered_in_order => |golden| {
        let v = v();
        let values = tensor([[1., 2., 3.], [4., 5., 6.]]);
        v.scatter_update(&IndexedSlices { values, indices: tensor([1, 0]) }).unwrap();
        golden.same("v.scatter_update", &v);
        let traced = Function::new(|v: &Variable, rows: &Tensor| {
            v.scatter_update(&IndexedSlices { values: tensor([[1., 2., 3.], [4., 5., 6.]]), indices: rows.clone() })
        });
        let v = self::v();
        traced(&v, &tensor([1, 0])).unwrap();
        golden.same("v.scatter_update", &v);
    };
    t_v07_a_variable_has_no_item_assignment_which_is_a_compile => |golden| {
        // That a variable's items cannot be assigned is a compile error, shown on the type's page.
        assert_eq!(golden.error_class("v.setitem_type_error"), "TypeError");
    };
    t_v08_assign_add_assign_sub => |golden| {
        let (v, ones) = (v(), tensor([[1., 1., 1.], [1., 1., 1.]]));
        let more = v.assign_add(&ones).unwrap();
        v.assign_sub(&ones).unwrap();
        let less = v.assign_sub(&ones).unwrap();
        golden.same_list("v.assign_add_sub", &[&more, &less]);
        golden.fails("v.int_assign_float", Variable::new(0).assign(1.5));
    };
    t_v09_a_variable_may_have_a_name_a_projection_and_not_be => |golden| {
        let layer = Dense::new(30);
        layer.apply(&Tensor::ones([2, 8])).ok().unwrap();
        let weights = layer.variables();
        for (variable, expect) in weights.iter().zip(golden.output("layer.mydense_weights").as_array().unwrap()) {
            assert_eq!(variable.name(), expect[1].as_str().unwrap());
            let shape: Vec<i64> = variable.shape().iter().map(|dim| dim.known().unwrap()).collect();
            assert_eq!(serde_json::json!(shape), expect[2]);
            assert_eq!(serde_json::json!(variable.is_trainable()), expect[3]);
        }
        assert_eq!(weights.len(), 2);
        let kernel = Variable::new([1., -2.]).named("kernel").not_trainable().constraint(Tensor::relu);
        assert_eq!((kernel.name(), kernel.is_trainable(), kernel.is_constrained()), ("kernel", false, true));
        // An optimizer projects what it has changed.
        Sgd::new(1.).apply(&[tensor([3., -5.])], std::slice::from_ref(&kernel)).unwrap();
        assert_eq!(kernel.to_vec::<f32>().unwrap(), [0., 3.]);
    };
}
