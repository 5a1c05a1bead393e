//! What this processor can do, found out once.

use std::sync::OnceLock;

/// One way through a library kernel, from the plainest to the widest.
///
/// All paths of a kernel give equal bits, so choosing one is a matter of speed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Portable Rust; a fused multiply-add may be a library call.
    Scalar,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors with masks.
    Avx512,
}

impl Path {
    /// Every path, plainest first.
    pub const ALL: [Path; 3] = [Path::Scalar, Path::Avx2, Path::Avx512];

    /// The widest path of this machine.
    ///
    /// ```
    /// use tracelift_runtime::cpu::Path;
    /// assert!(Path::best().is_available());
    /// ```
    pub fn best() -> Path {
        static BEST: OnceLock<Path> = OnceLock::new();
        *BEST.get_or_init(detect)
    }

    /// Whether this machine has the instructions of the path.
    pub fn is_available(self) -> bool {
        self <= Path::best()
    }

    /// The path itself where the machine has it, else the best there is.
    pub fn or_best(self) -> Path {
        self.min(Path::best())
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Path {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    match (avx2, avx512) {
        (true, true) => Path::Avx512,
        (true, false) => Path::Avx2,
        (false, _) => Path::Scalar,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Path {
    Path::Scalar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_the_plain_path_and_no_wish_exceeds_it() {
        assert!(Path::Scalar.is_available());
        for path in Path::ALL {
            assert!(path.or_best().is_available());
            assert_eq!(path.or_best() == path, path.is_available());
        }
    }
}
