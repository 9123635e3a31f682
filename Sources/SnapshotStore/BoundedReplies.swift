import CHiredis

/// Makes hiredis refuse arrays that no Redis sends us. It allocates an array by the length that the other side claims, and
/// a claim of two thousand million elements costs eight bytes.
struct BoundedReplies {
    /// The most elements of one array.
    static let longestArray: Int32 = 65_536

    private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>

    /// To be freed after the reader. Nil for a reader without functions, which hiredis doesn't make.
    init?(reader: UnsafeMutablePointer<redisReader>) {
        guard let original = reader.pointee.fn else { return nil }
        functions = .allocate(capacity: 1)
        functions.initialize(to: original.pointee)
        functions.pointee.createArray = { task, elements in
            guard elements <= BoundedReplies.longestArray, let original = task?.pointee.privdata else { return nil }
            return original.assumingMemoryBound(to: redisReplyObjectFunctions.self).pointee.createArray(task, elements)
        }
        reader.pointee.privdata = UnsafeMutableRawPointer(original)
        reader.pointee.fn = functions
    }

    func free() {
        functions.deinitialize(count: 1)
        functions.deallocate()
    }
}
