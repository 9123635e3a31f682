import Mesh
import Records
import Transfer

/// The peer as a target that looks for somebody who has what is wanted.
extension PeerLogic {
    func searchDeadline(of pull: Pull) -> UInt64 {
        if pull.options.cold != nil { return nextColdLook(of: pull) }
        if let wait = pull.options.wait { return pull.started + wait }
        guard let joined = firstChannelAt else { return pull.started + configuration.joinTimeout }
        return max(joined, pull.started) + configuration.settle
    }

    mutating func search(_ id: PullID, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard var pull = pulls[id], case .searching = pull.phase else { return }
        let offered = withContent(
            sources(now, where: pull.wanted.matches).filter {
                $0.peerID != local && pull.distrusted[$0.peerID] == nil
            })
        reachSome(of: offered, now, &effects)
        let found = offered.filter { mesh.hasChannel(to: $0.peerID) }
        if let best = ManifestChoice.order(candidates(of: found)).first,
            let source = found.filter({ $0.announcement.manifest == best.manifest })
                .randomElement(using: &generator)
        {
            let request = takeRequest()
            let assembly = ManifestAssembly(manifest: best.manifest)
            pull.phase = .fetching(
                from: source.peerID, request: request, assembly,
                deadline: now.monotonic + configuration.manifestTimeout)
            pulls[id] = pull
            send(
                .manifestRequest(request: request, manifest: best.manifest, offset: 0), to: source.peerID, &effects)
        } else if let cold = pull.options.cold {
            lookAround(id, cold, isOffered: !offered.isEmpty, now, &effects)
        } else if now.monotonic >= searchDeadline(of: pull) {
            fail(id, searchFailure(pull, now), now, &effects)
        }
    }

    /// Without those of manifests of which nobody has anything to speak of: targets whose source has gone announce themselves for as
    /// long as they hope, and who joined them would only wait with them.
    private func withContent(_ sources: [OfferedSource]) -> [OfferedSource] {
        let filled = Set(sources.lazy.filter { $0.announcement.coverageEighths > 0 }.map(\.announcement.manifest))
        return sources.filter { filled.contains($0.announcement.manifest) }
    }

    /// In a large mesh most sources are no neighbours: a channel is opened to as many as a pull reads from.
    mutating func reachSome(of sources: [OfferedSource], _ now: Moment, _ effects: inout [PeerEffect]) {
        let missing = configuration.fanIn.activeSources - sources.count { mesh.hasEdge(to: $0.peerID) }
        guard missing > 0 else { return }
        let far = sources.map(\.peerID).filter { $0 != local && !mesh.hasEdge(to: $0) }
        for peer in far.shuffled(using: &generator).prefix(missing) {
            take(mesh.reach(peer, now: now), now, &effects)
        }
    }

    private func candidates(of sources: [OfferedSource]) -> [ManifestCandidate] {
        var byManifest: [ManifestID: ManifestCandidate] = [:]
        for source in sources {
            guard let manifest = source.announcement.manifest else { continue }
            var candidate =
                byManifest[manifest]
                ?? ManifestCandidate(
                    manifest: manifest, identity: source.announcement.identity, completeCopies: 0, partialCopies: 0)
            if source.announcement.isComplete { candidate.completeCopies += 1 } else { candidate.partialCopies += 1 }
            byManifest[manifest] = candidate
        }
        return byManifest.keys.sorted().compactMap { byManifest[$0] }
    }

    private func searchFailure(_ pull: Pull, _ now: Moment) -> PullFailure {
        if mesh.channelCount == 0 {
            return .unreachable(seeds: configuration.seeds, reason: lastBootstrapProblem)
        }
        if let peer = pull.distrusted.keys.sorted().first, let reason = pull.distrusted[peer] {
            return .notBelieved("\(peer.short) offers \"\(pull.wanted.model)\", but \(reason)")
        }
        let identities = mesh.sources(atWall: now.wall) { $0.state == .live }.map(\.announcement.identity)
        let revisions = Set(identities.filter { $0.model == pull.wanted.model }.map(\.revision)).sorted()
        if let wanted = pull.wanted.revision, !revisions.isEmpty {
            return .notFound(
                model: "\(pull.wanted.model)\" in revision \"\(wanted)",
                similar: revisions.prefix(8).map { "revision \($0)" })
        }
        let offered = identities.map(\.model)
        return .notFound(model: pull.wanted.model, similar: Array(Set(offered)).sorted().prefix(8).map { $0 })
    }
}
