//! Messages and batches that are well-formed and mean something, drawn from the bytes of a fuzzer:
//! what random bytes would take years to hit. What they mean comes from small pools, so that one
//! request speaks of what another has made.

use super::input::Input;
use millstream::batch::{
    ATTRIBUTES, Builder, CRC, CRC_START, Codec, HEADER_BYTES, Header, LENGTH, LENGTH_END,
};
use millstream::config::PROPERTIES;
use millstream::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, Uuid};
use millstream::wire::{Form, Kind, Row, Writer};

/// The calendar's time wherever a target needs one, milliseconds.
pub const NOW_MS: i64 = 1_750_000_000_000;

/// Every codec.
pub const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

/// Strings that a broker gives a meaning.
const WORDS: &[&str] = &[
    "t",
    "u",
    "",
    "1",
    "0",
    "-1",
    "compact,delete",
    "user",
    "client-id",
    "ip",
    "metadata.version",
    "group.version",
    "__cluster_metadata",
    "/data",
    "127.0.0.1",
    "INFO",
    "9223372036854775807",
    "lz4",
    "2",
    "..",
    "a b",
    "true",
    "0:1",
    "1.5",
];

/// Writes a message of that table.
pub fn message(kind: &Kind, form: Form, ids: &[Uuid], input: &mut Input<'_>) -> Vec<u8> {
    let mut writer = Writer::new();
    Maker { form, ids, input }.value(kind, "", &mut writer, true);
    writer.finish().0.to_vec()
}

struct Maker<'m, 'a> {
    form: Form,
    ids: &'m [Uuid],
    input: &'m mut Input<'a>,
}

impl Maker<'_, '_> {
    /// Writes a value of the field of that name.
    fn value(&mut self, kind: &Kind, name: &str, writer: &mut Writer, may_be_null: bool) {
        let flexible = self.form.flexible;
        let input = &mut *self.input;
        match kind {
            Kind::Bool => writer.boolean(input.byte() & 1 == 1),
            Kind::Int8 => writer.int8(input.byte() as i8),
            Kind::Int16 => writer.int16(input.number() as i16),
            Kind::Uint16 => writer.uint16(input.short()),
            Kind::Int32 => writer.int32(match input.byte() {
                // A partition that there is, or the next one.
                likely @ 0..=223 if names_a_partition(name) => i32::from(likely % 3),
                _ => input.number() as i32,
            }),
            Kind::Int64 => writer.int64(input.number()),
            Kind::Float64 => writer.float64(f64::from_bits(input.number() as u64)),
            Kind::Uuid => writer.uuid(uuid(self.ids, input)),
            Kind::String => {
                let text = match input.byte() {
                    likely @ 0..=199 if names_a_topic(name) => {
                        WORDS[usize::from(likely) % 2].to_owned()
                    }
                    _ => text(input),
                };
                writer.string(Some(&text), flexible).expect("short enough");
            }
            Kind::Bytes => {
                let count = usize::from(input.byte());
                let bytes = input.take(count);
                writer
                    .long_length(Some(bytes.len()), flexible)
                    .expect("short enough");
                writer.octets(bytes);
            }
            Kind::Records => {
                let records = match input.byte() {
                    0..=31 => Vec::new(),
                    32..=63 => input.take(100).to_vec(),
                    _ => produced(input),
                };
                writer
                    .long_length(Some(records.len()), flexible)
                    .expect("short enough");
                writer.octets(&records);
            }
            Kind::Array(element) => {
                let count = input.below(4);
                writer
                    .long_length(Some(count), flexible)
                    .expect("short enough");
                (0..count).for_each(|_| self.value(element, name, writer, true));
            }
            Kind::Nullable(inner) => {
                let null = may_be_null && input.seldom();
                match (*inner, null) {
                    (Kind::Structure(..), true) => writer.int8(-1),
                    (Kind::String, true) => writer.string(None, flexible).expect("null"),
                    (_, true) => writer.long_length(None, flexible).expect("null"),
                    (Kind::Structure(..), false) => {
                        writer.int8(1);
                        self.value(inner, name, writer, true);
                    }
                    (_, false) => self.value(inner, name, writer, true),
                }
            }
            Kind::Structure(_, rows) => self.structure(rows, writer),
        }
    }

    fn structure(&mut self, rows: &[Row], writer: &mut Writer) {
        let version = self.form.version;
        let present = || rows.iter().filter(|row| row.versions.contain(version));
        for row in present().filter(|row| row.tag.is_none()) {
            self.value(&row.kind, row.name, writer, row.nullable.contain(version));
        }
        if !self.form.flexible {
            return;
        }
        let tagged: Vec<&Row> = present()
            .filter(|row| row.tag.is_some() && self.input.seldom())
            .collect();
        writer.uvarint(tagged.len() as u32);
        for row in tagged {
            let mut content = Writer::new();
            self.value(
                &row.kind,
                row.name,
                &mut content,
                row.nullable.contain(version),
            );
            let content = content.finish().0;
            writer.uvarint(row.tag.expect("just looked at"));
            writer.uvarint(content.len() as u32);
            writer.octets(&content);
        }
    }
}

fn names_a_partition(field: &str) -> bool {
    field.contains("partition") && !field.contains("bytes") && !field.contains("epoch")
        || field == "index"
}

fn names_a_topic(field: &str) -> bool {
    matches!(field, "topic" | "name" | "resource_name") || field.contains("topic_name")
}

/// A word that means something, the name of a setting, or any text.
pub fn text(input: &mut Input<'_>) -> String {
    match input.byte() {
        word @ 0..=159 => WORDS[usize::from(word) % WORDS.len()].to_owned(),
        160..=223 => PROPERTIES[input.below(PROPERTIES.len())].name.to_owned(),
        count => {
            let bytes = input.take(usize::from(count) - 223);
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

fn uuid(ids: &[Uuid], input: &mut Input<'_>) -> Uuid {
    match input.byte() {
        0 => Uuid::ZERO,
        1 => Uuid::METADATA_TOPIC,
        at @ 2..=240 if !ids.is_empty() => ids[usize::from(at) % ids.len()],
        _ => {
            let mut id = [0; 16];
            id.iter_mut().for_each(|byte| *byte = input.byte());
            Uuid(id)
        }
    }
}

/// A batch such as a producer sends, sometimes damaged.
pub fn produced(input: &mut Input<'_>) -> Vec<u8> {
    let mut builder = Builder::new(Offset(0), LeaderEpoch(-1)).codec(*input.pick(&CODECS));
    if input.seldom() {
        let (id, epoch) = (i64::from(input.byte() % 4), i16::from(input.byte() % 3));
        let sequence = input.number() as i32;
        builder = builder.producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    }
    if input.seldom() {
        builder = builder.transactional();
    }
    fill(&mut builder, input);
    damaged(builder.finish(), input)
}

/// Puts at least one record into a batch.
pub fn fill(builder: &mut Builder, input: &mut Input<'_>) {
    for _ in 0..=input.below(5) {
        let time = match input.byte() {
            0..=127 => NOW_MS + i64::from(input.byte()),
            _ => input.number(),
        };
        let (key, value) = (input.byte(), input.byte());
        let key = (key > 63).then(|| input.take(usize::from(key) % 8));
        let value = (value > 31).then(|| input.take(usize::from(value)));
        let header = input.seldom().then(|| (input.take(2), None));
        builder.push(Timestamp(time), key, value, header.as_slice());
    }
}

/// The batch, a few bytes of it changed now and then; the CRC is made right again, or not.
fn damaged(mut batch: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    if !input.seldom() {
        return batch;
    }
    for _ in 0..=input.below(4) {
        let at = match input.byte() {
            header @ 0..=127 => usize::from(header) % HEADER_BYTES.min(batch.len()),
            _ => input.below(batch.len()),
        };
        batch[at] = input.byte();
    }
    if input.byte() < 224 {
        mend(&mut batch);
    }
    batch
}

/// Makes length and CRC of a batch right.
pub fn mend(batch: &mut [u8]) {
    if batch.len() < HEADER_BYTES {
        return;
    }
    let length = (batch.len() - LENGTH_END) as i32;
    batch[LENGTH..LENGTH_END].copy_from_slice(&length.to_be_bytes());
    mend_crc(batch);
}

/// Makes the CRC of a batch right.
pub fn mend_crc(batch: &mut [u8]) {
    let crc = millstream::batch::crc32c(&batch[CRC_START..]);
    batch[CRC..CRC_START].copy_from_slice(&crc.to_be_bytes());
}

/// Makes the CRC of every batch in a file right, as far as batch follows batch.
pub fn mend_all(file: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = Header::read(&file[at..]) {
        let Some(batch) = file[at..].get_mut(..header.size()) else {
            return;
        };
        if batch.len() <= ATTRIBUTES {
            return;
        }
        mend_crc(batch);
        at += header.size();
    }
}
