//! A batch whose compressed records are looked into, or whose codec is not its topic's: what is too
//! much work for a shard's thread.

use super::check::{Checked, Rules, TimestampType, check_compressed};
use super::compression::{Target, compress_to};
use super::crc::crc32c;
use super::fault::Fault;
use super::header::{CRC_START, Codec, HEADER_BYTES, LENGTH_END};

/// The bits of the attributes that name the codec.
const CODEC_BITS: i16 = 7;

/// Goes on where a check with [`super::Look::Later`] has left off: checks each record of a compressed
/// batch, and compresses the records anew where `target` names another codec. `bytes` are the batch.
/// Returns the new bytes if there are any. The records themselves stay as they were sent.
///
/// # Errors
/// What a look inside finds, and [`Fault::TooLarge`] if the batch becomes so.
pub fn convert(
    bytes: &[u8],
    checked: &Checked,
    rules: &Rules,
    target: Option<Target>,
) -> Result<(Checked, Option<Vec<u8>>), Fault> {
    let mut checked = *checked;
    let codec = checked.header.codec().expect("a checked batch has one");
    let records = &bytes[HEADER_BYTES..checked.size];
    let inflated;
    let plain = match codec {
        Codec::None => records,
        codec => {
            let (max_timestamp, plain) = check_compressed(records, &checked.header, codec, rules)?;
            if checked.timestamp_type == TimestampType::CreateTime {
                checked.max_timestamp = max_timestamp;
            }
            inflated = plain;
            &inflated
        }
    };
    let Some(target) = target.filter(|target| target.codec != codec) else {
        return Ok((checked, None));
    };
    let packed = compress_to(target, plain);
    let size = HEADER_BYTES + packed.len();
    if size > rules.max_message_bytes {
        return Err(Fault::TooLarge {
            size,
            max: rules.max_message_bytes,
        });
    }
    let header = &mut checked.header;
    header.length = (size - LENGTH_END) as i32;
    header.attributes = header.attributes & !CODEC_BITS | target.codec as i16;
    let mut batch = Vec::with_capacity(size);
    batch.extend_from_slice(&header.encode());
    batch.extend_from_slice(&packed);
    header.crc = crc32c(&batch[CRC_START..]);
    batch[..HEADER_BYTES].copy_from_slice(&header.encode());
    checked.size = size;
    Ok((checked, Some(batch)))
}
