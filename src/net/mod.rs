//! A connection: frames in, ordered replies out.
