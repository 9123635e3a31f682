package import Records

/// What this peer knows: for choosers, stores and people.
extension Mesh {
    /// Every record and beacon that is held, as changes, for a store that has to be filled again.
    package func everything() -> [MeshChange] {
        var changes: [MeshChange] = []
        for peer in store.order {
            guard let holdings = store.peers[peer] else { continue }
            for frame in [holdings.own] + holdings.announcements {
                changes.append(Self.change(frame, validUntil: holdings.validUntil(of: frame)))
            }
            if holdings.renewedUntil > 0, let renewal = Self.renewal(of: holdings) { changes.append(renewal) }
        }
        return changes
    }

    static func change(_ frame: OpenedFrame, validUntil: Int64) -> MeshChange {
        .record(
            id: frame.record, owner: frame.author, version: frame.version, purpose: frame.purpose,
            validUntil: validUntil, frame: frame.bytes)
    }

    static func renewal(of holdings: PeerHoldings) -> MeshChange? {
        holdings.beacon.map {
            .renewed(
                owner: holdings.id, validUntil: holdings.renewedUntil, version: $0.version, beacon: $0.bytes)
        }
    }

    /// All peers whose records are held, this one's included, ascending.
    package var knownPeers: [PeerID] { store.order }

    package func peerRecord(of peer: PeerID) -> PeerRecord? { store.peers[peer]?.own.peerRecord }

    package func beacon(of peer: PeerID) -> Beacon? { store.peers[peer]?.beacon?.beacon }

    /// Whether the peer is in this peer's view: each hears the other's gossip.
    package func isNeighbour(_ peer: PeerID) -> Bool { edges[peer]?.isNeighbour ?? false }

    /// Whether messages to the peer are answered.
    package func hasChannel(to peer: PeerID) -> Bool { edges[peer]?.channel == .up }

    /// Whether there is a channel to the peer, be it up or not.
    package func hasEdge(to peer: PeerID) -> Bool { edges[peer] != nil }

    package var neighbourCount: Int { neighbours.count }

    /// Peers to which a channel works, neighbours included.
    package var channelCount: Int { edges.values.count { $0.channel == .up } }

    /// Milliseconds since 1970 until which the peer's own record holds.
    package func validUntil(of peer: PeerID) -> Int64? { store.peers[peer]?.validUntil }

    /// Live offers of all peers, this one's included, in order of peers: what may be chosen from at `wall`.
    package func sources(atWall wall: Int64, where include: (Announcement) -> Bool = { _ in true }) -> [OfferedSource] {
        var sources: [OfferedSource] = []
        for peer in store.announcing {
            guard let holdings = store.peers[peer], let record = holdings.own.peerRecord else { continue }
            for frame in holdings.announcements {
                guard let announcement = frame.announcement, announcement.state != .tombstone,
                    holdings.validUntil(of: frame) > wall, include(announcement)
                else { continue }
                sources.append(
                    OfferedSource(
                        peer: record, peerID: peer, announcement: announcement, beacon: holdings.beacon?.beacon))
            }
        }
        return sources
    }

    /// Peers with a channel whose records, revocations and proofs were found to be ours at some time.
    package var agreeingPeers: Int { edges.values.count { $0.hasAgreed && $0.channel == .up } }

    package var recordCount: Int { store.recordCount }

    /// Versions of ended records that are kept from coming back.
    package var floorCount: Int { store.floorCount }

    /// The size of mesh that this peer has set itself up for.
    package var presentPreset: MeshPreset { preset }

    /// How far this peer's wall clock seems to be behind its neighbours', milliseconds: the median over their beacons, so that
    /// one neighbour's wrong clock changes little. Nil while nothing is known.
    package var clockOffset: Int64? {
        let offsets = neighbours.compactMap { edges[$0]?.clockOffset }.sorted()
        return offsets.isEmpty ? nil : offsets[offsets.count / 2]
    }
}
