//! The cluster image, made by replaying metadata records.
