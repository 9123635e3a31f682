import CLinux
import Glibc
import Records

#if Fuzzing
/// The one target of this run, by its name in MX_FUZZ_TARGET.
private let chosenTarget: FuzzTarget = {
    guard let name = getenv("MX_FUZZ_TARGET").map({ String(cString: $0) }), let target = FuzzTarget.named(name)
    else {
        fatalError("MX_FUZZ_TARGET must be one of: \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
    }
    return target
}()

/// Called by libFuzzer, whose own main this program then has.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let verdict = chosenTarget.check(Array(UnsafeBufferPointer(start: start, count: count)))
    if case .broken(let reason) = verdict { fatalError(reason) }
    return 0
}
#else
/// Replays inputs through the decoders, and writes the seeds of the corpus.
@main
enum Replay {
    private static let usage = """
        usage: FuzzRecords --list
               FuzzRecords TARGET FILE...
               FuzzRecords --make-corpus FOLDER
        """

    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        switch arguments.first {
        case "--list": for target in FuzzTarget.all { print(target.name) }
        case "--make-corpus" where arguments.count == 2: makeCorpus(in: arguments.last ?? ".")
        case let name?:
            guard let target = FuzzTarget.named(name), arguments.count > 1 else { stop(usage, status: 2) }
            replay(arguments.dropFirst(), through: target)
        default: stop(usage, status: 2)
        }
    }

    private static func replay(_ files: ArraySlice<String>, through target: FuzzTarget) {
        var broken = 0
        for file in files {
            guard let bytes = FuzzFiles.read(file) else {
                stop("can't read \(file): \(FuzzFiles.reason)", status: 1)
            }
            switch target.check(bytes) {
            case .accepted: print("\(file): accepted")
            case .refused(let reason): print("\(file): refused: \(reason)")
            case .broken(let reason):
                print("\(file): BROKEN: \(reason)")
                broken += 1
            }
        }
        if broken > 0 { exit(1) }
    }

    private static func makeCorpus(in folder: String) {
        for target in FuzzTarget.all {
            let path = "\(folder)/\(target.name)"
            guard FuzzFiles.makeFolders(path) else { stop("can't make \(path): \(FuzzFiles.reason)", status: 1) }
            for seed in FuzzSeeds.seeds(for: target) {
                let file = "\(path)/\(seed.name)"
                guard FuzzFiles.write(seed.bytes, to: file) else {
                    stop("can't write \(file): \(FuzzFiles.reason)", status: 1)
                }
            }
        }
    }

    private static func stop(_ text: String, status: Int32) -> Never {
        let line = Array((text + "\n").utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(status)
    }
}
#endif
