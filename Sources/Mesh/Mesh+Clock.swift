import Records

/// What time brings: beacons, pings, exchanges, ends of validity, and the finding of neighbours.
extension Mesh {
    mutating func tick(_ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]) {
        notePace(now, &effects)
        if now.monotonic >= nextExpiry {
            nextExpiry = now.monotonic + Duration64.second
            expire(now, &effects)
            adoptPreset()
        }
        if now.monotonic >= nextBeacon { publishBeacon(now, &authority, &effects) }
        if now.monotonic >= nextBundle { publishBundles(&effects) }
        if now.monotonic >= nextPing {
            nextPing = now.monotonic + configuration.pingPeriod
            pingChannels(now, &effects)
        }
        if let taking, now.monotonic >= taking.deadline { snapshotIsLate(now, &effects) }
        if now.monotonic >= nextLostGreeting { greetOneOfTheLost(now, &effects) }
        if now.monotonic >= nextGreeting { greetNewChannels(now, &effects) }
        if now.monotonic >= nextShuffle {
            if nextShuffle > 0 { shuffleView(now, &effects) }
            nextShuffle = now.monotonic + varied(preset.shufflePeriod)
        }
        if now.monotonic >= nextView {
            nextView = now.monotonic + configuration.viewPeriod
            tendView(now, &effects)
            chooseNeighbour(now, &effects)
        }
        if now.monotonic >= nextAntiEntropy {
            nextAntiEntropy = now.monotonic + configuration.antiEntropyPeriod
            exchangeWithRandomNeighbour(now, &effects)
        }
        askSeeds(now, &effects)
    }

    /// Up to a tenth more or less, so that peers which started together don't stay in step.
    private mutating func varied(_ period: UInt64) -> UInt64 {
        let tenth = period / 10
        return period - tenth + UInt64.random(in: 0...max(2 * tenth, 1), using: &generator)
    }

    private mutating func publishBeacon(
        _ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        nextBeacon = now.monotonic + varied(preset.beaconPeriod)
        guard let set = store.peers[local]?.setDigest else { return }
        publish(own.beacon(recordSet: set, term: preset.term, now: now), now, &authority, &effects)
    }

    private mutating func adoptPreset() {
        preset = configuration.presets.choose(forPeers: store.count, present: preset)
    }

    // MARK: Ends

    private mutating func expire(_ now: Moment, _ effects: inout [MeshEffect]) {
        endQuarantines(atWall: now.wall)
        endBlocks(now)
        endPostponements(now)
        guard now.monotonic >= blamesFrom else { return }
        for frame in store.expire(atWall: now.wall, besides: local) {
            statistics.expired += 1
            if let record = frame.peerRecord { lost.insert(record, now: now, using: &generator) }
            nextLostGreeting = min(nextLostGreeting, now.monotonic + configuration.lostGreetingPeriod)
            closeEdge(frame.author, &effects)
            effects.append(.changed(.gone(frame.author)))
        }
    }

    /// A peer that was paused or starved of processor blames nobody for what it did not hear meanwhile (Lifeguard).
    private mutating func notePace(_ now: Moment, _ effects: inout [MeshEffect]) {
        guard nextPing > 0, now.monotonic >= nextPing else { return }
        if now.monotonic - nextPing > configuration.pingPeriod {
            statistics.lateTicks += 1
            slowness = min(slowness + 1, configuration.patience)
            // What waits to be heard may renew what seems to have ended; until then nobody chooses it.
            blamesFrom = now.monotonic + configuration.pingPeriod
            for peer in edges.keys { edges[peer]?.missed = 0 }
            // After so long others have given this peer up, and answer nothing until they are greeted.
            guard now.monotonic - nextPing > UInt64(configuration.missedPings) * configuration.pingPeriod else {
                return
            }
            for peer in edges.keys.sorted() { greet(peer, &effects) }
        } else {
            slowness = max(slowness - 1, 0)
        }
    }

    // MARK: Finding

    mutating func bootstrapAnswered(
        _ address: String, _ answer: BootstrapAnswer, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        let peer = answer.chain.peer
        guard peer != local, edges[peer] == nil else { return }
        openEdge(to: peer, answer.chain.certificate.value.curveKey, answer.endpoints, now, &effects)
    }

    mutating func bootstrapFailed(_ address: String, _ now: Moment) {
        for index in seeds.indices where seeds[index].address == address {
            seeds[index].nextAttempt = now.monotonic + seedPeriod
        }
    }

    /// While it is short of neighbours it asks often; afterwards seldom, so that parts of a mesh that know nothing of each other
    /// meet again at a rendezvous.
    private var seedPeriod: UInt64 {
        let isShort = neighbours.isEmpty || !isDirect && neighbours.count < fewest / 2
        return isShort ? configuration.bootstrapRetry : preset.rendezvousPeriod
    }

    private mutating func askSeeds(_ now: Moment, _ effects: inout [MeshEffect]) {
        for index in seeds.indices where now.monotonic >= seeds[index].nextAttempt {
            seeds[index].nextAttempt = now.monotonic + seedPeriod
            effects.append(.bootstrap(address: seeds[index].address))
        }
    }

    private mutating func greetOneOfTheLost(_ now: Moment, _ effects: inout [MeshEffect]) {
        let isStillLost: (PeerID) -> Bool = { [store, edges] in store.peers[$0] == nil && edges[$0] == nil }
        if let (peer, entry) = lost.draw(now: now, using: &generator, where: isStillLost) {
            openEdge(to: peer, entry.curveKey, entry.endpoints, now, &effects)
        }
        nextLostGreeting = lost.isEmpty ? .max : now.monotonic + configuration.lostGreetingPeriod
    }
}
