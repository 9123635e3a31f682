import FoundationEssentials
import Records

/// What a worker keeps of its weights for a sidecar that starts anew: what they were before vLLM processed them can't be told
/// from its memory any more.
struct EngineRecord {
    let manifest: Manifest
    let proof: IntroductionProof?

    init(manifest: Manifest, proof: IntroductionProof?) {
        self.manifest = manifest
        self.proof = proof
    }

    /// Nil for what is none.
    init?(text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let manifest = Data(base64Encoded: String(parts[0])),
            let proof = Data(base64Encoded: String(parts[1])), let known = try? Manifest(decoding: [UInt8](manifest))
        else { return nil }
        self.manifest = known
        self.proof = proof.isEmpty ? nil : try? IntroductionProof(decoding: [UInt8](proof))
    }

    var text: String {
        let proof = Data(proof?.encoded ?? []).base64EncodedString()
        return "\(Data(manifest.encoded).base64EncodedString()).\(proof)"
    }
}
