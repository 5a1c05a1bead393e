//! Texts that hold kernels and programs.

use super::cursor::Cursor;
use super::lexer::{Punct, Token};
use super::syntax_error::{Source, SyntaxError};
use crate::loops::Kernel;
use crate::loops::parse::parse_kernel;
use crate::program::Program;
use crate::program::parse::parse_program;
use std::sync::Arc;

/// What a text holds, in its order. Graphs (`func`) in it are passed over.
///
/// ```
/// use tracelift_kernel::text::{Module, Source};
/// let text = "kernel @double(%x: f32[B], out %y: f32[B]) {
///   par %i0 in 0..B {
///     %0 = load %x[%i0]
///     %1 = mul %0, 2.0
///     store %y[%i0], %1
///   }
/// }
/// ";
/// let module = Module::parse(Source::new("double.tl", text))?;
/// assert_eq!(module.kernels[0].to_string(), text);
/// # Ok::<(), tracelift_kernel::text::SyntaxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// The kernels.
    pub kernels: Vec<Arc<Kernel>>,
    /// The programs.
    pub programs: Vec<Program>,
}

impl Module {
    /// Reads a text.
    pub fn parse(source: Source<'_>) -> Result<Module, SyntaxError> {
        let mut cursor = Cursor::new(source)?;
        let mut module = Module::default();
        loop {
            match cursor.peek().clone() {
                Token::Word("kernel") => {
                    let position = cursor.position();
                    let kernel = parse_kernel(&mut cursor)?;
                    if module.kernel(&kernel.name).is_some() {
                        return Err(
                            cursor.error_at(position, format!("there are two kernels called `@{}`", kernel.name))
                        );
                    }
                    module.kernels.push(Arc::new(kernel));
                }
                Token::Word("program") => {
                    let position = cursor.position();
                    let program = parse_program(&mut cursor, &module.kernels)?;
                    if module.program(&program.name).is_some() {
                        return Err(
                            cursor.error_at(position, format!("there are two programs called `@{}`", program.name))
                        );
                    }
                    module.programs.push(program);
                }
                Token::Word("func") => cursor.skip_item()?,
                Token::End => return Ok(module),
                _ => return Err(cursor.expected("`func`, `kernel` or `program`")),
            }
        }
    }

    /// The kernel of that name.
    pub fn kernel(&self, name: &str) -> Option<&Arc<Kernel>> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// The program of that name.
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }
}

impl Cursor<'_> {
    /// Passes over a `func`, `kernel` or `program`: up to the brace that closes its body.
    ///
    /// Its body starts at the first brace outside of parentheses.
    pub fn skip_item(&mut self) -> Result<(), SyntaxError> {
        let (mut round, mut curly) = (0u32, 0u32);
        loop {
            match self.peek() {
                Token::End => return Err(self.expected("`}`")),
                Token::Punct(Punct::Open) => round += 1,
                Token::Punct(Punct::Close) => round = round.saturating_sub(1),
                Token::Punct(Punct::OpenBrace) => curly += 1,
                Token::Punct(Punct::CloseBrace) => {
                    curly = curly.saturating_sub(1);
                    if curly == 0 && round == 0 {
                        self.advance();
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_FORM: &str = r#"kernel @k0(%t: f32[B, 1], out %"h h": f32[B], inout %z: i64[2*B + 1], %lr: f32, %n: i64) -> (f32, i64) {
  scratch %row: f32[B]
  par %i0 in 0..B {
    %2 = load %t[%i0, 0]
    %3 = mul %2, %lr
    store %"h h"[-%i0 + B - 1], %3
  }
  %6, %7 = reduce (sum, argmax) chain (%i1, %i2) in (0..B, 0..(B + 1)//2) {
    %4 = load %t[%i1, 0]
    %5 = index 2*%i1 - B*%i2 + (2*B + 1)*%i1 + 3
    store %z[%5], -1i64
    yield %4, NaN
  }
  %9 = seq %i3 in 0..4 carry (%8 = -0.0) {
    %10 = powi.-2 %8
    %11 = lt %10, 1e-7
    %12 = select %11, %10, inf
    yield %12
  }
  yield %9, %7
}

program @every/form {
  kernels @k0
  unknown B = input 0 axis 0
  unknown C = state 0 axis 1
  guard B >= 1
  guard C == 2*B
  guard B != 1
  state "dense/kernel" written
  site "floor_div"
  buffer $t : f32[B, 1] input 0
  buffer $w : f32[B, C] state 0
  buffer $w2 : f32[B, C] next 0
  buffer $h : f32[B] arena
  buffer $h2 : f32[B, 1] view of $h
  buffer $z : i64[2*B + 1] arena
  buffer $k : f64[2, 2] const [[1.0, -0.0], [inf, NaN]]
  buffer $y : f32[B, C] output 0
  %0 = dim B
  %1 = scalar floor_div %0, 2i64 at 0
  check bounds $z in 0..2*B at 0
  check index %1 in 0..B at 0
  check assert true "say \"no\"" at 0
  %2, %3 = launch @k0($t, $h, $z, 0.5, %0) at 0
  lib matmul $t, $w -> $y {b=[0, 1, B], vector=true} epilogue @k0($h, $t, 1.0)
  %4 = read $h
  write $h, %4
  copy $h -> $h2
  swap $h, $h2
  %7 = loop (%5 = %0) while {
    %6 = scalar gt %5, 0i64
    yield %6
  } do {
    if true {
      print "in the loop", $h, %5
    }
    %8 = if %6 {
      yield 1i64
    } else {
      yield %5
    }
    yield %8
  }
  commit $w2 <- $y
  result $y, %7, 2
}
"#;

    #[test]
    fn every_form_reads_back() {
        let module = Module::parse(Source::new("every.tl", EVERY_FORM)).unwrap();
        let text = module.programs[0].to_string();
        assert_eq!(
            text,
            EVERY_FORM.replace(" + (2*B + 1)*%i1 + 3", " + 3").replace("index 2*%i1", "index (2*B + 3)*%i1")
        );
        assert_eq!(Module::parse(Source::new("again.tl", &text)).unwrap(), module);
    }

    #[test]
    fn graphs_are_passed_over() {
        let text =
            "func @f(%x: f32[B]) -> f32[B] { %0 = while (%i = %x) { yield } do {} return %x }\nkernel @k() {\n}\n";
        let module = Module::parse(Source::new("both.tl", text)).unwrap();
        assert_eq!(module.kernels[0].to_string(), "kernel @k() {\n}\n");
    }

    #[test]
    fn deep_texts_are_refused() {
        for (head, level) in [("kernel @k() { ", "par %i in 0..1 { "), ("program @p { ", "if true { ")] {
            let text = format!("{head}{}", level.repeat(100_000));
            let small_stack = std::thread::Builder::new().stack_size(512 << 10);
            let thread = small_stack.spawn(move || Module::parse(Source::new("t", &text)).unwrap_err().message);
            assert_eq!(thread.unwrap().join().unwrap(), "nested more than 128 levels deep");
        }
    }

    #[test]
    fn mistakes_point_into_the_text() {
        let buffers = "program @p { buffer $x : f32[2] arena ";
        for (text, message) in [
            ("kernel k", "t:1:8: expected the kernel's name, like `@k0`, found `k`"),
            ("kernel @k(%x: f31[B])", "t:1:15: expected an element type (f32, f64, i32, i64, u8, bool), found `f31`"),
            ("kernel @k(out %x: f32)", "t:1:22: expected `[`, found `)`"),
            ("kernel @k(%x: f32[], %x: f32[])", "t:1:22: there are two buffers called `%x`"),
            ("kernel @k() { scratch %r: f32[2, 2] }", "t:1:23: a scratch row has one axis"),
            ("kernel @k() { %0 = add 1, %1 }", "t:1:27: the register `%1` is not set before this"),
            ("kernel @k() { %0 = ad 1, 2 }", "t:1:20: no scalar operation is called `ad`"),
            ("kernel @k() { %0 = load %x[] }", "t:1:25: `%x` is neither a buffer parameter nor a scratch row"),
            ("kernel @k() { par %i in 1..2 {} }", "t:1:25: a loop starts at 0"),
            ("kernel @k() { reduce mean %i in 0..2 {} }", "t:1:22: no reduction is called `mean`"),
            ("kernel @k() { reduce sum up %i in 0..2 {} }", "t:1:26: no reduction order is called `up`"),
            ("kernel @k() { %0 = index 2*%j }", "t:1:28: `%j` is not the variable of a loop around this"),
            (
                "kernel @k() { par %i in 0..2 { %0 = neg %i } }",
                "t:1:41: `%i` is a loop variable: `%v = index %i` makes a value of it",
            ),
            (
                "kernel @k() { par %i in 0..2 { %0 = index %i*%i } }",
                "t:1:45: an index is a sum of loop variables times sizes",
            ),
            ("kernel @k() { %0 = neg 1 %0 = neg 1.0 }", "t:1:26: the register `%0` is set twice, as i32 and as f32"),
            ("kernel @k() {} kernel @k() {}", "t:1:16: there are two kernels called `@k`"),
            ("program @p { kernels @k }", "t:1:22: there is no kernel `@k` before this"),
            (
                "program @p { buffer $x : f32[2] const [1, 2, 3] }",
                "t:1:39: expected f32[2], found elements of shape [3]",
            ),
            ("program @p { guard B != 2 }", "t:1:25: a guard with `!=` excludes 1 only"),
            ("{B} copy $x -> $y }", "t:1:50: there is no buffer `$y` before this"),
            ("{B} buffer $x : f32[] arena", "t:1:46: there are two buffers called `$x`"),
            ("{B} copy $x, $x }", "t:1:46: expected `->`, found `,`"),
            ("{B} %0 = copy $x -> $x }", "t:1:44: `copy` sets no register, not 1"),
            ("{B} launch @k() }", "t:1:46: the kernel `@k` is not in this program's list `kernels`"),
            ("{B} check all $x \"m\" }", "t:1:56: expected `at` and the number of a site, found `}`"),
            ("{B} jump }", "t:1:39: no step is called `jump`"),
            ("{B} lib matmul $x, $x -> $x {q=1} }", "t:1:64: a product has no attribute `q`"),
            ("grph @k", "t:1:1: expected `func`, `kernel` or `program`, found `grph`"),
        ] {
            let text = text.replace("{B} ", buffers);
            let mistake = Module::parse(Source::new("t", &text)).unwrap_err().to_string();
            assert_eq!(mistake.lines().next().unwrap(), message, "{text}");
        }
    }
}
