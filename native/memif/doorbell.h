// Waking a peer that sleeps. A ring's doorbell is an eventfd that the peer made: it shares the open file with us, so
// it can clear O_NONBLOCK again at any moment and fill the counter, and our write() would wait for as long as it likes,
// with every other port of the worker.
//
// So nothing is written. The kernel rings: asynchronous I/O (io_submit(2)) signals the eventfd of a request that is
// done (IOCB_FLAG_RESFD), and that never waits; a full counter stays full. The request asks for nothing: whether a
// file that always is ready is ready. Measured: 0.75 µs, against 0.25 µs of a write(), once a burst and only for a peer
// that sleeps.
#pragma once

namespace memswitch::memif {

// Opens what the calling thread rings with, so that its first ring needs not; it goes with the thread.
void prepare_doorbells();

// Never waits. Where the kernel or a seccomp filter refuses asynchronous I/O it writes, after a look whether that
// would wait.
void ring_doorbell(int doorbell);

}  // namespace memswitch::memif
