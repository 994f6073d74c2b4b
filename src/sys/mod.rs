//! Performs operations: the ring, files, sockets, clocks, processors, signals. All unsafe code and all system calls live here.
