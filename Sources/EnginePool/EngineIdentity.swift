import Digest

/// What the public API's clients declare about weights: equal declarations fit each other. Its canonical form makes
/// `mx_source_id`, exactly as public servers and clients make it, so that identifiers can be compared with theirs.
package struct EngineIdentity: Hashable, Sendable {
    /// Enumerations as their numbers, also such that nobody here knows.
    package var sourceType: Int = 0
    package var framework: Int = 0
    package var clientVersion = ""
    package var model = ""
    package var tensorParallel: UInt32 = 0
    package var pipelineParallel: UInt32 = 0
    package var expertParallel: UInt32 = 0
    package var dtype = ""
    package var quantization = ""
    package var revision = ""
    package var extraParameters: [String: String] = [:]
    /// Part of the canonical form only where they aren't empty, as are those below.
    package var frameworkVersion = ""
    package var torchVersion = ""
    package var cudaVersion = ""
    package var tritonVersion = ""
    package var gpuArchitecture = ""
    package var compileDigest = ""

    package init() {}

    /// Compact JSON with keys in the order of their bytes and all texts in lower case.
    ///
    /// Text that isn't ASCII stands there as it is, in UTF-8: public servers do so. (The public Python client escapes it where it
    /// makes identifiers itself, which it does without a server only.) Lower case is made scalar by scalar, in no language.
    package var canonicalForm: [UInt8] {
        var fields: [(String, CanonicalJSON.Value)] = [
            ("backend_framework", .number(framework)),
            ("dtype", .text(dtype.lowercased())),
            ("expert_parallel_size", .number(Int(expertParallel))),
            ("extra_parameters", .object(canonicalParameters)),
            ("model_name", .text(model.lowercased())),
            ("mx_source_type", .number(sourceType)),
            ("mx_version", .text(clientVersion.lowercased())),
            ("pipeline_parallel_size", .number(Int(pipelineParallel))),
            ("quantization", .text(quantization.lowercased())),
            ("revision", .text(revision.lowercased())),
            ("tensor_parallel_size", .number(Int(tensorParallel))),
        ]
        let optional = [
            ("backend_framework_version", frameworkVersion), ("torch_version", torchVersion),
            ("cuda_version", cudaVersion), ("triton_version", tritonVersion), ("gpu_arch", gpuArchitecture),
            ("compile_config_digest", compileDigest),
        ]
        fields += optional.filter { !$0.1.isEmpty }.map { ($0.0, .text($0.1.lowercased())) }
        return CanonicalJSON.write(.object(fields))
    }

    /// The first 16 hexadecimal digits of the canonical form's SHA-256.
    package var sourceID: String { String(SHA256.digest(canonicalForm).description.prefix(Self.sourceIDLength)) }

    package static let sourceIDLength = 16

    /// Where two keys differ in case only, the one whose bytes come first counts.
    private var canonicalParameters: [(String, CanonicalJSON.Value)] {
        var taken: [(String, CanonicalJSON.Value)] = []
        var seen: Set<[UInt8]> = []
        for (key, value) in extraParameters.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let lower = key.lowercased()
            guard seen.insert(Array(lower.utf8)).inserted else { continue }
            taken.append((lower, .text(value.lowercased())))
        }
        return taken
    }
}
