import Glibc

/// Memory for one chunk between its arrival and its verification, page-aligned.
///
/// `@unchecked Sendable`: it has one holder at a time, who got it from the pool or from the holder before through a queue's lock,
/// and gives it back once.
final class ChunkBuffer: @unchecked Sendable {
    private static let alignment = 4096
    let bytes: UnsafeMutableRawBufferPointer

    init(size: Int) {
        bytes = .allocate(byteCount: size, alignment: Self.alignment)
    }

    deinit { bytes.deallocate() }
}

/// A bounded number of chunk buffers, shared by the lanes of a pull. A lane thread that gets none waits, and so its source does:
/// that is the back-pressure.
///
/// `@unchecked Sendable`: `free`, `made` and `isClosed` are touched only between `lock` and `unlock` of `mutex`, whose heap memory
/// is made in init and freed in deinit, when nobody else holds a reference.
package final class ChunkBufferPool: @unchecked Sendable {
    /// Bytes of all buffers together, unless told otherwise.
    package static let defaultCapacity = 64 * 1024 * 1024
    /// With fewer, receiving and verifying would take turns.
    private static let minimumBuffers = 2

    /// Bytes of one buffer.
    package let bufferSize: Int
    /// How many there may be.
    package let bufferCount: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var free: [ChunkBuffer] = []
    private var made = 0
    private var isClosed = false

    /// Buffers are allocated when first needed and kept.
    ///
    /// - Parameters:
    ///   - bufferSize: bytes, the layout's chunk size.
    ///   - capacity: bytes of all of them; at least two buffers there always are.
    package init(bufferSize: Int, capacity: Int = defaultCapacity) {
        self.bufferSize = bufferSize
        bufferCount = max(Self.minimumBuffers, capacity / max(1, bufferSize))
        mutex.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        let status = pthread_mutex_init(mutex, nil) | pthread_cond_init(changed, nil)
        precondition(status == 0, "pthread_mutex_init or pthread_cond_init failed")
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Wakes everybody who waits; nobody gets a buffer any more. Those that are out may still be given back.
    package func close() {
        lock()
        isClosed = true
        free = []
        pthread_cond_broadcast(changed)
        unlock()
    }

    /// Blocks until a buffer is free; nil once the pool is closed or `isCancelled` says so, which is asked again after `wake`.
    func acquire(isCancelled: () -> Bool) -> ChunkBuffer? {
        lock()
        defer { unlock() }
        while !isClosed && !isCancelled() {
            if let buffer = free.popLast() { return buffer }
            if made < bufferCount {
                made += 1
                return ChunkBuffer(size: bufferSize)
            }
            pthread_cond_wait(changed, mutex)
        }
        return nil
    }

    func release(_ buffer: ChunkBuffer) {
        lock()
        if !isClosed { free.append(buffer) }
        pthread_cond_broadcast(changed)
        unlock()
    }

    /// Makes everybody who waits ask again whether they are cancelled.
    func wake() {
        lock()
        pthread_cond_broadcast(changed)
        unlock()
    }

    private func lock() {
        let status = pthread_mutex_lock(mutex)
        precondition(status == 0, "pthread_mutex_lock failed with \(status)")
    }

    private func unlock() { pthread_mutex_unlock(mutex) }
}
