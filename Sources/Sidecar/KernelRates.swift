import DataPlane
import Digest
package import EventThread
import Glibc
import Signing
import Telemetry

/// How fast this machine copies and digests, with the very code that moves weights: what every transfer is measured against.
package enum KernelRates {
    private enum Kernel: String, CaseIterable {
        case memcpy
        case copyCRC32C = "copy-crc32c"
        case crc32c
        case blake2b
    }

    /// Bytes that one thread works on, larger than any cache, and bytes of one step.
    private static let workingSet = 256 * 1024 * 1024
    private static let step = 4 * 1024 * 1024

    /// What can be measured.
    package static let names = Kernel.allCases.map(\.rawValue)

    /// Bytes a second of `threads` threads together, each over memory of its own, for about `nanoseconds`. Blocks.
    ///
    /// - Parameter name: one of `names`; any other gives 0.
    /// - Throws: when no thread is to be had.
    package static func measure(
        _ name: String, threads: Int, nanoseconds: UInt64
    ) throws(EventThreadError) -> Double {
        guard let kernel = Kernel(rawValue: name) else { return 0 }
        let pool = try WorkerPool(name: "bench", threads: threads, capacity: threads)
        let rates = Guarded<[Double]>([])
        for _ in 0..<threads {
            pool.submit {
                let rate = run(kernel, nanoseconds)
                rates.withLock { $0.append(rate) }
            }
        }
        pool.stop()
        return rates.withLock { $0.reduce(0, +) }
    }

    private static func run(_ kernel: Kernel, _ nanoseconds: UInt64) -> Double {
        let alignment = Int(getpagesize())
        let source = UnsafeMutableRawBufferPointer.allocate(byteCount: workingSet, alignment: alignment)
        let target = UnsafeMutableRawBufferPointer.allocate(byteCount: workingSet, alignment: alignment)
        defer {
            source.deallocate()
            target.deallocate()
        }
        // Memory that was never written is one page of zeros to the kernel.
        source.initializeMemory(as: UInt8.self, repeating: 1)
        target.initializeMemory(as: UInt8.self, repeating: 2)
        let begin = MonotonicClock.now()
        var (now, bytes, offset) = (begin, 0, 0)
        repeat {
            let from = UnsafeRawBufferPointer(rebasing: source[offset..<offset + step])
            let to = UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + step])
            apply(kernel, from, to)
            bytes += step
            offset = (offset + step) % workingSet
            now = MonotonicClock.now()
        } while now - begin < nanoseconds
        return Double(bytes) / (Double(now - begin) / 1e9)
    }

    private static func apply(_ kernel: Kernel, _ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer) {
        // The results are stored, so that the work can't be left out.
        switch kernel {
        case .memcpy: to.copyMemory(from: from)
        case .copyCRC32C: to.storeBytes(of: DataPlaneKernels.copy(from, to: to, crc32c: 0), as: UInt32.self)
        case .crc32c: to.storeBytes(of: DataPlaneKernels.crc32c(from, 0), as: UInt32.self)
        case .blake2b: to.copyBytes(from: SodiumDigests.blake2b256(from).bytes)
        }
    }
}
