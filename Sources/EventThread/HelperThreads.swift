import Glibc

/// Threads that all run one closure. Whoever makes them must join them.
package struct HelperThreads: ~Copyable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var threads: [pthread_t] = []

    /// Starts up to `count` threads; fewer when the system gives no more, which only takes longer.
    package init(count: Int, _ body: @escaping @Sendable () -> Void) {
        for _ in 0..<max(0, count) {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(Body(body))
            let status = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                }, context.toOpaque())
            guard status == 0 else {
                context.release()
                return
            }
            threads.append(thread)
        }
    }

    package consuming func join() { for thread in threads { pthread_join(thread, nil) } }
}
