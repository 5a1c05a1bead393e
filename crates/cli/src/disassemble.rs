//! Machine code as text.
//!
//! Cranelift puts constants behind the instructions, so only what control can reach is read as instructions.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind};
use std::collections::BTreeMap;
use std::fmt::Write;
use tracelift_tensor::{Error, Result};

/// The instructions of a function, one a line with its offset, and the data between and behind them.
pub(crate) fn disassemble(code: &[u8]) -> Result<String> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err(Error::runtime("code of this machine cannot be disassembled: only that of x86-64"));
    }
    let instructions = reachable(code);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(true);
    let (mut text, mut line) = (String::new(), String::new());
    let mut next = 0;
    for (at, instruction) in &instructions {
        data(&mut text, code, next, *at);
        line.clear();
        formatter.format(instruction, &mut line);
        let _ = writeln!(text, "  {at:#06x}  {line}");
        next = *at + instruction.len();
    }
    data(&mut text, code, next, code.len());
    Ok(text)
}

/// Every instruction that control can reach from the first byte, by its offset.
fn reachable(code: &[u8]) -> BTreeMap<usize, Instruction> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![0];
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    while let Some(mut at) = waiting.pop() {
        while at < code.len() && !found.contains_key(&at) && decoder.set_position(at).is_ok() {
            decoder.set_ip(at as u64);
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                break;
            }
            found.insert(at, instruction);
            // Conditional branches have a near target; calls do as well, but come back.
            if instruction.op_count() == 1 && instruction.op0_kind() == OpKind::NearBranch64 {
                waiting.push(instruction.near_branch_target() as usize);
            }
            if let Mnemonic::Jmp | Mnemonic::Ret | Mnemonic::Ud2 = instruction.mnemonic() {
                break;
            }
            at += instruction.len();
        }
    }
    found
}

/// Bytes that are no instructions, 16 a line.
fn data(text: &mut String, code: &[u8], from: usize, to: usize) {
    for at in (from..to).step_by(16) {
        let bytes: Vec<String> = code[at..to.min(at + 16)].iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "  {at:#06x}  .byte {}", bytes.join(" "));
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn data_is_not_taken_for_instructions() {
        // test rdi, rdi; je +1; ret; ud2; two bytes of data
        let text = disassemble(&[0x48, 0x85, 0xff, 0x74, 0x01, 0xc3, 0x0f, 0x0b, 0xc3, 0x90]).unwrap();
        let lines =
            ["0x0000  test rdi, rdi", "0x0003  je short 6", "0x0005  ret", "0x0006  ud2", "0x0008  .byte c3 90"];
        assert_eq!(text.lines().map(str::trim).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn any_bytes_have_a_text() {
        for byte in 0..=255u8 {
            let code = [byte, 0xeb, 0x80, byte, 0x0f, byte];
            assert!(!disassemble(&code).unwrap().is_empty());
        }
        assert_eq!(disassemble(&[]).unwrap(), "");
    }
}
