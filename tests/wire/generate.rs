//! Random messages in bytes, made by walking over a message's table.
//!
//! The bytes are canonical: tagged fields in order, and never with the value that their default is
//! likely to have. So whoever reads and writes them must give the same bytes back.

use millstream::types::Uuid;
use millstream::wire::{Form, Kind, Row, Writer};

/// Marsaglia's xorshift with a multiplication: small, and good enough to pick test data.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A random message of that table in that version.
pub fn message(kind: &Kind, form: Form, random: &mut Random) -> Vec<u8> {
    Maker {
        form,
        random,
        future_tags: false,
    }
    .message(kind)
}

/// The message that [`message`] makes from the same randomness, but every structure has a tagged field
/// more, one that no version knows yet.
pub fn message_from_the_future(kind: &Kind, form: Form, random: &mut Random) -> Vec<u8> {
    Maker {
        form,
        random,
        future_tags: true,
    }
    .message(kind)
}

struct Maker<'r> {
    form: Form,
    random: &'r mut Random,
    future_tags: bool,
}

impl Maker<'_> {
    fn message(mut self, kind: &Kind) -> Vec<u8> {
        let mut writer = Writer::new();
        self.value(kind, &mut writer, false, true);
        writer.finish().0.to_vec()
    }

    /// Writes a random value. A `telling` one is not what a default may be: not empty, null or zero.
    fn value(&mut self, kind: &Kind, writer: &mut Writer, telling: bool, may_be_null: bool) {
        let flexible = self.form.flexible;
        let bits = self.random.next();
        let telling_bits = 1000 + (bits >> 40);
        match kind {
            Kind::Bool => writer.boolean(telling || bits & 1 == 1),
            Kind::Int8 if telling => writer.int8(3 + bits as i8 % 2),
            Kind::Int8 => writer.int8(bits as i8),
            Kind::Int16 if telling => writer.int16(bits as i16 | 1 << 8),
            Kind::Int16 => writer.int16(bits as i16),
            Kind::Uint16 => writer.uint16(bits as u16),
            Kind::Int32 if telling => writer.int32(telling_bits as i32),
            Kind::Int32 => writer.int32(bits as i32),
            Kind::Int64 if telling => writer.int64(telling_bits as i64),
            Kind::Int64 => writer.int64(bits as i64),
            Kind::Float64 => writer.float64(f64::from(bits as i32) / 8.0),
            Kind::Uuid => {
                let low = self.random.next() | 1;
                writer.uuid(Uuid(
                    (u128::from(bits) << 64 | u128::from(low)).to_be_bytes(),
                ));
            }
            Kind::String => {
                let text = self.text(telling);
                writer.string(Some(&text), flexible).unwrap();
            }
            Kind::Bytes | Kind::Records => {
                let bytes: Vec<u8> = (0..bits % 300)
                    .map(|at| (bits >> (at % 50)) as u8)
                    .collect();
                writer.long_length(Some(bytes.len()), flexible).unwrap();
                writer.octets(&bytes);
            }
            Kind::Array(element) => {
                let count = bits as usize % 4 + usize::from(telling);
                writer.long_length(Some(count), flexible).unwrap();
                (0..count).for_each(|_| self.value(element, writer, false, true));
            }
            Kind::Nullable(inner) => {
                let null = may_be_null && !telling && self.random.one_in(4);
                match (*inner, null) {
                    (Kind::Structure(..), true) => writer.int8(-1),
                    (Kind::String, true) => writer.string(None, flexible).unwrap(),
                    (_, true) => writer.long_length(None, flexible).unwrap(),
                    (Kind::Structure(..), false) => {
                        writer.int8(1);
                        self.value(inner, writer, telling, true);
                    }
                    (_, false) => self.value(inner, writer, telling, true),
                }
            }
            Kind::Structure(_, rows) => self.structure(rows, writer, telling),
        }
    }

    fn structure(&mut self, rows: &[Row], writer: &mut Writer, telling: bool) {
        let version = self.form.version;
        let present = || rows.iter().filter(|row| row.versions.contain(version));
        for row in present().filter(|row| row.tag.is_none()) {
            self.value(&row.kind, writer, telling, row.nullable.contain(version));
        }
        if !self.form.flexible {
            return;
        }
        let tagged: Vec<_> = present()
            .filter(|row| row.tag.is_some() && !self.random.one_in(3))
            .collect();
        writer.uvarint(tagged.len() as u32 + u32::from(self.future_tags));
        for row in tagged {
            let mut content = Writer::new();
            self.value(&row.kind, &mut content, true, false);
            write_tag(row.tag.unwrap(), &content.finish().0, writer);
        }
        if self.future_tags {
            write_tag(9_999, b"unheard of", writer);
        }
    }

    fn text(&mut self, telling: bool) -> String {
        // Long enough, now and then, for a length that takes two bytes as a varint.
        let most = if self.random.one_in(20) { 400 } else { 12 };
        (0..self.random.below(most) + usize::from(telling))
            .map(|_| ['a', 'Z', '0', '.', '-', 'ä', '€', '𝄞'][self.random.below(8)])
            .collect()
    }
}

fn write_tag(tag: u32, content: &[u8], writer: &mut Writer) {
    writer.uvarint(tag);
    writer.uvarint(content.len() as u32);
    writer.octets(content);
}
