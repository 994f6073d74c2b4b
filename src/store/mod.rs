//! Files <-> log: open, append, read, recover, delete.
