//! What stands before a request and before a response, and whole frames.

use super::api_key::ApiKey;
use super::error::{DecodeError, EncodeError};
use super::field::Kind;
use super::message::{Body, read_tagged};
use super::writer::{Hole, Refusal};
use super::{Reader, Str, Writer};
use crate::types::Few;
use bytes::BytesMut;

/// The header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// The API asked for; it may be one that Kafka does not have.
    pub api_key: ApiKey,
    /// The version of the request and of its response.
    pub api_version: i16,
    /// The client's number of the request, which the response repeats.
    pub correlation_id: i32,
    /// What the client calls itself, for logs and quotas.
    pub client_id: Option<Str<'a>>,
}

impl<'a> RequestHeader<'a> {
    /// Reads a header; the request's body is next in the reader. An unknown API is read as if its
    /// header were v1, so that it can be logged with the client's name.
    ///
    /// # Errors
    /// When the bytes are too few or malformed.
    pub fn decode(reader: &mut Reader<'a>) -> Result<RequestHeader<'a>, DecodeError> {
        let place = |field| move |error: DecodeError| error.at("RequestHeader", field);
        let of = |error: DecodeError| error.of("RequestHeader");
        let mut read = || {
            let api_key = ApiKey(reader.int16().map_err(place("api_key"))?);
            let api_version = reader.int16().map_err(place("api_version"))?;
            let correlation_id = reader.int32().map_err(place("correlation_id"))?;
            let header_version = api_key.request_header_version(api_version);
            let client_id = if header_version >= 1 {
                // Never a compact string, not even in v2 (KIP-482).
                reader.string(false).map_err(place("client_id"))?
            } else {
                None
            };
            if header_version >= 2 {
                read_tagged(reader, |_, _| Ok(false)).map_err(place("tagged fields"))?;
            }
            Ok(RequestHeader {
                api_key,
                api_version,
                correlation_id,
                client_id,
            })
        };
        read().map_err(of)
    }

    /// Writes the header.
    ///
    /// # Errors
    /// When the client id is too long.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let header_version = self.api_key.request_header_version(self.api_version);
        writer.int16(self.api_key.0);
        writer.int16(self.api_version);
        writer.int32(self.correlation_id);
        if header_version >= 1 {
            writer
                .string(self.client_id.as_deref(), false)
                .map_err(|error| error.at("RequestHeader", "client_id").of("RequestHeader"))?;
        }
        if header_version >= 2 {
            writer.uvarint(0);
        }
        Ok(())
    }
}

/// Reads the header of the response to a request of that API and version: its correlation id.
///
/// # Errors
/// When the bytes are too few or malformed.
pub fn decode_response_header(
    reader: &mut Reader<'_>,
    key: ApiKey,
    version: i16,
) -> Result<i32, DecodeError> {
    let place = |error: DecodeError| {
        error
            .at("ResponseHeader", "correlation_id")
            .of("ResponseHeader")
    };
    let correlation_id = reader.int32().map_err(place)?;
    if key.response_header_version(version) >= 1 {
        read_tagged(reader, |_, _| Ok(false)).map_err(place)?;
    }
    Ok(correlation_id)
}

/// Writes the header of the response to a request of that API and version.
pub fn encode_response_header(writer: &mut Writer, key: ApiKey, version: i16, correlation_id: i32) {
    writer.int32(correlation_id);
    if key.response_header_version(version) >= 1 {
        writer.uvarint(0);
    }
}

/// A frame to be sent: its size, its bytes, and the places where bytes from elsewhere go.
#[derive(Debug)]
pub struct Frame {
    /// All but the holes' bytes; the first four are the frame's size.
    pub bytes: BytesMut,
    /// What to send in between, in ascending order; usually none.
    pub holes: Few<Hole>,
    /// The first error that it tells.
    pub refusal: Option<Box<Refusal>>,
    /// Where `throttle_time_ms` lies in the bytes, if the response begins with it.
    throttle_at: Option<usize>,
}

impl Frame {
    /// Has a response tell for how long its client is held back, where its message can (KIP-219).
    pub fn set_throttle_time(&mut self, throttle_time_ms: i32) {
        if let Some(at) = self.throttle_at {
            self.bytes[at..at + 4].copy_from_slice(&throttle_time_ms.to_be_bytes());
        }
    }
}

/// Makes the whole frame of a response: size, header, body. The size counts the holes.
///
/// # Errors
/// When the version cannot carry what the body holds, or the frame would pass 2 GiB.
pub fn encode_response<'a, B: Body<'a>>(
    version: i16,
    correlation_id: i32,
    body: &B,
) -> Result<Frame, EncodeError> {
    let bytes = BytesMut::with_capacity(FRAME_BYTES_USUAL);
    encode_response_into(bytes, version, correlation_id, body)
}

/// The same with the memory given, which is empty and need not be large enough.
///
/// # Errors
/// As [`encode_response`].
pub fn encode_response_into<'a, B: Body<'a>>(
    memory: BytesMut,
    version: i16,
    correlation_id: i32,
    body: &B,
) -> Result<Frame, EncodeError> {
    let (mut throttle_at, mut refusal) = (None, None);
    let frame = framed(memory, |writer| {
        encode_response_header(writer, B::KEY, version, correlation_id);
        throttle_at = begins_with_throttle_time::<B>(version).then(|| writer.position());
        body.encode(writer, version)?;
        refusal = writer.take_refusal(B::KEY);
        Ok(())
    })?;
    Ok(Frame {
        throttle_at,
        refusal,
        ..frame
    })
}

fn begins_with_throttle_time<'a, B: Body<'a>>(version: i16) -> bool {
    match B::KIND {
        Kind::Structure(_, [first, ..]) => {
            first.name == "throttle_time_ms" && first.versions.contain(version)
        }
        _ => false,
    }
}

/// Makes the whole frame of a request: size, header, body.
///
/// # Errors
/// When the version cannot carry what the body holds, or the frame would pass 2 GiB.
pub fn encode_request<'a, B: Body<'a>>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &B,
) -> Result<Frame, EncodeError> {
    framed(BytesMut::with_capacity(FRAME_BYTES_USUAL), |writer| {
        RequestHeader {
            api_key: B::KEY,
            api_version: version,
            correlation_id,
            client_id: client_id.map(Str::from),
        }
        .encode(writer)?;
        body.encode(writer, version)
    })
}

/// What most frames fit in: they are allocated once.
const FRAME_BYTES_USUAL: usize = 256;

fn framed(
    memory: BytesMut,
    content: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Frame, EncodeError> {
    assert!(memory.is_empty(), "a frame begins with its size");
    let mut writer = Writer::appending(memory);
    writer.int32(0);
    content(&mut writer)?;
    let size = writer.total() - 4;
    let size = i32::try_from(size)
        .map_err(|_| EncodeError::new(super::Obstacle::TooLong(size)).at("Frame", "size"))?;
    writer.patch_int32(0, size);
    let (bytes, holes) = writer.finish();
    Ok(Frame {
        bytes,
        holes,
        refusal: None,
        throttle_at: None,
    })
}
