//! What consumers put into the bytes that the classic group protocol carries without looking: what a
//! member wants and owns, and what the leader has assigned to it.
//!
//! Both are an int16 version, then a body that is flexible in none. Every version adds to the end of
//! the one before, so a later version than the latest known is read as that one, and what follows is
//! passed over, as Kafka does. Some clients claim a version and leave out what it added: kafka-go says 1
//! and ends behind the user data. Kafka refuses such a subscription; here it is read as the version that
//! it is, if it ends exactly where that one does.

use super::error::{DecodeError, EncodeError, Problem};
use super::message::*;
use super::{Message, Octets, Reader, Str, Writer};
use crate::limits::REQUEST_ELEMENTS_MAX;
use bytes::BytesMut;

message! {
    /// What a member says of itself when it joins. v1 adds the partitions it owns, v2 the generation
    /// in which it got them, v3 its rack.
    ConsumerProtocolSubscription<'a> versions [0-3] flexible [none] {
        /// The topics that it wants.
        topics:            Vec<Str<'a>>                    [0+];
        /// Whatever its assignor wants to say.
        user_data:         Option<Octets<'a>>              [0+];
        /// The partitions that it owns.
        owned_partitions:  Vec<ConsumerProtocolTopic<'a>>  [1+], ignorable;
        /// The generation in which it got them, -1 if it does not say.
        generation_id:     i32                             [2+]  = -1, ignorable;
        /// Its rack.
        rack_id:           Option<Str<'a>>                 [3+], ignorable;
    }

    /// Partitions of a topic.
    struct ConsumerProtocolTopic<'a> {
        /// The topic.
        topic:       Str<'a>   [0+];
        /// The partitions.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// What a member is given. No version differs from another.
    ConsumerProtocolAssignment<'a> versions [0-3] flexible [none] {
        /// The partitions.
        assigned_partitions:  Vec<ConsumerProtocolTopic<'a>>  [0+];
        /// Whatever the assignor wants to say.
        user_data:            Option<Octets<'a>>              [0+];
    }
}

impl<'a> ConsumerProtocolSubscription<'a> {
    /// Reads the metadata of a member's protocol. Returns the version that it claims too, the latest
    /// known for a later one: in that version the member expects its assignment.
    ///
    /// # Errors
    /// When the bytes are malformed, or have more than [`REQUEST_ELEMENTS_MAX`] elements.
    pub fn from_bytes(
        bytes: &'a [u8],
    ) -> Result<(ConsumerProtocolSubscription<'a>, i16), DecodeError> {
        from_bytes(bytes)
    }

    /// Writes the version and the body.
    ///
    /// # Errors
    /// When the version is unknown.
    pub fn to_bytes(&self, version: i16) -> Result<BytesMut, EncodeError> {
        to_bytes(self, version)
    }
}

impl<'a> ConsumerProtocolAssignment<'a> {
    /// Reads a member's assignment. Returns its version too, the latest known for a later one.
    ///
    /// # Errors
    /// When the bytes are malformed, or have more than [`REQUEST_ELEMENTS_MAX`] elements. No bytes at
    /// all are malformed as well: they are what a member has to which the leader has given nothing.
    pub fn from_bytes(
        bytes: &'a [u8],
    ) -> Result<(ConsumerProtocolAssignment<'a>, i16), DecodeError> {
        from_bytes(bytes)
    }

    /// Writes the version and the body.
    ///
    /// # Errors
    /// When the version is unknown.
    pub fn to_bytes(&self, version: i16) -> Result<BytesMut, EncodeError> {
        to_bytes(self, version)
    }
}

fn from_bytes<'a, M: Message<'a>>(bytes: &'a [u8]) -> Result<(M, i16), DecodeError> {
    let mut reader = Reader::new([bytes]);
    reader.limit_elements(REQUEST_ELEMENTS_MAX);
    let place = |error: DecodeError| error.at(M::NAME, "version").of(M::NAME);
    let claimed = reader.int16().map_err(place)?;
    if claimed < M::VERSIONS.first {
        return Err(place(reader.error(Problem::Version(claimed))));
    }
    let version = claimed.min(M::VERSIONS.last);
    let error = match M::decode(&mut reader.clone(), version) {
        Ok(body) => return Ok((body, version)),
        Err(error) => error,
    };
    for earlier in (M::VERSIONS.first..version).rev() {
        let mut reader = reader.clone();
        if let Ok(body) = M::decode(&mut reader, earlier)
            && reader.remaining() == 0
        {
            return Ok((body, version));
        }
    }
    Err(error)
}

fn to_bytes<'a, M: Message<'a>>(body: &M, version: i16) -> Result<BytesMut, EncodeError> {
    let mut writer = Writer::new();
    writer.int16(version);
    body.encode(&mut writer, version)?;
    Ok(writer.finish().0)
}
