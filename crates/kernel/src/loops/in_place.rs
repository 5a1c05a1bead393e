//! Whether a kernel may write one buffer where another one it reads lies.

use super::disjoint::{Access, accesses, carriers};
use super::kernel::{Base, Kernel};

impl Kernel {
    /// Whether buffer `written` may lie in the very memory of buffer `read`: every element is read for the last time
    /// before its place is stored to, by the same iteration.
    ///
    /// Both are parameters by number. The answer is conservative.
    pub fn may_overwrite(&self, read: usize, written: usize) -> bool {
        let (x, y) = (&self.params[read], &self.params[written]);
        if x.dtype.size() != y.dtype.size() || x.shape != y.shape {
            return false;
        }
        let accesses = accesses(self);
        let of = |n: usize| {
            let base = Base::Param(n as u32);
            accesses.iter().filter(move |access| access.place.base == base)
        };
        of(read).all(|load| of(written).all(|store| load_is_done(load, store)))
    }
}

/// Whether what `load` reads is not wanted any more when `store` writes.
fn load_is_done(load: &Access<'_>, store: &Access<'_>) -> bool {
    if load.path >= store.path {
        return false;
    }
    let common = load.scope.iter().zip(&store.scope).take_while(|(a, b)| a.var == b.var).count();
    let (inside, outside) = (common == load.scope.len() && common == store.scope.len(), common == 0);
    // The same iteration reads the element and then stores it.
    if inside && load.place.index == store.place.index {
        return true;
    }
    // Within one iteration of the loops around both, all loads come before all stores; other iterations are apart.
    outside
        || load.scope[..common].iter().all(|level| {
            let (of_load, of_store) = (carriers(load, level.var), carriers(store, level.var));
            of_load.iter().any(|carrier| of_store.contains(carrier))
        })
}

#[cfg(test)]
mod tests {
    use crate::text::{Module, Source};

    #[test]
    fn elements_are_read_before_they_are_overwritten() {
        for (body, expected) in [
            ("par %i in 0..B { par %j in 0..N { %0 = load %x[%i, %j] store %y[%i, %j], %0 } }", true),
            ("par %i in 0..B { par %j in 0..N { %0 = load %x[%i, N - 1 - %j] store %y[%i, %j], %0 } }", false),
            (
                "par %i in 0..B { %s = reduce sum %j in 0..N { %0 = load %x[%i, %j] yield %0 }
                 par %k in 0..N { %1 = load %x[%i, %k] %2 = div %1, %s store %y[%i, %k], %2 } }",
                true,
            ),
            (
                "par %i in 0..B { par %k in 0..N { store %y[%i, %k], 0.0 }
                 %s = reduce sum %j in 0..N { %0 = load %x[%i, %j] yield %0 } }",
                false,
            ),
            (
                "%s = reduce sum (%a, %b) in (0..B, 0..N) { %0 = load %x[%a, %b] yield %0 }
                 par %i in 0..B { par %j in 0..N { store %y[%i, %j], %s } }",
                true,
            ),
            ("par %i in 0..B { par %j in 0..N { %0 = load %x[0, %j] store %y[%i, %j], %0 } }", false),
        ] {
            let text = format!("kernel @k(%x: f32[B, N], out %y: f32[B, N]) {{ {body} }}");
            let module = Module::parse(Source::new("t", &text)).unwrap();
            assert_eq!(module.kernels[0].verify(), []);
            assert_eq!(module.kernels[0].may_overwrite(0, 1), expected, "{body}");
        }
    }
}
