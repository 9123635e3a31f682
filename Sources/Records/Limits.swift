/// Bounds on what is taken from the wire or a file. Each is named where it is hit.
package enum WireLimits {
    /// A frame on the gossip socket, bytes.
    package static let gossipFrame = 64 * 1024
    /// Frames in one bundle on the gossip socket.
    package static let framesInBundle = 256
    /// A message on the control socket, bytes.
    package static let controlMessage = 1024 * 1024
    /// A signed payload, bytes.
    package static let signedPayload = 32 * 1024
    /// Names of models, revisions, files and tensors, bytes.
    package static let name = 1024
    /// A host name or address, bytes.
    package static let host = 255
    /// Free text in a refusal, bytes.
    package static let reason = 1024
    /// Why something was revoked, bytes.
    package static let revocationReason = 256
    /// Model prefixes in one token.
    package static let modelPrefixes = 64
    /// Lanes in one announcement or grant.
    package static let lanes = 16
    /// Signed frames in one snapshot page or give.
    package static let framesInMessage = 1024
    /// What a joiner may want at once, and a snapshot's signed manifest, bytes.
    package static let snapshotInterests = 64
    package static let snapshotManifest = 512
    /// Record ids in one want or bucket listing.
    package static let recordsInMessage = 8192
    /// Chunks in one have-map delta.
    package static let chunksInDelta = 65_536
    /// Bytes of a manifest in one page.
    package static let manifestPage = 256 * 1024
    /// A request on the bootstrap port, and its answer, bytes.
    package static let bootstrapRequest = 64
    package static let bootstrapAnswer = 8192
}

package enum ManifestLimits {
    /// Canonical bytes of a manifest: a million chunks of 4 MiB (4 TB) and their tensors.
    package static let encodedSize = 256 * 1024 * 1024
    /// As many as a model of little tensors has, each in an allocation of its own.
    package static let storages = 1_048_576
    /// Files of one folder, each of which stays open while it is served.
    package static let files = 65_536
    package static let tensors = 4_194_304
    package static let dimensions = 16
    package static let chunks = 4_194_304
    /// Chunk sizes that a cluster may choose, bytes.
    package static let chunkSizes: ClosedRange<UInt64> = 4096...64 * 1024 * 1024
    /// The default chunk, bytes (transfer.md: 4 MiB).
    package static let defaultChunkSize: UInt64 = 4 * 1024 * 1024
}

package enum SafetensorsLimits {
    /// The format's own bound on a header, bytes (safetensors' MAX_HEADER_SIZE).
    package static let headerSize: UInt64 = 100_000_000
}

/// Bounds on validity that everybody enforces on everybody (mesh.md, Records).
package enum ValidityLimits {
    /// How far another clock may be ahead, milliseconds.
    package static let skew: Int64 = 5_000
    /// The longest term of a record, milliseconds.
    package static let term: Int64 = 60_000
    /// The longest life of an introduction, milliseconds (30 days).
    package static let introduction: Int64 = 30 * 24 * 3_600_000
    /// The longest life of a certificate, milliseconds (24 h).
    package static let certificate: Int64 = 24 * 3_600_000
    /// The longest life of a token that is made here, milliseconds (ten years).
    package static let token: Int64 = 3650 * 24 * 3_600_000
    /// The longest life of a revocation key, milliseconds (ten years).
    package static let revocationKey: Int64 = 3650 * 24 * 3_600_000
}
