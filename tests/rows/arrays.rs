//! Rows TA: arrays of tensors.

use tracelift_function::{
    Engine, F32, Function, GradientTape, Options, Tensor, TensorArray, for_range, grad, tensor, while_loop,
};

use crate::rows;

fn three() -> TensorArray {
    TensorArray::new(F32, 3).write(0, [1., 2.]).write(1, [3., 10.]).write(2, [5., 7.])
}

rows! {
    t_ta01_writing_gives_the_new_array => |golden| {
        // Writing takes the array; one that was written to is gone.
        let mut array = three();
        golden.same("ta.read", &array.read(1));
        let rewritten = TensorArray::new(F32, 1).write(0, [1., 2.]).write(0, [3., 4.]);
        golden.same("ta.write_twice_eager", &rewritten.stack());
    };
    t_ta02_reading_gives_a_row_and_clears => |golden| {
        let mut array = three();
        golden.same("ta.read", &array.read(tensor(1)));
        assert!(array.read(1).error().is_some());
    };
    t_ta03_rows_that_were_read_are_zeros_in_the_stack => |golden| {
        let mut array = three();
        let _ = array.read(1);
        golden.same("ta.stack_after_read", &array.stack());
    };
    t_ta04_a_cleared_row_cannot_be_read_again => |golden| {
        let mut array = three();
        let _ = array.read(1);
        golden.fails("ta.read_twice", array.read(1).ok());
        // Also where only the call knows the row.
        let twice = Function::new(|i: &Tensor| {
            let array = TensorArray::new(F32, 3).element_shape(());
            let mut array = for_range(3, array, |i, array| array.write(i, i.cast(F32)));
            (array.read(i), array.read(i))
        });
        golden.fails("ta.read_twice", twice(&tensor(1)).0.ok());
    };
    t_ta05_an_array_may_keep_what_is_read => |golden| {
        let mut array = three().clear_after_read(false);
        let given = [array.read(1), array.stack(), array.read(1)];
        golden.same_list("ta.no_clear", &given.each_ref());
    };
    t_ta06_an_array_may_grow => |golden| {
        let mut array = TensorArray::new(F32, 0).dynamic(true);
        for (at, row) in [[1., 2.], [3., 10.], [5., 7.]].into_iter().enumerate() {
            array = array.write(at, row);
        }
        let size = array.size();
        let given = [size, array.read(1), array.stack()];
        golden.same_list("ta.dynamic", &given.each_ref());
    };
    t_ta07_wrong_rows_are_refused => |golden| {
        golden.fails("ta.write_oob", three().write(3, [1., 2.]).ok());
        golden.fails("ta.write_bad_dtype", TensorArray::new(F32, 1).write(0, tensor([1, 2])).ok());
        golden.fails("ta.write_bad_shape", TensorArray::new(F32, 2).write(0, [1., 2.]).write(1, [1., 2., 3.]).ok());
        let mut array = TensorArray::new(F32, 2).write(0, [1., 2.]);
        golden.same("ta.stack_unwritten", &array.stack());
        golden.same("ta.read_unwritten", &array.read(1));
        golden.same("ta.unstack_gather", &TensorArray::new(F32, 3).unstack(three().stack()).gather([2, 0]));
    };
    t_ta08_arrays_in_loops_of_traced_functions_with_gradients => |golden| {
        let squares = |n: &Tensor| {
            let array = TensorArray::new(F32, 4).element_shape(());
            for_range(n, array, |i, array| array.write(i, i.cast(F32).square())).stack()
        };
        golden.same("ta.in_tf_function", &squares(&tensor(4)));
        for engine in Engine::ALL {
            let traced = Function::new(squares).options(Options { engine, ..Options::default() });
            golden.same("ta.in_tf_function", &traced(&tensor(4)));
            let late = traced(&tensor(5)).ok().unwrap_err();
            assert!(late.message.contains('4'), "a row behind the end is refused: {late}");
        }
        // Rows are read in one loop and written in another, and what was read is gone.
        let running = Function::new(|x: &Tensor| {
            let rows = TensorArray::new(F32, 3).unstack(x);
            let sums = TensorArray::new(F32, 3).element_shape([2]);
            let start = (tensor(0), rows, sums, Tensor::zeros([2]));
            let (_, rows, sums, _) = while_loop(
                start,
                |(i, ..)| i.lt(3),
                |(i, mut rows, sums, sum)| {
                    let sum = sum + rows.read(&i);
                    (&i + 1, rows, sums.write(&i, &sum), sum)
                },
            );
            (sums.stack(), rows.stack())
        });
        let (sums, rest) = running(&three().stack());
        assert_eq!(sums.to_vec::<f32>().unwrap(), [1., 2., 4., 12., 9., 19.]);
        assert_eq!(rest.to_vec::<f32>().unwrap(), [0.; 6]);
        // Gradients go through loops: d/dx Σ (sums of squares) of a running array.
        let collected = |x: &Tensor| {
            let array = TensorArray::new(F32, 3).element_shape(());
            let start = (array, x.clone());
            for_range(3, start, |i, (array, x)| (array.write(i, &x), &x * &x)).0.stack().sum(..)
        };
        let slope = |x: f32| 1. + 2. * x + 4. * x * x * x;
        assert_eq!(grad(collected)(&tensor(1.5)).item::<f32>().unwrap(), slope(1.5));
        assert_eq!(Function::new(move |x: &Tensor| grad(collected)(x))(&tensor(1.5)).item::<f32>().unwrap(), slope(1.5));
        // Gradients go through what is written and read.
        let through = |x: &Tensor| {
            let mut array = TensorArray::new(F32, 2).write(0, x.square()).write(1, x * 3);
            array.read(0) * 2 + array.stack().sum(0)
        };
        assert_eq!(grad(through)(&tensor([1., 2.])).to_vec::<f32>().unwrap(), [7., 11.]);
        let x = tensor([1., 2.]);
        let tape = GradientTape::new();
        tape.watch(&x);
        let y = through(&x);
        assert_eq!(tape.gradient(&y, &x).to_vec::<f32>().unwrap(), [7., 11.]);
    };
}
