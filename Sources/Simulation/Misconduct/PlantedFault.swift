import Digest
import Mesh
import Records
import Trust

/// Faults in our own code, built in on purpose so that it is seen that an invariant catches them. Each is a lie of the shells
/// around a peer, or a setting that no operator can reach: the logic has no switches.
package enum PlantedFault: String, Hashable, Sendable, CaseIterable {
    /// The peer doesn't see that validity ends.
    case validity
    /// It keeps no floors, so that what has ended can come back.
    case floors
    /// It holds every signature to be right.
    case signatures
    /// It never looks for differences with its neighbours.
    case antiEntropy = "anti_entropy"
    /// It takes the lower of two sequences for the newer.
    case versions

    /// Whether a peer is built so from its start; the others are planted when their step comes.
    var isBuiltIn: Bool { self != .validity }

    /// A peer's settings with the fault.
    func spoil(_ mesh: inout MeshConfiguration) {
        switch self {
        case .floors: mesh.floorLife = -ValidityLimits.certificate
        case .antiEntropy:
            mesh.antiEntropyPeriod = 24 * 3_600 * Duration64.second
            mesh.exchangeGap = mesh.antiEntropyPeriod
        case .validity, .signatures, .versions: break
        }
    }
}

/// Holds every signature to be right.
struct TrustingVerifier: SignatureVerifier {
    let book: SignatureBook

    func isValid(_ signature: Signature, of message: [UInt8], by key: Digest256) -> Bool {
        _ = book.isValid(signature, of: message, by: key)
        return true
    }
}

/// Shows announcements with their sequences turned round, so that the older seems the newer.
struct TurnedFrames: FrameOpening {
    let frames: SharedFrames
    let owner: PeerID

    func digest(of bytes: [UInt8]) -> Digest256 { frames.digest(of: bytes) }

    func open(_ bytes: [UInt8], digest: Digest256) -> OpenedFrame? {
        guard let opened = frames.open(bytes, digest: digest), let old = opened.announcement, opened.author != owner,
            let frame = try? SignedFrame(decoding: bytes)
        else { return frames.open(bytes, digest: digest) }
        let turned = Announcement(
            version: Self.turned(old.version), validity: old.validity, identity: old.identity, rank: old.rank,
            state: old.state, manifest: old.manifest, introduction: old.introduction,
            coverageEighths: old.coverageEighths, totalBytes: old.totalBytes, lanes: old.lanes, slots: old.slots,
            deviceKind: old.deviceKind)
        let encoded = SignedFrame(
            purpose: .announcement, author: frame.author, payload: turned.encoded, signature: frame.signature
        ).encoded
        return OpenedFrame(encoded, digest: BLAKE2b.digest(encoded))
    }

    /// Its own inverse.
    static func turned(_ version: Version) -> Version {
        Version(incarnation: version.incarnation, sequence: .max / 4 - version.sequence)
    }
}

extension Simulation {
    /// Chooses the machines whose processes are built wrongly, before any of them starts.
    static func build(_ action: Action, into machines: inout [Machine], _ generator: inout SeededGenerator) {
        guard case .plant(let fault, let selection) = action, fault.isBuiltIn else { return }
        var candidates = machines.indices.filter { index in
            machines[index].role == selection.role && selection.zone.map { machines[index].zone == $0 } ?? true
        }
        for index in 0..<selection.count(of: candidates.count) {
            candidates.swapAt(index, Int.random(in: index..<candidates.count, using: &generator))
            machines[candidates[index]].faults.append(fault)
        }
    }

    func verifier(_ machine: Int) -> any SignatureVerifier {
        let isTrusting = machines[machine].faults.contains { $0 == .signatures || $0 == .versions }
        return isTrusting ? TrustingVerifier(book: book) : book
    }

    func opening(_ machine: Int, _ secrets: SimulatedSecrets) -> any FrameOpening {
        guard machines[machine].faults.contains(.versions) else { return frames }
        return TurnedFrames(frames: frames, owner: PeerID(secrets.signer.publicKey))
    }

    /// The version that an owner signed, for one that a peer shows.
    func signedVersion(_ version: Version, _ owner: PeerID, at peer: SimulatedPeer) -> Version {
        peer.faults.contains(.versions) && owner != peer.id ? TurnedFrames.turned(version) : version
    }
}
