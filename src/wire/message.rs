//! The macro that turns a table into a message.
//!
//! A message is declared once, in the terms of Kafka's own schemas:
//!
//! ```text
//! message! {
//!     /// What a consumer or a follower asks of a leader.
//!     FetchRequest<'a> key 1 versions [4-18] flexible [12+] {
//!         /// The follower's cluster.
//!         cluster_id:  Option<Str<'a>>      [12+]  tag 0, ignorable;
//!         /// The follower, -1 for a consumer.
//!         replica_id:  i32                  [0-14] = -1;
//!         /// What to fetch.
//!         topics:      Vec<FetchTopic<'a>>  [0+];
//!     }
//!     /// The partitions of a topic.
//!     struct FetchTopic<'a> { ... }
//! }
//! ```
//!
//! A line is `name: type [versions] tag N nullable [versions] = default, ignorable;` and all after
//! the versions may be missing. An `Option` may be null in every version unless `nullable` says in
//! which. The default is what the field holds when a version does not have it, and what a tagged
//! field is not sent for; without `= ...` it is zero, empty or null. A field that is set to anything
//! else in a version that does not have it is an error when written, or dropped if `ignorable`, which
//! is Kafka's rule. Tags stand in ascending order, because they are written in the table's order.
//!
//! The macro makes the structs, their defaults, reading and writing for every version, and
//! [`Field::KIND`]: the table as data, which the tests walk over.

use super::api_key::ApiKey;
use super::error::{DecodeError, EncodeError, Obstacle, Problem};
use super::field::{Field, Form, Versions};
use super::{Reader, Writer};

/// A message: the structure at the root of a table.
pub trait Message<'a>: Field<'a> + Default {
    /// Kafka's name of the message.
    const NAME: &'static str;
    /// The versions that are read and written.
    const VERSIONS: Versions;
    /// The versions that are flexible (KIP-482).
    const FLEXIBLE: Versions;

    /// Reads the message. What follows it stays in the reader.
    ///
    /// # Errors
    /// When the bytes are not this version of the message, or the version is unknown.
    fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contain(version) {
            return Err(reader.error(Problem::Version(version)).of(Self::NAME));
        }
        Self::read(reader, Self::form(version)).map_err(|error| error.of(Self::NAME))
    }

    /// Writes the message.
    ///
    /// # Errors
    /// When the version cannot carry what the message holds, or is unknown.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contain(version) {
            return Err(EncodeError::new(Obstacle::Version(version)).of(Self::NAME));
        }
        self.write(writer, Self::form(version))
            .map_err(|error| error.of(Self::NAME))
    }

    /// How `version` is laid out.
    fn form(version: i16) -> Form {
        Form {
            version,
            flexible: Self::FLEXIBLE.contain(version),
        }
    }
}

/// A request or a response.
pub trait Body<'a>: Message<'a> {
    /// The API it belongs to.
    const KEY: ApiKey;
}

/// `[12+]`, `[0-14]`, `[6]` as [`Versions`].
macro_rules! versions {
    ($first:literal +) => {
        $crate::wire::Versions {
            first: $first,
            last: i16::MAX,
        }
    };
    ($first:literal - $last:literal) => {
        $crate::wire::Versions {
            first: $first,
            last: $last,
        }
    };
    (none) => {
        $crate::wire::Versions::NONE
    };
    ($only:literal) => {
        $crate::wire::Versions {
            first: $only,
            last: $only,
        }
    };
}

/// The value given, or the other one.
macro_rules! given {
    (; $otherwise:expr) => {
        $otherwise
    };
    ($given:expr; $otherwise:expr) => {
        $given
    };
}

/// The statement, if there is a tag.
macro_rules! if_tagged {
    ([] $statement:block) => {};
    ([$tag:literal] $statement:block) => {
        $statement
    };
}

/// One structure of a message.
macro_rules! structure {
    (
        $(#[$meta:meta])*
        $name:ident $(<$life:lifetime>)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty [$($versions:tt)*]
                    $(tag $tag:literal)?
                    $(nullable [$($nullable:tt)*])?
                    $(= $default:expr)?
                    $(, $ignorable:ident)?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$life>)? {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $(<$life>)? Default for $name $(<$life>)? {
            fn default() -> Self {
                Self {
                    $( $field: given!($($default)?; Default::default()), )*
                }
            }
        }

        #[allow(unused_variables, unused_mut)] // a structure may have no fields, or no tagged ones
        impl<'a> $crate::wire::Field<'a> for $name $(<$life>)? {
            const KIND: $crate::wire::Kind = $crate::wire::Kind::Structure(
                stringify!($name),
                &[$(
                    $crate::wire::Row {
                        name: stringify!($field),
                        kind: <$type as $crate::wire::Field>::KIND,
                        versions: versions!($($versions)*),
                        tag: given!($(Some($tag))?; None),
                        nullable: given!(
                            $(versions!($($nullable)*))?; $crate::wire::Versions::ALL
                        ),
                        ignorable: given!($(stringify!($ignorable).len() > 0)?; false),
                    },
                )*],
            );

            fn bytes_min(form: $crate::wire::Form) -> usize {
                let mut bytes = usize::from(form.flexible);
                $(
                    if $crate::wire::message::untagged(given!($(Some($tag))?; None)) && versions!($($versions)*).contain(form.version)
                    {
                        bytes += <$type as $crate::wire::Field>::bytes_min(form);
                    }
                )*
                bytes
            }

            fn read(
                reader: &mut $crate::wire::Reader<'a>,
                form: $crate::wire::Form,
            ) -> Result<Self, $crate::wire::DecodeError> {
                let mut value = Self::default();
                $(
                    if $crate::wire::message::untagged(given!($(Some($tag))?; None)) && versions!($($versions)*).contain(form.version)
                    {
                        value.$field = $crate::wire::message::read_field(
                            reader,
                            form,
                            given!($(versions!($($nullable)*))?; $crate::wire::Versions::ALL),
                        )
                        .map_err(|error| error.at(stringify!($name), stringify!($field)))?;
                    }
                )*
                if form.flexible {
                    $crate::wire::message::read_tagged(reader, |reader, tag| {
                        $(
                            if_tagged!([$($tag)?] {
                                if tag == given!($($tag)?; u32::MAX)
                                    && versions!($($versions)*).contain(form.version)
                                {
                                    value.$field = $crate::wire::message::read_field(
                                        reader,
                                        form,
                                        given!(
                                            $(versions!($($nullable)*))?; $crate::wire::Versions::ALL
                                        ),
                                    )
                                    .map_err(|error| error.at(stringify!($name), stringify!($field)))?;
                                    return Ok(true);
                                }
                            });
                        )*
                        Ok(false)
                    })
                    .map_err(|error| error.at(stringify!($name), "tagged fields"))?;
                }
                Ok(value)
            }

            fn write(
                &self,
                writer: &mut $crate::wire::Writer,
                form: $crate::wire::Form,
            ) -> Result<(), $crate::wire::EncodeError> {
                let mut tags = 0u32;
                $(
                    if versions!($($versions)*).contain(form.version) {
                        if $crate::wire::message::untagged(given!($(Some($tag))?; None)) {
                            $crate::wire::message::write_field(
                                &self.$field,
                                writer,
                                form,
                                given!($(versions!($($nullable)*))?; $crate::wire::Versions::ALL),
                            )
                            .map_err(|error| error.at(stringify!($name), stringify!($field)))?;
                        } else if $crate::wire::message::is_set(&self.$field, given!($($default)?; Default::default())) {
                            tags += 1;
                        }
                    } else if !given!($(stringify!($ignorable).len() > 0)?; false)
                        && $crate::wire::message::is_set(&self.$field, given!($($default)?; Default::default()))
                    {
                        return Err($crate::wire::EncodeError::new($crate::wire::Obstacle::Absent)
                            .at(stringify!($name), stringify!($field)));
                    }
                )*
                if form.flexible {
                    writer.uvarint(tags);
                    $(
                        if_tagged!([$($tag)?] {
                            if versions!($($versions)*).contain(form.version)
                                && $crate::wire::message::is_set(&self.$field, given!($($default)?; Default::default()))
                            {
                                writer
                                    .tagged(given!($($tag)?; u32::MAX), |writer| {
                                        self.$field.write(writer, form)
                                    })
                                    .map_err(|error| error.at(stringify!($name), stringify!($field)))?;
                            }
                        });
                    )*
                }
                Ok(())
            }
        }

        impl<'a> $crate::wire::Nullable<'a> for $name $(<$life>)? {
            fn nullable_bytes_min(_: $crate::wire::Form) -> usize {
                1
            }

            fn read_nullable(
                reader: &mut $crate::wire::Reader<'a>,
                form: $crate::wire::Form,
            ) -> Result<Option<Self>, $crate::wire::DecodeError> {
                $crate::wire::message::read_nullable_structure(reader, form)
            }

            fn write_nullable(
                value: Option<&Self>,
                writer: &mut $crate::wire::Writer,
                form: $crate::wire::Form,
            ) -> Result<(), $crate::wire::EncodeError> {
                $crate::wire::message::write_nullable_structure(value, writer, form)
            }
        }
    };
}

/// A message and the structures in it. See the module's page for the grammar.
macro_rules! message {
    (
        $(#[$meta:meta])*
        $name:ident $(<$life:lifetime>)? $(key $key:literal)?
            versions [$($versions:tt)*] flexible [$($flexible:tt)*]
        { $($fields:tt)* }
        $(
            $(#[$inner_meta:meta])*
            struct $inner:ident $(<$inner_life:lifetime>)? { $($inner_fields:tt)* }
        )*
    ) => {
        structure! { $(#[$meta])* $name $(<$life>)? { $($fields)* } }
        $( structure! { $(#[$inner_meta])* $inner $(<$inner_life>)? { $($inner_fields)* } } )*

        impl<'a> $crate::wire::Message<'a> for $name $(<$life>)? {
            const NAME: &'static str = stringify!($name);
            const VERSIONS: $crate::wire::Versions = versions!($($versions)*);
            const FLEXIBLE: $crate::wire::Versions = versions!($($flexible)*);
        }

        body! { $($key)? => $name $(<$life>)? }
    };
}

/// Ties a message to its API, if it belongs to one.
macro_rules! body {
    (=> $name:ident $(<$life:lifetime>)?) => {};
    ($key:literal => $name:ident $(<$life:lifetime>)?) => {
        impl<'a> $crate::wire::Body<'a> for $name $(<$life>)? {
            const KEY: $crate::wire::ApiKey = $crate::wire::ApiKey($key);
        }
    };
}

pub(super) use {body, given, if_tagged, message, structure, versions};

/// Whether a field without this tag stands in the table's order.
pub(super) const fn untagged(tag: Option<u32>) -> bool {
    tag.is_none()
}

/// Whether a field holds something else than its default.
pub(super) fn is_set<T: PartialEq>(value: &T, default: T) -> bool {
    *value != default
}

/// Reads a field, which may be null only in the versions `nullable`.
pub(super) fn read_field<'a, T: Field<'a>>(
    reader: &mut Reader<'a>,
    form: Form,
    nullable: Versions,
) -> Result<T, DecodeError> {
    let value = T::read(reader, form)?;
    if value.is_null() && !nullable.contain(form.version) {
        return Err(reader.error(Problem::Null));
    }
    Ok(value)
}

/// Writes a field, which may be null only in the versions `nullable`.
pub(super) fn write_field<'a, T: Field<'a>>(
    value: &T,
    writer: &mut Writer,
    form: Form,
    nullable: Versions,
) -> Result<(), EncodeError> {
    if value.is_null() && !nullable.contain(form.version) {
        return Err(EncodeError::new(Obstacle::Null));
    }
    value.write(writer, form)
}

/// Reads the tagged fields at the end of a structure. `known` reads a tag's field and returns true,
/// or returns false for a tag that it does not know, which is passed over.
pub(super) fn read_tagged<'a>(
    reader: &mut Reader<'a>,
    mut known: impl FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    for _ in 0..reader.uvarint()? {
        let tag = reader.uvarint()?;
        let announced = reader.uvarint()? as usize;
        reader.need(announced)?;
        let start = reader.position();
        if !known(reader, tag)? {
            reader.skip(announced)?;
        }
        let taken = reader.position() - start;
        if taken != announced {
            return Err(reader.error(Problem::TagSize {
                tag,
                announced,
                taken,
            }));
        }
    }
    Ok(())
}

/// Reads a structure that may be null: a byte of -1, or one of 1 and the structure.
pub(super) fn read_nullable_structure<'a, T: Field<'a>>(
    reader: &mut Reader<'a>,
    form: Form,
) -> Result<Option<T>, DecodeError> {
    if reader.int8()? < 0 {
        return Ok(None);
    }
    T::read(reader, form).map(Some)
}

/// Writes a structure that may be null.
pub(super) fn write_nullable_structure<'a, T: Field<'a>>(
    value: Option<&T>,
    writer: &mut Writer,
    form: Form,
) -> Result<(), EncodeError> {
    let Some(value) = value else {
        writer.int8(-1);
        return Ok(());
    };
    writer.int8(1);
    value.write(writer, form)
}
