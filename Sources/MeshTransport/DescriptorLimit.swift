import Glibc

/// How many descriptors this process may have. A peer has several for each neighbour, and a server many hundreds of neighbours,
/// while some systems start programs with 1,024.
enum DescriptorLimit {
    /// Raises the limit to what the system lets us have; once in a process.
    static let raised: Void = {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }()
}
