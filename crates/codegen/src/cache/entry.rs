//! A compiled function as bytes of a file, and back.
//!
//! The key stands in the file and is compared whole; a checksum at the end finds what was cut off or changed.

use crate::clif::{helper, routine};
use crate::unit::{Import, Unit, UnitReloc};
use crate::wide;
use cranelift_codegen::binemit::Reloc;

/// What a file of ours begins with. The number is that of this layout.
const MAGIC: &[u8] = b"tracelift code 1\n";

/// The functions that code may call, by name: their addresses differ from process to process.
fn import(name: &str) -> Option<Import> {
    let known = [helper::import(), wide::import()].into_iter().find(|import| import.name == name);
    known.or_else(|| routine::named(name))
}

/// FNV-1a: of two texts that differ in one place, never the same number.
pub(super) fn checksum(bytes: &[u8], basis: u64) -> u64 {
    bytes.iter().fold(basis, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Where [`checksum`] begins.
pub(super) const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// The bytes of a function with a key, if it can be written down: relocations are plain addresses of known helpers.
pub(super) fn encode(key: &str, unit: &Unit) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    write(&mut bytes, key.as_bytes());
    write(&mut bytes, unit.name.as_bytes());
    bytes.extend(unit.align.to_le_bytes());
    write(&mut bytes, &unit.code);
    bytes.extend((unit.imports.len() as u64).to_le_bytes());
    for known in &unit.imports {
        import(known.name)?;
        write(&mut bytes, known.name.as_bytes());
    }
    bytes.extend((unit.relocs.len() as u64).to_le_bytes());
    for UnitReloc { offset, kind, addend, import } in &unit.relocs {
        if *kind != Reloc::Abs8 {
            return None;
        }
        bytes.extend(u64::from(*offset).to_le_bytes());
        bytes.extend(addend.to_le_bytes());
        bytes.extend((*import as u64).to_le_bytes());
    }
    bytes.extend(checksum(&bytes, BASIS).to_le_bytes());
    Some(bytes)
}

fn write(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_le_bytes());
    bytes.extend(part);
}

/// The function that `bytes` hold, if they are whole and were written for this key.
pub(super) fn decode(key: &str, bytes: &[u8]) -> Option<Unit> {
    let (body, sum) = bytes.split_last_chunk::<8>()?;
    if u64::from_le_bytes(*sum) != checksum(body, BASIS) {
        return None;
    }
    let mut reader = Reader(body.strip_prefix(MAGIC)?);
    if reader.part()? != key.as_bytes() {
        return None;
    }
    let name = reader.text()?.to_owned();
    let align = reader.number()?;
    let code = reader.part()?.to_vec();
    let imports = (0..reader.number()?).map(|_| import(reader.text()?)).collect::<Option<Vec<_>>>()?;
    let count = reader.number()?;
    let mut relocs = Vec::new();
    for _ in 0..count {
        let offset = u32::try_from(reader.number()?).ok()?;
        let addend = reader.number()? as i64;
        let import = usize::try_from(reader.number()?).ok()?;
        let is_inside = (offset as usize).checked_add(8).is_some_and(|end| end <= code.len());
        if import >= imports.len() || !is_inside {
            return None;
        }
        relocs.push(UnitReloc { offset, kind: Reloc::Abs8, addend, import });
    }
    let is_sound = reader.0.is_empty() && align.is_power_of_two() && align <= 4096;
    is_sound.then_some(Unit { name, code, align, relocs, imports })
}

/// What is left to be read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn part(&mut self) -> Option<&'b [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (part, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(part)
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.part()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Unit {
        let reloc = UnitReloc { offset: 4, kind: Reloc::Abs8, addend: -3, import: 0 };
        let code = (0..40).collect();
        Unit { name: "power".into(), code, align: 64, relocs: vec![reloc], imports: vec![helper::import()] }
    }

    #[test]
    fn functions_are_read_as_they_were_written() {
        let unit = unit();
        let read = decode("key", &encode("key", &unit).unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{unit:?}"));
    }

    #[test]
    fn what_is_cut_off_or_changed_is_refused() {
        let bytes = encode("key", &unit()).unwrap();
        for len in 0..bytes.len() {
            assert!(decode("key", &bytes[..len]).is_none(), "the first {len} bytes");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(decode("key", &changed).is_none(), "changed at {at}");
        }
        assert!(decode("key", &[bytes.as_slice(), &[0]].concat()).is_none());
    }

    /// The same bytes with a checksum that is right.
    fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.truncate(bytes.len() - 8);
        let sum = checksum(&bytes, BASIS);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    #[test]
    fn files_of_other_layouts_keys_and_helpers_are_refused() {
        let bytes = encode("key", &unit()).unwrap();
        assert!(decode("kez", &bytes).is_none());
        let at = |text: &[u8]| bytes.windows(text.len()).position(|part| part == text).unwrap();
        for (place, byte) in [(at(b"code 1") + 5, b'2'), (at(b"scalar_definition"), b'z')] {
            let mut other = bytes.clone();
            other[place] = byte;
            assert!(decode("key", &signed(other)).is_none());
        }
        assert!(decode("key", &signed(bytes)).is_some());
    }

    #[test]
    fn no_relocation_reaches_beyond_the_code() {
        let mut beyond = unit();
        beyond.relocs[0].offset = 33;
        assert!(decode("key", &encode("key", &beyond).unwrap()).is_none());
        beyond.relocs[0].offset = 32;
        assert!(decode("key", &encode("key", &beyond).unwrap()).is_some());
    }

    #[test]
    fn what_has_other_relocations_is_not_written() {
        let mut other = unit();
        other.relocs[0].kind = Reloc::X86PCRel4;
        assert!(encode("key", &other).is_none());
    }
}
