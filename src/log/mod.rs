//! One partition's log: segments, indexes, epochs, producer state, recovery. Pure decisions over bytes.
