//! A record set as a producer sends it, and a file as a disk gives it back: header, checks by every
//! rule, records, conversion to every codec, and what the leader stamps on it.

use super::allocation::within;
use super::input::{Input, cut};
use super::make::{self, CODECS, NOW_MS};
use millstream::batch::{
    Checked, HEADER_BYTES, Header, Look, Rest, Rules, Target, TimestampType, check, convert,
    decompress, records, scan, verify,
};
use millstream::limits::RECORD_ERRORS_MAX;
use millstream::types::{LeaderEpoch, Offset, Timestamp};

/// Memory of a check that looks inside: a decoder's own, and for the list of faults.
const CHECK_BYTES: usize = 24 * 1024 * 1024;
/// What a decoder may make of one byte, all codecs considered: zstd's most is a block of 128 KiB from
/// four bytes, and its room grows by fours.
const INFLATED_PER_BYTE: usize = 4 * 32 * 1024;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let rules = rules(&mut input);
    let cuts = u64::from(input.short());
    let set = match kind {
        // A batch that is one.
        0..=127 => make::produced(&mut input),
        // Anything, as it is or with a CRC that is right.
        _ => {
            let mut set = input.rest().to_vec();
            if kind & 1 == 1 {
                make::mend_all(&mut set);
            }
            if kind & 2 == 2 {
                make::mend(&mut set);
            }
            set
        }
    };
    produced(&set, &rules, cuts);
    stored(&set);
}

fn rules(input: &mut Input<'_>) -> Rules {
    let bits = input.byte();
    Rules {
        max_message_bytes: *input.pick(&[1 << 20, 100, 61, usize::MAX]),
        compacted: bits & 1 == 1,
        timestamp_type: match bits & 2 {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: *input.pick(&[i64::MAX, 0, 1000]),
        timestamp_after_max_ms: *input.pick(&[3_600_000, 0, i64::MAX]),
        now: Timestamp(NOW_MS),
        produce_version: *input.pick(&[13, 3, 7]),
        compressed: *input.pick(&[Look::Inside, Look::Header, Look::Later]),
    }
}

/// What a broker does with a record set that it is sent.
fn produced(set: &[u8], rules: &Rules, cuts: u64) {
    let most = set.len() * INFLATED_PER_BYTE + CHECK_BYTES;
    let whole = within(most, || check([set].into_iter(), set.len(), rules));
    let chunks = cut(set, cuts);
    assert_eq!(whole, check(chunks.into_iter(), set.len(), rules));
    let checked = match whole {
        Ok(checked) => checked,
        Err(fault) => {
            let said = fault.to_string();
            assert!(!said.is_empty());
            if let millstream::batch::Fault::Records { total, first, .. } = fault {
                assert!(total >= first.len() && first.len() <= RECORD_ERRORS_MAX);
                first.iter().for_each(|error| drop(error.to_string()));
            }
            return;
        }
    };
    let batch = &set[..checked.size];
    assert_eq!(verify(batch), Ok(checked.header));
    stamped(batch, &checked);
    for codec in CODECS {
        let target = Target::new(codec);
        let outcome = within(most + 8 * batch.len(), || {
            convert(batch, &checked, rules, Some(target))
        });
        let Ok((after, anew)) = outcome else {
            continue;
        };
        let bytes = anew.as_deref().unwrap_or(batch);
        assert_eq!(after.size, bytes.len());
        assert_eq!(verify(bytes), Ok(after.header));
        assert!(anew.is_none() || after.header.codec() == Some(codec));
        stamped(bytes, &after);
        if anew.is_some() {
            assert_eq!(
                inflated(bytes, &after.header),
                inflated(batch, &checked.header)
            );
        }
    }
}

fn inflated(batch: &[u8], header: &Header) -> Vec<u8> {
    let codec = header.codec().expect("it was checked");
    decompress(codec, &batch[HEADER_BYTES..], 1 << 30).expect("it was checked")
}

/// The leader's stamp leaves a batch that is right, and says what it should.
fn stamped(batch: &[u8], checked: &Checked) {
    let (offset, epoch) = (Offset(1 << 40), LeaderEpoch(7));
    let mut stored = batch.to_vec();
    let stamp = checked.stamp(offset, epoch);
    stored[..stamp.bytes().len()].copy_from_slice(stamp.bytes());
    let header = verify(&stored).expect("a stamped batch is right");
    assert_eq!((header.base_offset, header.leader_epoch), (offset, epoch));
    assert_eq!(header.max_timestamp, checked.max_timestamp);
    assert_eq!(
        header.is_log_append_time(),
        checked.timestamp_type == TimestampType::LogAppendTime
    );
    assert_eq!(header.record_count, checked.header.record_count);
}

/// What reads a file of batches does.
fn stored(file: &[u8]) {
    let mut walk = scan(file);
    let mut end = 0;
    while let Some((position, header)) = walk.next() {
        assert_eq!(position, end);
        end = walk.position();
        let batch = &file[position..end];
        assert_eq!(header.encode(), batch[..HEADER_BYTES]);
        let sound = within(0, || verify(batch).is_ok());
        let _ = header.last_offset().max(header.next_offset());
        let _ = (header.last_sequence(), header.delete_horizon());
        let Some(codec) = header.codec() else {
            continue;
        };
        let packed = &batch[HEADER_BYTES..];
        let Ok(plain) = decompress(codec, packed, 1 << 20) else {
            continue;
        };
        let mut count = 0;
        let mut last = None;
        within(0, || {
            for record in records(&plain) {
                match record {
                    Ok(record) => {
                        count += 1;
                        assert_eq!(record.headers.count(), record.headers.len());
                    }
                    Err(fault) => last = Some(fault),
                }
            }
        });
        let _ = (sound, count, last);
    }
    match walk.rest() {
        Rest::Nothing => assert_eq!(end, file.len()),
        Rest::PartOfHeader => assert!(file.len() - end < HEADER_BYTES),
        Rest::PartOfBatch(header) => assert!(header.size() > file.len() - end),
        Rest::Implausible(header) => assert!(!header.is_plausible()),
    }
}

/// Batches of every codec, whole and damaged, in the input of their maker and as bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut random = super::generate::Random::new(5);
    for at in 0..60_u8 {
        let mut seed = vec![at % 128];
        seed.extend((0..60).map(|_| random.next() as u8));
        let batch = make::produced(&mut Input::new(&seed[9..]));
        seeds.push(seed.clone());
        let mut bytes = vec![128 + at % 4];
        bytes.extend(&seed[1..9]);
        bytes.extend(&batch);
        if at % 3 == 0 {
            bytes.extend(&batch[..usize::from(at) * 2 % batch.len()]);
        }
        seeds.push(bytes);
    }
    seeds
}
