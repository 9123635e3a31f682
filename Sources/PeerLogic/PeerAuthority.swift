import Digest
import Mesh
import Records
import Trust

/// Trust as the mesh asks for it: chains are judged by the rules, this peer's records are signed with its key.
struct PeerAuthority: MeshAuthority, Sendable {
    var rules: TrustRules
    let signer: any MessageSigner

    mutating func accepts(_ chain: CertificateChain, now: Moment) -> Bool {
        do {
            try rules.check(chain, atWall: now.wall)
            return true
        } catch {
            return false
        }
    }

    mutating func isAuthentic(_ frame: SignedFrame, by chain: CertificateChain) -> Bool {
        do {
            try rules.check(frame, by: chain)
            return true
        } catch {
            return false
        }
    }

    func permits(_ announcement: Announcement, by chain: CertificateChain) -> Bool {
        guard announcement.validity.term <= chain.grant.value.longestTerm else { return false }
        let model = announcement.identity.model
        switch announcement.state {
        case .wanting: return TrustRules.permits(chain, .reader, model: model)
        case .loading: return TrustRules.permits(chain, .origin, model: model)
        case .live, .tombstone:
            return TrustRules.permits(chain, .origin, model: model) || TrustRules.permits(chain, .relay, model: model)
        }
    }

    mutating func take(revocation bytes: [UInt8], now: Moment) -> RevocationVerdict {
        let notice: RevocationNotice
        do {
            notice = try RevocationNotice(decoding: bytes)
        } catch {
            // A later release may revoke other things.
            if case .unknownValue = error { return .refused(.unsupported) }
            return .refused(.malformed)
        }
        do {
            guard try rules.insert(notice, atWall: now.wall) else { return .known }
            return .new(id: notice.id, until: notice.revocation.value.until)
        } catch {
            return .refused(Self.reason(error))
        }
    }

    /// A wrong signature is no honest neighbour's; a revocation that has ended may be, since clocks differ.
    private static func reason(_ error: TrustError) -> RefusedFrame {
        switch error {
        case .badSignature: .badSignature
        case .expired, .notYetValid: .outsideValidity
        default: .untrusted
        }
    }

    var revocations: [[UInt8]] { rules.revocations.notices.map(\.encoded) }

    var revocationDigest: UInt64 { rules.revocations.digest.leadingWord }

    mutating func frame<Record: SignedRecord>(_ record: Record) -> SignedFrame {
        signer.frame(record, cluster: rules.anchor.cluster)
    }
}
