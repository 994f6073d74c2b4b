//! One shard's kernel: takes operations, performs them, gives completions back.
//!
//! What never waits is done by a direct call inside [`Kernel::submit`]; its completion lies in
//! `ready` until the next [`Kernel::take_done`] or [`Kernel::poll`]. What may wait goes onto the ring, but for
//! a few sockets while the shard looks around ([`super::lookout`]), and the ring is entered in `poll`: to submit
//! what gathered, to run the completions the kernel has deferred until there are none (DEFER_TASKRUN completes
//! nothing unless entered with GETEVENTS; TASKRUN_FLAG says when that is worth it, so that a `poll` without news
//! costs no system call on its account), and to sleep.
//!
//! Sockets are polled once for each time that a connection waits. Polled once for all (multishot), a bare echo
//! took 0.98 of the processor time with 64 connections and 0.94 with one (120 rounds of 0.2 s in turn): too little
//! for a second life of a descriptor beside its socket's.

use super::append::{AppendMode, Judge, RingWrites, Way};
use super::clock::{monotonic_ns, monotonic_us};
use super::crowd::Crowd;
use super::error::{KernelError, kernel_release};
use super::inflight::InFlight;
use super::lookout::{Lookout, Watched};
use super::pipes::{self, Pipes};
use super::residency::is_resident;
use super::retry::retry;
use super::tasks::{Job, Queues, Results, TaskThreads};
use super::waker::Waker;
use super::{pressure, socket};
use crate::io::{
    Completion, File, FileRange, Operation, Outcome, Patience, Pieces, Socket, Task, Token,
};
use crate::limits::{COLD_READ_BYTES_MAX, IOVECS_MAX};
use crate::types::Places;
use bytes::BytesMut;
use crossbeam_channel::{Receiver, unbounded};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use rustix::event::PollFlags;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, BorrowedFd};

/// How a kernel is made.
#[derive(Clone, Debug)]
pub struct KernelConfig {
    /// Operations that gather before the ring is entered; a power of two. The completion queue has
    /// eight times as many places; what overflows it waits in the kernel's memory and is slower.
    pub ring_entries: u32,
    /// `log.append.mode`.
    pub append_mode: AppendMode,
    /// How long `poll` looks around before it sleeps, microseconds, unless many connections keep the
    /// shard at work. 0 where shards outnumber cores.
    pub spin_us: u32,
    /// Workers (io-wq) that serve this ring's reads and punted writes at once. Each holds one
    /// blocking read or write; appends of one file are serialised anyway. The kernel's own bound,
    /// four per core or the ring's size, lets a backlog reader start hundreds, which then take the
    /// processor from the shards.
    pub workers: u32,
    /// The cores those workers may use; empty leaves it to the kernel, which takes all that the
    /// process's cpuset allows, whatever core the shard is pinned to. That is the default, because a
    /// worker on its shard's core waits for the very shard that wants its result.
    pub worker_cores: Vec<usize>,
    /// SO_SNDBUF of accepted sockets, bytes; `None` leaves the system's autotuning on.
    pub send_buffer_bytes: Option<u32>,
    /// SO_RCVBUF of accepted sockets, bytes; `None` leaves the system's autotuning on.
    pub receive_buffer_bytes: Option<u32>,
}

impl Default for KernelConfig {
    fn default() -> KernelConfig {
        KernelConfig {
            ring_entries: 1024,
            append_mode: AppendMode::Auto,
            spin_us: 100,
            workers: 8,
            worker_cores: Vec::new(),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

/// Performs one shard's operations. Made on the thread that uses it, and stays there.
pub struct Kernel<T: Task> {
    ring: IoUring,
    /// A completion that comes twice, or for another operation, is caught by its number.
    in_flight: Places<InFlight>,
    /// Completions that wait for the next `poll`.
    ready: Vec<Completion<T::Outcome>>,
    tasks: Queues<T>,
    results_sender: Results<T>,
    results: Receiver<(Token, T::Outcome)>,
    waker: Waker,
    judge: Judge,
    spin_us: u32,
    crowd: Crowd,
    lookout: Lookout,
    /// It looked around when it last found nothing to do, and most likely will again.
    looks_around: bool,
    /// Rounds since then, each of which brought something.
    rounds_at_work: u32,
    buffers: socket::Buffers,
    page_bytes: u64,
    ring_messages: bool,
    /// Vectors of appends past, for the next ones.
    spare_vectors: Vec<Vec<libc::iovec>>,
    pipes: Pipes,
}

/// The number that messages from other rings carry: the slab never gives it.
const MESSAGE: u64 = u64::MAX;
/// How long a kernel at its end waits for what is on the ring.
const FAREWELL: Timespec = Timespec::new().sec(1);
/// A shard that has had something to do in so many rounds in a row does not look around.
const BUSY_ROUNDS: u32 = 64;
/// Vectors kept for reuse: no shard has many more appends at once, and each is 16 KiB at most.
const SPARE_VECTORS_MAX: usize = 64;

impl<T: Task> Kernel<T> {
    /// Makes the ring. Call it on the shard's own thread: no other may use it.
    pub fn new(
        config: KernelConfig,
        tasks: &TaskThreads<T>,
    ) -> std::result::Result<Kernel<T>, KernelError> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(config.ring_entries * 8)
            .build(config.ring_entries)
            .map_err(|error| KernelError::new("make an io_uring", error))?;
        ring.submitter()
            .register_iowq_max_workers(&mut [config.workers, config.workers])
            .map_err(|error| KernelError::new("bound the workers of an io_uring", error))?;
        if !config.worker_cores.is_empty() {
            // SAFETY: all-zero bytes are the empty set.
            let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            for core in config.worker_cores {
                // SAFETY: `cores` is valid, and CPU_SET ignores what lies beyond it.
                unsafe { libc::CPU_SET(core, &mut cores) };
            }
            ring.submitter()
                .register_iowq_aff(&cores)
                .map_err(|error| KernelError::new("place the workers of an io_uring", error))?;
        }
        let waker = Waker::new(ring.as_raw_fd())
            .map_err(|error| KernelError::new("make an eventfd", error))?;
        if config.append_mode == AppendMode::Auto {
            pressure::start_sampling();
        }
        let (results_sender, results) = unbounded();
        let mut kernel = Kernel {
            ring,
            in_flight: Places::default(),
            ready: Vec::new(),
            tasks: tasks.queues(),
            results_sender,
            results,
            waker,
            judge: Judge::new(config.append_mode),
            spin_us: config.spin_us,
            crowd: Crowd::default(),
            lookout: Lookout::default(),
            looks_around: config.spin_us > 0,
            rounds_at_work: 0,
            buffers: socket::Buffers {
                send_bytes: config.send_buffer_bytes,
                receive_bytes: config.receive_buffer_bytes,
            },
            page_bytes: page_bytes(),
            ring_messages: rings_take_messages(),
            spare_vectors: Vec::new(),
            pipes: Pipes::new(),
        };
        kernel.watch_bell();
        Ok(kernel)
    }

    /// Takes an operation; its completion comes with the same token, from [`Kernel::take_done`] if it is
    /// done at once and else from a later [`Kernel::poll`].
    pub fn submit(&mut self, token: Token, operation: Operation<T>) {
        match operation {
            Operation::Accept { listener } => self.accept(token, listener),
            Operation::Poll { socket, interest } => self.watch(Watched {
                token,
                socket,
                interest,
            }),
            Operation::Receive {
                socket,
                mut buffers,
            } => {
                let result = socket::receive(socket.number(), &mut buffers);
                self.done(token, Outcome::Received { buffers, result });
            }
            Operation::Send {
                socket,
                parts,
                more,
            } => {
                let result = socket::send(socket.number(), &parts, more);
                self.done(token, Outcome::Sent(result));
            }
            Operation::SendFile {
                socket,
                range,
                more,
            } => {
                let result = self.send_file(&socket, &range, more);
                self.done(token, Outcome::SentFile(result));
            }
            Operation::Fill { range } => match self.pipes.take() {
                Some(pipe) => self.start_fill(InFlight::Fill { token, range, pipe }),
                None => self.done(token, Outcome::Filled(Ok(None))),
            },
            Operation::Drain {
                socket,
                pipe,
                bytes,
                more,
            } => {
                let result = pipes::drain(&pipe, socket.number(), bytes, more);
                let mut pipe = Some(pipe);
                if matches!(result, Ok(count) if count == bytes) {
                    self.pipes.give_back(pipe.take().expect("just put there"));
                }
                self.done(token, Outcome::Drained { pipe, result });
            }
            Operation::Shutdown { socket } => {
                socket::shut_down(&socket);
                self.done(token, Outcome::ShutDown);
            }
            Operation::Append {
                file,
                position,
                pieces,
            } => self.append(token, file, position, pieces),
            Operation::Read {
                file,
                position,
                length,
                buffer,
                patience,
            } => self.read(token, file, position, length, buffer, patience),
            Operation::Task(task) => {
                let job = Job::Run {
                    token,
                    task,
                    results: self.results_sender.clone(),
                    waker: self.waker.clone(),
                };
                self.tasks.send(job);
            }
        }
    }

    /// Appends the completions there are to `completions`. If there are none, waits: looks around
    /// for the configured while, then sleeps, until there is one, `deadline_us` on the monotonic
    /// clock passed, `more_work` said yes, or somebody woke it. May return without a completion.
    ///
    /// `more_work` says whether the shard has mail. It is asked while looking around, and once more
    /// after the flag was raised that makes others wake this kernel, so that no mail is missed.
    pub fn poll(
        &mut self,
        deadline_us: Option<u64>,
        more_work: &mut dyn FnMut() -> bool,
        completions: &mut Vec<Completion<T::Outcome>>,
    ) {
        let before = completions.len();
        if self.gather(completions) || more_work() {
            self.rounds_at_work = self.rounds_at_work.saturating_add(1);
            if self.rounds_at_work == BUSY_ROUNDS {
                self.looks_around = false;
                self.leave_to_ring();
            }
        } else {
            self.rounds_at_work = 0;
            let from_us = monotonic_us();
            let until_us = self.wait(from_us, deadline_us, more_work, completions);
            self.crowd.waited(until_us - from_us);
        }
        for completion in &completions[before..] {
            self.crowd.came(completion.token);
        }
    }

    /// Waits from `from_us` on, as [`Kernel::poll`] says; the time when that is over.
    fn wait(
        &mut self,
        from_us: u64,
        deadline_us: Option<u64>,
        more_work: &mut dyn FnMut() -> bool,
        completions: &mut Vec<Completion<T::Outcome>>,
    ) -> u64 {
        let spin_us = match self.crowd.is_busy(from_us) {
            true => 0,
            false => u64::from(self.spin_us),
        };
        self.looks_around = spin_us > 0;
        let mut now_us = from_us;
        loop {
            if deadline_us.is_some_and(|deadline_us| now_us >= deadline_us) {
                return now_us;
            }
            if now_us < from_us + spin_us {
                std::hint::spin_loop();
            } else {
                self.leave_to_ring();
                self.waker.lie_down();
                if more_work() || !self.results.is_empty() || !self.ready.is_empty() {
                    self.waker.get_up();
                    self.gather(completions);
                    return now_us;
                }
                self.enter(
                    1,
                    deadline_us.map(|deadline_us| timespec(deadline_us - now_us)),
                );
                if self.waker.get_up() {
                    self.gather(completions);
                    return monotonic_us();
                }
            }
            now_us = monotonic_us();
            if self.gather(completions) || more_work() {
                return now_us;
            }
        }
    }

    /// Appends the completions of what was done within [`Kernel::submit`], so that they need not wait
    /// for the next [`Kernel::poll`].
    pub fn take_done(&mut self, completions: &mut Vec<Completion<T::Outcome>>) {
        completions.append(&mut self.ready);
    }

    /// For others to wake this kernel.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Wakes another kernel if it sleeps. The message leaves at the next [`Kernel::poll`].
    pub fn wake(&mut self, other: &Waker) {
        if !other.claim() {
            return;
        }
        let ring = other.ring_fd();
        if !self.ring_messages || ring < 0 {
            other.ring_bell();
            return;
        }
        let number = self
            .in_flight
            .insert(InFlight::Message { to: other.clone() });
        self.push(
            opcode::MsgRingData::new(Fd(ring), 0, MESSAGE, None).build(),
            number,
        );
    }

    /// Operations whose completion has not been reaped yet, tasks not counted; the kernel's own
    /// included.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() + self.lookout.len()
    }

    /// Of those, sockets that are asked directly.
    #[cfg(test)]
    pub(super) fn asked(&self) -> usize {
        self.lookout.len()
    }

    // -- performing

    fn accept(&mut self, token: Token, listener: Socket) {
        match socket::accept(listener.number(), self.buffers) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let entry = poll_entry(&listener, PollFlags::IN);
                let number = self.in_flight.insert(InFlight::Accept { token, listener });
                self.push(entry, number);
            }
            other => self.done(token, Outcome::Accepted(other)),
        }
    }

    fn watch(&mut self, watched: Watched) {
        let by_ring = match self.looks_around {
            true => self.lookout.take(watched),
            false => Some(watched),
        };
        if let Some(watched) = by_ring {
            self.watch_by_ring(watched);
        }
    }

    /// The ring watches what has been asked directly.
    fn leave_to_ring(&mut self) {
        while let Some(watched) = self.lookout.give_up() {
            self.watch_by_ring(watched);
        }
    }

    fn watch_by_ring(&mut self, watched: Watched) {
        let entry = poll_entry(&watched.socket, watched.events());
        let number = self.in_flight.insert(InFlight::Poll(watched));
        self.push(entry, number);
    }

    fn watch_bell(&mut self) {
        let entry = opcode::PollAdd::new(Fd(self.waker.event_fd()), libc::POLLIN as u32).build();
        let number = self.in_flight.insert(InFlight::Bell);
        self.push(entry, number);
    }

    /// Sends what of the range is resident: all of it, else its beginning, else nothing.
    ///
    /// sendfile(2) has no MSG_MORE. The header before the file carries that flag, which is what
    /// counts; after a file the last segment leaves at once, so a reply of many ranges has one short
    /// segment per range.
    fn send_file(&self, socket: &Socket, range: &FileRange, _more: bool) -> Result<Option<usize>> {
        let file = range.file.number();
        let resident = |length| is_resident(file, range.position, length, self.page_bytes);
        let first = range.length.min(COLD_READ_BYTES_MAX as u64);
        let length = if resident(range.length) {
            range.length
        } else if first < range.length && resident(first) {
            first
        } else {
            return Ok(None);
        };
        let count = length.min(SENDFILE_CALL_BYTES_MAX) as usize;
        socket::send_file(socket.number(), file, range.position, count).map(Some)
    }

    fn append(&mut self, token: Token, file: File, position: u64, pieces: Pieces) {
        assert!(!pieces.is_empty() && pieces.chunk_count() <= IOVECS_MAX);
        let mut vectors = self.spare_vectors.pop().unwrap_or_default();
        vectors.extend(pieces.chunks().map(|part| libc::iovec {
            iov_base: part.as_ptr().cast_mut().cast(),
            iov_len: part.len(),
        }));
        let began_ns = monotonic_ns();
        match self.way_of(&file, pieces.len(), began_ns / 1_000) {
            Way::Inline => {
                // SAFETY: the vectors point into `pieces`, which pwritev only reads.
                let result = retry(|| unsafe {
                    let count = vectors.len() as i32;
                    libc::pwritev(file.number(), vectors.as_ptr(), count, position as i64)
                });
                let now_ns = monotonic_ns();
                let took_ns = now_ns - began_ns;
                self.judge
                    .inline_took(pieces.len(), took_ns / 1_000, now_ns / 1_000);
                self.keep_vectors(vectors);
                let outcome = Outcome::Appended {
                    pieces,
                    result,
                    took_ns,
                };
                self.done(token, outcome);
            }
            Way::Ring => self.start_append(InFlight::Append {
                token,
                file,
                position,
                pieces,
                vectors,
                began_ns,
            }),
        }
    }

    fn way_of(&self, file: &File, bytes: usize, now_us: u64) -> Way {
        if !self.judge.needs_facts() {
            return self.judge.choose(bytes, RingWrites::Punted, false, 0);
        }
        let writes = match file.note() {
            WRITES_INLINE => RingWrites::Inline,
            WRITES_PUNTED => RingWrites::Punted,
            _ => ring_writes(file),
        };
        self.judge
            .choose(bytes, writes, pressure::pressure(), now_us)
    }

    fn start_append(&mut self, append: InFlight) {
        let InFlight::Append {
            ref file,
            position,
            ref vectors,
            ..
        } = append
        else {
            unreachable!("called for appends");
        };
        let entry = opcode::Writev::new(Fd(file.number()), vectors.as_ptr(), vectors.len() as u32)
            .offset(position)
            .build();
        let number = self.in_flight.insert(append);
        self.push(entry, number);
    }

    fn read(
        &mut self,
        token: Token,
        file: File,
        position: u64,
        length: usize,
        mut buffer: BytesMut,
        patience: Patience,
    ) {
        assert!(length > 0 && buffer.capacity() - buffer.len() >= length);
        let mut already = 0;
        if patience == Patience::Hot {
            match read_resident(&file, position, length, &mut buffer) {
                // The rest is not in the page cache, or the file ends: the ring tells which.
                Ok(count) if count > 0 && count < length => already = count,
                // EAGAIN: nothing of it is in the page cache. EOPNOTSUPP: this file system cannot
                // tell (RWF_NOWAIT, preadv2(2)).
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EOPNOTSUPP)) => {}
                result => {
                    self.done(token, Outcome::Read { buffer, result });
                    return;
                }
            }
        }
        self.start_read(InFlight::Read {
            token,
            file,
            position,
            length,
            buffer,
            already,
        });
    }

    fn start_read(&mut self, mut read: InFlight) {
        let InFlight::Read {
            ref file,
            position,
            length,
            ref mut buffer,
            already,
            ..
        } = read
        else {
            unreachable!("called for reads");
        };
        let into = buffer.spare_capacity_mut().as_mut_ptr().cast();
        let entry = opcode::Read::new(Fd(file.number()), into, (length - already) as u32)
            .offset(position + already as u64)
            .build()
            .flags(squeue::Flags::ASYNC);
        let number = self.in_flight.insert(read);
        self.push(entry, number);
    }

    fn start_fill(&mut self, fill: InFlight) {
        let InFlight::Fill {
            ref range,
            ref pipe,
            ..
        } = fill
        else {
            unreachable!("called for fills");
        };
        let (file, position) = (Fd(range.file.number()), range.position as i64);
        let length = range.length.min(COLD_READ_BYTES_MAX as u64) as u32;
        // A worker performs it, whatever the flags: it may wait for the disk, and the pipe is empty.
        let entry = opcode::Splice::new(file, position, Fd(pipe.write_end()), -1, length).build();
        let number = self.in_flight.insert(fill);
        self.push(entry, number);
    }

    // -- completing

    /// Collects all there is without waiting; whether that is anything.
    fn gather(&mut self, completions: &mut Vec<Completion<T::Outcome>>) -> bool {
        let is_submitting = !self.ring.submission().is_empty();
        if is_submitting || self.holds_back() {
            self.enter(0, None);
        }
        // An entry that does not wait runs about twenty of the completions that the kernel has deferred, but an
        // operation on what is ready completes as it is submitted: where hundreds of connections have something,
        // those would overtake the others for ever.
        while self.reap() > 0 && self.holds_back() {
            self.enter(0, None);
        }
        let ready = &mut self.ready;
        self.lookout
            .ask(|watched| ready.push(watched.into_completion()));
        let before = completions.len();
        completions.append(&mut self.ready);
        let results = self.results.try_iter().map(|(token, outcome)| Completion {
            token,
            outcome: Outcome::Done(outcome),
        });
        completions.extend(results);
        completions.len() > before
    }

    /// Whether the kernel has completions that only an entry brings to the ring.
    fn holds_back(&mut self) -> bool {
        let queue = self.ring.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Takes what is on the ring; how many completions that were.
    fn reap(&mut self) -> usize {
        const BATCH: usize = 64;
        let mut all = 0;
        loop {
            let mut batch = [(0u64, 0i32); BATCH];
            let mut count = 0;
            for (place, entry) in batch.iter_mut().zip(self.ring.completion()) {
                *place = (entry.user_data(), entry.result());
                count += 1;
            }
            for (number, result) in &batch[..count] {
                if *number != MESSAGE {
                    let operation = self.in_flight.remove(*number).expect("it completes once");
                    self.complete(operation, *result);
                }
            }
            all += count;
            if count < BATCH {
                return all;
            }
        }
    }

    /// An operation left the ring with `result`: a count, or an errno below zero.
    fn complete(&mut self, operation: InFlight, result: i32) {
        match operation {
            // Readable or failed: accepting tells which. Nobody there after all: waits again.
            InFlight::Accept { token, listener } => self.accept(token, listener),
            // An error of the poll itself is one of the socket: the next call on it tells.
            InFlight::Poll(watched) => self.ready.push(watched.into_completion()),
            InFlight::Append { .. } if is_transient(result) => self.start_append(operation),
            InFlight::Append {
                token,
                file,
                pieces,
                vectors,
                began_ns,
                ..
            } => {
                drop(file);
                self.keep_vectors(vectors);
                let outcome = Outcome::Appended {
                    pieces,
                    result: count_or_error(result),
                    took_ns: monotonic_ns() - began_ns,
                };
                self.done(token, outcome);
            }
            InFlight::Read { .. } if is_transient(result) => self.start_read(operation),
            InFlight::Read {
                token,
                file,
                mut buffer,
                already,
                ..
            } => {
                drop(file);
                let result = match count_or_error(result) {
                    Ok(count) => {
                        // SAFETY: the kernel has filled `count` bytes of the spare capacity.
                        unsafe { buffer.set_len(buffer.len() + count) };
                        Ok(already + count)
                    }
                    // What was read before the error is good; the next read meets the error again.
                    Err(_) if already > 0 => Ok(already),
                    Err(error) => Err(error),
                };
                self.done(token, Outcome::Read { buffer, result });
            }
            InFlight::Fill { .. } if is_transient(result) => self.start_fill(operation),
            InFlight::Fill { token, range, pipe } => {
                drop(range);
                let result = count_or_error(result).map(|count| Some((pipe, count)));
                self.done(token, Outcome::Filled(result));
            }
            InFlight::Bell => {
                self.waker.hush();
                self.watch_bell();
            }
            InFlight::Message { to } => {
                if result < 0 {
                    // EBADFD: that ring is gone. EOVERFLOW, EAGAIN, ENOMEM: no room for a message.
                    // The eventfd reaches whoever is still there.
                    to.ring_bell();
                }
            }
            InFlight::Cancel => unreachable!("only a kernel at its end cancels"),
        }
    }

    fn done(&mut self, token: Token, outcome: Outcome<T::Outcome>) {
        self.ready.push(Completion { token, outcome });
    }

    fn keep_vectors(&mut self, mut vectors: Vec<libc::iovec>) {
        if self.spare_vectors.len() < SPARE_VECTORS_MAX {
            vectors.clear();
            self.spare_vectors.push(vectors);
        }
    }

    // -- the ring

    /// Puts an entry onto the ring, entering it first if it is full.
    fn push(&mut self, entry: squeue::Entry, number: u64) {
        let entry = entry.user_data(number);
        loop {
            // SAFETY: descriptors and memory the entry names are owned by the slab until its
            // completion was reaped.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.enter(0, None);
            if self.ring.submission().is_full() {
                self.reap();
            }
        }
    }

    /// io_uring_enter(2): submits, runs deferred completions, and waits for `want` of them, at most
    /// for `timeout`. May return early; whoever waits looks and comes again.
    fn enter(&mut self, want: usize, timeout: Option<Timespec>) {
        let submitter = self.ring.submitter();
        let result = match &timeout {
            Some(timeout) => submitter.submit_with_args(want, &SubmitArgs::new().timespec(timeout)),
            None => submitter.submit_and_wait(want),
        };
        let Err(error) = result else { return };
        match error.raw_os_error() {
            // The timeout passed.
            Some(libc::ETIME) => {}
            // A signal came.
            Some(libc::EINTR) => {}
            // Too many completions wait to be reaped: reap first.
            Some(libc::EBUSY) => {}
            // No memory for a request at this moment.
            Some(libc::EAGAIN | libc::ENOMEM) => std::thread::yield_now(),
            // EBADR: a completion was lost for want of memory, and its submitter would wait for
            // ever. EEXIST: another thread uses this ring. EBADF, EFAULT, EINVAL, ENXIO, EOPNOTSUPP:
            // the ring is not what we made. None can be repaired.
            _ => panic!("io_uring_enter: {error}"),
        }
    }
}

impl<T: Task> Drop for Kernel<T> {
    /// Cancels what is on the ring and waits for it, so that nothing is freed that the system still
    /// writes to. What does not end within a second is leaked instead.
    fn drop(&mut self) {
        self.waker.retire();
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        let number = self.in_flight.insert(InFlight::Cancel);
        self.push(cancel, number);
        let until_us = monotonic_us() + 1_000_000;
        while !self.in_flight.is_empty() && monotonic_us() < until_us {
            self.enter(1, Some(FAREWELL));
            while let Some(entry) = self.ring.completion().next() {
                if entry.user_data() != MESSAGE {
                    drop(self.in_flight.remove(entry.user_data()));
                }
            }
        }
        if !self.in_flight.is_empty() {
            std::mem::forget(std::mem::take(&mut self.in_flight));
        }
    }
}

/// Bytes of one sendfile call: beyond this a socket buffer never takes more at once, and a shard
/// should turn to its other connections.
const SENDFILE_CALL_BYTES_MAX: u64 = 4 << 20;

/// What is noted of a file: how its file system performs the ring's writes.
const WRITES_INLINE: u8 = 1;
const WRITES_PUNTED: u8 = 2;

/// Asks the file system, and notes the answer.
fn ring_writes(file: &File) -> RingWrites {
    // SAFETY: the handle keeps the descriptor open while it is borrowed.
    let borrowed = unsafe { BorrowedFd::borrow_raw(file.number()) };
    let writes = match nix::sys::statfs::fstatfs(borrowed) {
        Ok(facts) => RingWrites::of_file_system(facts.filesystem_type().0),
        // EIO, ENOMEM, ENOSYS: no facts, so the way that never waits on the shard.
        Err(_) => RingWrites::Inline,
    };
    file.set_note(match writes {
        RingWrites::Inline => WRITES_INLINE,
        RingWrites::Punted => WRITES_PUNTED,
    });
    writes
}

fn poll_entry(socket: &Socket, events: PollFlags) -> squeue::Entry {
    opcode::PollAdd::new(Fd(socket.number()), u32::from(events.bits())).build()
}

/// preadv2(2) with RWF_NOWAIT: what of the range is in the page cache.
fn read_resident(
    file: &File,
    position: u64,
    length: usize,
    buffer: &mut BytesMut,
) -> Result<usize> {
    let vector = libc::iovec {
        iov_base: buffer.spare_capacity_mut().as_mut_ptr().cast(),
        iov_len: length,
    };
    // SAFETY: the vector is spare capacity of `buffer`, which has `length` bytes of it.
    let count = retry(|| unsafe {
        libc::preadv2(file.number(), &vector, 1, position as i64, libc::RWF_NOWAIT)
    })?;
    // SAFETY: the kernel has filled `count` bytes of it.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

/// EINTR and EAGAIN of a worker: the same operation again.
fn is_transient(result: i32) -> bool {
    matches!(-result, libc::EINTR | libc::EAGAIN)
}

fn count_or_error(result: i32) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::from_raw_os_error(-result))
}

fn timespec(duration_us: u64) -> Timespec {
    Timespec::new()
        .sec(duration_us / 1_000_000)
        .nsec((duration_us % 1_000_000 * 1_000) as u32)
}

fn page_bytes() -> u64 {
    // SAFETY: a plain question.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).expect("every Linux knows its page size")
}

/// Whether MSG_RING wakes a DEFER_TASKRUN ring reliably: from Linux 6.3 on the message is posted by
/// the target's own task. Before, the eventfd does it at the same cost.
fn rings_take_messages() -> bool {
    let release = kernel_release().unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (6u32, 3u32),
        _ => false,
    }
}
