/// Links and the connections that share them, max-min fair: no connection could have more without taking it from one that has less.
/// A connection brings what is asked of it in order.
package struct SwarmNetwork {
    struct Request {
        let chunk: Int
        let bytes: Int
        let isCopy: Bool
        /// What comes is not what was asked for.
        var isSpoiled = false
    }

    struct Connection {
        /// Links that it goes through; -1 for none.
        let up: Int
        let down: Int
        let between: Int
        var requests: [Request] = []
        /// Bytes of the first request that have come, and how many of them were told.
        var done = 0.0
        var told = 0.0
        var toldAt: UInt64 = 0
        var rate = 0.0
        /// The source stands still.
        var isFrozen = false
        var isOpen = true
        /// Where it stands among the busy ones; -1 when it is none.
        var position = -1
    }

    /// What a step brought.
    enum Arrival {
        case done(connection: Int, Request)
        case part(connection: Int, bytes: Int)
    }

    /// Bytes a second of each link.
    private(set) var capacities: [Double] = []
    /// What went through each link.
    package private(set) var carried: [Double] = []
    private(set) var connections: [Connection] = []
    /// Connections with requests whose source moves.
    private(set) var busy: [Int] = []
    private var isShared = true
    private var fair: [Double] = []
    private var left: [Double] = []
    private var load: [Int] = []
    private var tight: [Int] = []

    var isBusy: Bool { !busy.isEmpty }

    mutating func addLink(_ bytesPerSecond: Double) -> Int {
        capacities.append(bytesPerSecond)
        carried.append(0)
        fair.append(0)
        left.append(0)
        load.append(0)
        tight.append(0)
        return capacities.count - 1
    }

    mutating func open(up: Int, down: Int, between: Int) -> Int {
        connections.append(Connection(up: up, down: down, between: between))
        return connections.count - 1
    }

    mutating func close(_ connection: Int) {
        connections[connection].isOpen = false
        connections[connection].requests = []
        settle(connection)
    }

    mutating func freeze(_ connection: Int, _ isFrozen: Bool) {
        connections[connection].isFrozen = isFrozen
        settle(connection)
    }

    mutating func ask(_ request: Request, of connection: Int, now: UInt64) {
        guard connections[connection].isOpen else { return }
        connections[connection].requests.append(request)
        if connections[connection].requests.count == 1 {
            connections[connection].done = 0
            connections[connection].told = 0
            connections[connection].toldAt = now
            settle(connection)
        }
    }

    private mutating func settle(_ connection: Int) {
        let isBusy = !connections[connection].requests.isEmpty && !connections[connection].isFrozen
        let position = connections[connection].position
        if isBusy, position < 0 {
            connections[connection].position = busy.count
            busy.append(connection)
        } else if !isBusy, position >= 0 {
            connections[connection].position = -1
            let last = busy.removeLast()
            if last != connection {
                busy[position] = last
                connections[last].position = position
            }
        } else {
            return
        }
        isShared = false
    }

    // MARK: Time

    /// Moves bytes for a time; tells of unfinished reads at most once in `period`.
    mutating func advance(_ nanoseconds: UInt64, now: UInt64, period: UInt64) -> [Arrival] {
        if !isShared { share() }
        let seconds = Double(nanoseconds) / 1e9
        var arrivals: [Arrival] = []
        var idle: [Int] = []
        for index in busy {
            let bytes = connections[index].rate * seconds
            connections[index].done += bytes
            carried[connections[index].up] += bytes
            if connections[index].between >= 0 { carried[connections[index].between] += bytes }
            while let first = connections[index].requests.first, connections[index].done >= Double(first.bytes) {
                connections[index].requests.removeFirst()
                connections[index].done -= Double(first.bytes)
                connections[index].told = 0
                connections[index].toldAt = now
                arrivals.append(.done(connection: index, first))
            }
            if connections[index].requests.isEmpty {
                idle.append(index)
            } else if period > 0, now >= connections[index].toldAt + period {
                let part = Int(connections[index].done - connections[index].told)
                connections[index].told += Double(part)
                connections[index].toldAt = now
                if part > 0 { arrivals.append(.part(connection: index, bytes: part)) }
            }
        }
        for index in idle { settle(index) }
        return arrivals
    }

    /// Fixes, again and again, the connections of links on which all are held back by that link alone.
    private mutating func share() {
        isShared = true
        left = capacities
        var open = busy
        var rounds = 0
        while !open.isEmpty {
            rounds += 1
            for link in load.indices { (load[link], tight[link]) = (0, 0) }
            for index in open {
                load[connections[index].up] += 1
                load[connections[index].down] += 1
                if connections[index].between >= 0 { load[connections[index].between] += 1 }
            }
            for link in load.indices where load[link] > 0 { fair[link] = max(left[link], 0) / Double(load[link]) }
            for index in open { bound(index) }
            var rest: [Int] = []
            for index in open {
                let (up, down, between) = (
                    connections[index].up, connections[index].down, connections[index].between
                )
                let rate = connections[index].rate
                guard rounds > 40 || isHeld(rate, by: up) || isHeld(rate, by: down) || isHeld(rate, by: between)
                else {
                    rest.append(index)
                    continue
                }
                left[up] -= rate
                left[down] -= rate
                if between >= 0 { left[between] -= rate }
            }
            open = rest
        }
    }

    /// The share that the fullest of its links would give it.
    private mutating func bound(_ index: Int) {
        let (up, down, between) = (connections[index].up, connections[index].down, connections[index].between)
        let rate = min(fair[up], fair[down], between >= 0 ? fair[between] : .infinity)
        connections[index].rate = rate
        if isShare(rate, of: up) { tight[up] += 1 }
        if isShare(rate, of: down) { tight[down] += 1 }
        if between >= 0, isShare(rate, of: between) { tight[between] += 1 }
    }

    private func isShare(_ rate: Double, of link: Int) -> Bool { rate >= fair[link] * 0.999_999 }

    private func isHeld(_ rate: Double, by link: Int) -> Bool {
        link >= 0 && tight[link] == load[link] && isShare(rate, of: link)
    }
}
