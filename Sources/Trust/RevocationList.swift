package import Digest
package import Records

/// What has been revoked, as one peer knows it: a set of notices that only grows by union and shrinks by time, so that any
/// order of the same notices, with repetitions, gives the same list.
///
/// A notice is kept until `until`, the revoked thing's own end. A notice is dropped earlier, and refused from then on, when the
/// key that signed it is revoked: a stolen key's dates prove nothing, so nothing that it ever signed holds. The revocation of
/// one key changes nothing about what the root or another key signed.
///
/// Each signer has a share of its own, `capacity`. When it is full, what ends soonest makes room (equal ends: the smaller id),
/// which depends on the set alone and not on its order. So whoever stole a revocation key can revoke what he likes, and can push
/// out what this key itself had signed; he can't touch what the root or another key signed. The cure for both is one: the root
/// revokes the key, and what is still wanted is signed again by another (`modelexpress keys rotate --revocation-key`).
package struct RevocationList: Sendable {
    /// Notices kept of one signer, some 400 bytes each.
    package static let capacity = 4096
    /// Revocation keys of which notices are kept. Only the root can make one.
    package static let signers = 64

    private var shares: [Digest256: Share] = [:]
    private var bySubject: [RevocationSubject: [Digest256: Revocation]] = [:]
    /// All ids combined, so that two lists can be compared.
    package private(set) var digest: Digest256 = .zero

    private struct Share {
        /// The last grant that was verified: most notices of one key come with the same.
        var grant: SignedPayload<RevocationGrant>?
        var notices: [Digest256: RevocationNotice] = [:]
    }

    package init() {}

    package var isEmpty: Bool { shares.isEmpty }
    package var count: Int { shares.values.reduce(0) { $0 + $1.notices.count } }

    /// All notices, in order of their ids.
    package var notices: [RevocationNotice] {
        shares.values.flatMap { $0.notices }.sorted { $0.key < $1.key }.map(\.value)
    }

    package func contains(_ id: Digest256) -> Bool { shares.values.contains { $0.notices[id] != nil } }

    /// The revocation that holds of the subject at `wall`; nil when none does.
    package func revocation(of subject: RevocationSubject, atWall wall: Int64) -> Revocation? {
        guard let known = bySubject[subject] else { return nil }
        return known.keys.sorted().compactMap { known[$0] }.first { $0.holds(atWall: wall) }
    }

    /// Whether the subject is revoked, or will be.
    package func names(_ subject: RevocationSubject) -> Bool { bySubject[subject] != nil }

    /// When the next revocation begins or ceases to hold, milliseconds since 1970; nil when nothing will change.
    package func nextChange(afterWall wall: Int64) -> Int64? {
        var next: Int64?
        for revocation in bySubject.values.joined().map(\.value) {
            for change in [revocation.notBefore, revocation.until] where change > wall {
                next = min(next ?? change, change)
            }
        }
        return next
    }

    /// Drops what has ended, and what keys signed that have been revoked meanwhile.
    package mutating func expire(atWall wall: Int64) {
        for (signer, share) in shares {
            let isRevoked = revocation(of: .revocationKey(signer), atWall: wall) != nil
            for (id, notice) in share.notices where isRevoked || notice.revocation.value.until <= wall {
                remove(id, of: signer)
            }
        }
    }

    /// Takes a notice in, if its signer may say this. False when it is there already, has ended, or its signer's share is full of
    /// what ends later.
    package mutating func insert(
        _ notice: RevocationNotice, anchor: TrustAnchor, verifier: any SignatureVerifier, atWall wall: Int64
    ) throws(TrustError) -> Bool {
        let id = notice.id
        let signer = notice.grant?.value.revocationKey ?? anchor.rootKey
        guard notice.revocation.value.until > wall, shares[signer]?.notices[id] == nil else { return false }
        if let revocation = revocation(of: .revocationKey(signer), atWall: wall) {
            throw .revoked(subject: .revocationKey(signer), reason: revocation.reason)
        }
        guard shares[signer] != nil || shares.count < Self.signers else {
            throw .falseRevocation(claim: "there are more than \(Self.signers) revocation keys")
        }
        let isFull = shares[signer, default: Share()].notices.count >= Self.capacity
        let last = isFull ? soonestEnding(of: signer) : nil
        if let last, Self.rank(notice, id) < Self.rank(last.notice, last.id) { return false }
        let rules = RevocationRules(anchor: anchor, verifier: verifier)
        try rules.check(notice, knownGrant: shares[signer]?.grant)
        if let last { remove(last.id, of: signer) }
        add(notice, id, of: signer)
        if case .revocationKey = notice.subject { expire(atWall: wall) }
        return true
    }

    private mutating func add(_ notice: RevocationNotice, _ id: Digest256, of signer: Digest256) {
        shares[signer, default: Share()].grant = notice.grant
        shares[signer, default: Share()].notices[id] = notice
        bySubject[notice.subject, default: [:]][id] = notice.revocation.value
        digest = digest ^ id
    }

    private mutating func remove(_ id: Digest256, of signer: Digest256) {
        guard let notice = shares[signer]?.notices.removeValue(forKey: id) else { return }
        bySubject[notice.subject]?[id] = nil
        if bySubject[notice.subject]?.isEmpty == true { bySubject[notice.subject] = nil }
        if shares[signer]?.notices.isEmpty == true { shares[signer] = nil }
        digest = digest ^ id
    }

    private func soonestEnding(of signer: Digest256) -> (id: Digest256, notice: RevocationNotice)? {
        shares[signer]?.notices.min { Self.rank($0.value, $0.key) < Self.rank($1.value, $1.key) }
            .map { ($0.key, $0.value) }
    }

    private static func rank(_ notice: RevocationNotice, _ id: Digest256) -> (Int64, Digest256) {
        (notice.revocation.value.until, id)
    }
}
