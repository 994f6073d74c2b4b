//! How each of Kafka's types is read and written, and how a table says which type a field has.
//!
//! | Kafka | here | null |
//! |---|---|---|
//! | `bool`, `int8` ... `int64`, `uint16`, `float64` | `bool`, `i8` ... `i64`, `u16`, `f64` | |
//! | `uuid` | [`Uuid`] | |
//! | `string` | [`Str`] | `Option` |
//! | `bytes` | [`Octets`] | `Option` |
//! | `[]T` | `Vec<T>` | `Option` |
//! | a structure | a struct | `Option` |
//! | `records` | [`Records`] | [`Records::Null`] |

use super::error::{DecodeError, EncodeError, Obstacle, Problem};
use super::{ErrorCode, Octets, Reader, Str, Writer};
use crate::types::Uuid;
use std::borrow::Cow;

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub first: i16,
    /// The last; `i16::MAX` where the range is open.
    pub last: i16,
}

impl Versions {
    /// No version at all.
    pub const NONE: Versions = Versions { first: 0, last: -1 };
    /// Every version.
    pub const ALL: Versions = Versions {
        first: 0,
        last: i16::MAX,
    };

    /// Whether `version` is in the range.
    pub const fn contain(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}

/// Which version is read or written, and whether that version is flexible (KIP-482).
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The version of the message.
    pub version: i16,
    /// Whether lengths are varints and structures end in tagged fields.
    pub flexible: bool,
}

/// The type of a field as data, for whoever wants to walk over the tables.
#[derive(Debug)]
#[allow(missing_docs)] // they are Kafka's names
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Array(&'static Kind),
    Nullable(&'static Kind),
    Structure(&'static str, &'static [Row]),
}

/// One line of a structure's table.
#[derive(Debug)]
pub struct Row {
    /// The field's name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The versions that have it.
    pub versions: Versions,
    /// Its tag, if it is a tagged field.
    pub tag: Option<u32>,
    /// The versions in which it may be null, if its type may.
    pub nullable: Versions,
    /// Whether it is silently dropped where the version does not have it.
    pub ignorable: bool,
}

/// A type that fields can have.
pub trait Field<'a>: Sized {
    /// The type as data.
    const KIND: Kind;

    /// The fewest bytes a value takes: the bound for what an array may allocate.
    fn bytes_min(form: Form) -> usize;

    /// Reads a value.
    ///
    /// # Errors
    /// When the bytes are no such value, or too few.
    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError>;

    /// Writes the value.
    ///
    /// # Errors
    /// When the version cannot carry it.
    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError>;

    /// Whether the value is null.
    fn is_null(&self) -> bool {
        false
    }
}

/// A type that has a null in Kafka's protocol.
pub trait Nullable<'a>: Field<'a> {
    /// The fewest bytes a value or null takes.
    fn nullable_bytes_min(form: Form) -> usize {
        Self::bytes_min(form)
    }

    /// Reads a value or null.
    ///
    /// # Errors
    /// When the bytes are neither.
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError>;

    /// Writes a value or null.
    ///
    /// # Errors
    /// When the version cannot carry it.
    fn write_nullable(
        value: Option<&Self>,
        writer: &mut Writer,
        form: Form,
    ) -> Result<(), EncodeError>;
}

macro_rules! plain_fields {
    ($($type:ty = $kind:ident, $bytes:literal, $method:ident;)*) => {$(
        impl<'a> Field<'a> for $type {
            const KIND: Kind = Kind::$kind;
            fn bytes_min(_: Form) -> usize {
                $bytes
            }
            #[inline]
            fn read(reader: &mut Reader<'a>, _: Form) -> Result<Self, DecodeError> {
                reader.$method()
            }
            #[inline]
            fn write(&self, writer: &mut Writer, _: Form) -> Result<(), EncodeError> {
                writer.$method(*self);
                Ok(())
            }
        }
    )*};
}
plain_fields! {
    bool = Bool,    1,  boolean;
    i8   = Int8,    1,  int8;
    i16  = Int16,   2,  int16;
    u16  = Uint16,  2,  uint16;
    i32  = Int32,   4,  int32;
    i64  = Int64,   8,  int64;
    f64  = Float64, 8,  float64;
    Uuid = Uuid,    16, uuid;
}

impl<'a> Field<'a> for ErrorCode {
    const KIND: Kind = Kind::Int16;

    fn bytes_min(_: Form) -> usize {
        2
    }

    fn read(reader: &mut Reader<'a>, _: Form) -> Result<Self, DecodeError> {
        reader.int16().map(ErrorCode)
    }

    fn write(&self, writer: &mut Writer, _: Form) -> Result<(), EncodeError> {
        writer.error_code(*self);
        Ok(())
    }
}

impl<'a> Field<'a> for Str<'a> {
    const KIND: Kind = Kind::String;

    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 2 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        present(Self::read_nullable(reader, form)?, reader)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.string(Some(self), form.flexible)
    }
}

impl<'a> Nullable<'a> for Str<'a> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        reader.string(form.flexible)
    }

    fn write_nullable(
        value: Option<&Self>,
        writer: &mut Writer,
        form: Form,
    ) -> Result<(), EncodeError> {
        writer.string(value.map(|text| &text[..]), form.flexible)
    }
}

impl<'a> Field<'a> for Octets<'a> {
    const KIND: Kind = Kind::Bytes;

    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        present(Self::read_nullable(reader, form)?, reader)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        Self::write_nullable(Some(self), writer, form)
    }
}

impl<'a> Nullable<'a> for Octets<'a> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        match reader.long_length(form.flexible)? {
            Some(length) => reader.octets(length).map(Some),
            None => Ok(None),
        }
    }

    fn write_nullable(
        value: Option<&Self>,
        writer: &mut Writer,
        form: Form,
    ) -> Result<(), EncodeError> {
        writer.long_length(value.map(|bytes| bytes.len()), form.flexible)?;
        writer.octets(value.map_or(&[], |bytes| bytes));
        Ok(())
    }
}

impl<'a, T: Field<'a>> Field<'a> for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);

    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        present(Self::read_nullable(reader, form)?, reader)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        Self::write_nullable(Some(self), writer, form)
    }
}

impl<'a, T: Field<'a>> Nullable<'a> for Vec<T> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        let Some(count) = reader.long_length(form.flexible)? else {
            return Ok(None);
        };
        // Elements that cannot all be there are refused before any memory is taken for them.
        reader.need(count.saturating_mul(T::bytes_min(form).max(1)))?;
        reader.count_elements(count)?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(reader, form)?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(
        value: Option<&Self>,
        writer: &mut Writer,
        form: Form,
    ) -> Result<(), EncodeError> {
        writer.long_length(value.map(Vec::len), form.flexible)?;
        value
            .into_iter()
            .flatten()
            .try_for_each(|element| element.write(writer, form))
    }
}

impl<'a, T: Nullable<'a>> Field<'a> for Option<T> {
    const KIND: Kind = Kind::Nullable(&T::KIND);

    fn bytes_min(form: Form) -> usize {
        T::nullable_bytes_min(form)
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        T::read_nullable(reader, form)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        T::write_nullable(self.as_ref(), writer, form)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

/// Record batches within a message.
///
/// Read, they are a range of the frame: the broker neither copies nor decodes them here. Written,
/// they are a hole that the sender fills from a file, or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Records<'a> {
    /// No record set at all. A fetch reply never says so: librdkafka fails on it.
    #[default]
    Null,
    /// Where the set lies in the frame that was read, in bytes from the reader's first.
    Range {
        /// The first byte.
        start: usize,
        /// How many bytes.
        length: usize,
    },
    /// That many bytes, to be sent from elsewhere; see [`super::Hole`].
    Hole(usize),
    /// The bytes themselves.
    Bytes(Octets<'a>),
}

impl Records<'_> {
    /// A set without any bytes, which is not the same as null.
    pub const EMPTY: Records<'static> = Records::Hole(0);

    /// How many bytes; 0 for null.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Range { length, .. } | Records::Hole(length) => *length,
            Records::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Field<'a> for Records<'a> {
    const KIND: Kind = Kind::Records;

    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        let Some(length) = reader.long_length(form.flexible)? else {
            return Ok(Records::Null);
        };
        let start = reader.position();
        reader.skip(length)?;
        Ok(Records::Range { start, length })
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        match self {
            Records::Null => writer.long_length(None, form.flexible),
            Records::Range { .. } => Err(EncodeError::new(Obstacle::Range)),
            Records::Hole(length) => {
                writer.long_length(Some(*length), form.flexible)?;
                writer.hole(*length);
                Ok(())
            }
            Records::Bytes(bytes) => bytes.write(writer, form),
        }
    }

    fn is_null(&self) -> bool {
        *self == Records::Null
    }
}

impl<'a> From<&'a [u8]> for Records<'a> {
    fn from(bytes: &'a [u8]) -> Records<'a> {
        Records::Bytes(Cow::Borrowed(bytes))
    }
}

fn present<T>(value: Option<T>, reader: &Reader<'_>) -> Result<T, DecodeError> {
    value.ok_or_else(|| reader.error(Problem::Null))
}
