//! Sine and cosine: scalar definitions, within 1 ulp at any magnitude.
//!
//! They reduce their argument exactly, which has no vector form; engines call these for each lane.

/// sin x in f32.
pub fn sin_f32(x: f32) -> f32 {
    libm::sinf(x)
}

/// cos x in f32.
pub fn cos_f32(x: f32) -> f32 {
    libm::cosf(x)
}

/// sin x in f64.
pub fn sin_f64(x: f64) -> f64 {
    libm::sin(x)
}

/// cos x in f64.
pub fn cos_f64(x: f64) -> f64 {
    libm::cos(x)
}
