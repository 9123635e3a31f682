import Testing

/// Drives the built programs as processes, as users do. One test at a time: each starts several processes, and the machines
/// that run this have few cores.
///
/// MX_PROGRAMS names the folder of the programs when they are not beside the tests; MX_SLOW_TESTS=1 runs the slow ones too.
@Suite("The built programs", .serialized, .timeLimit(.minutes(3)))
enum EndToEnd {}

extension Trait where Self == ConditionTrait {
    /// For tests of half a minute and more.
    static var slow: Self {
        .enabled(if: Programs.environment("MX_SLOW_TESTS") == "1", "a slow test: it runs with MX_SLOW_TESTS=1")
    }
}
