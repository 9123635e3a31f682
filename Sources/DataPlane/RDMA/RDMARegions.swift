import EventThread
import Glibc
import Telemetry
import Transfer

/// Memory registered with a device; deregistered with the last reference.
protocol RegisteredMemory: AnyObject, Sendable {
    /// What reads into it name, where the device wants that; else 0.
    var localKey: UInt32 { get }
}

/// What lanes fill, registered slice by slice as reads come to it, and shared by the lanes of a pull. Any thread that may
/// block.
final class DestinationRegions: Sendable {
    struct Key: Hashable, Sendable {
        let device: ObjectIdentifier
        let owner: ObjectIdentifier
        /// Address.
        let start: UInt
    }

    /// One use of a registration.
    struct Registration: Sendable {
        let key: Key
        let localKey: UInt32
    }

    private struct Entry {
        let region: any RegisteredMemory
        var users: Int
    }

    private let entries = Guarded<[Key: Entry]>([:])

    /// The registration of some memory with a device, made when there is none; to be given back.
    func acquire(
        _ bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject, on device: AnyObject,
        make: () throws(RDMAError) -> any RegisteredMemory
    ) throws(RDMAError) -> Registration {
        let key = Key(
            device: ObjectIdentifier(device), owner: ObjectIdentifier(owner), start: UInt(bitPattern: bytes.baseAddress)
        )
        if let region = use(key) { return Registration(key: key, localKey: region.localKey) }
        // Two that come at once both register; the second one's goes again.
        let made = try make()
        return entries.withLock { entries in
            let region = entries[key]?.region ?? made
            entries[key] = Entry(region: region, users: (entries[key]?.users ?? 0) + 1)
            return Registration(key: key, localKey: region.localKey)
        }
    }

    private func use(_ key: Key) -> (any RegisteredMemory)? {
        entries.withLock { entries in
            entries[key]?.users += 1
            return entries[key]?.region
        }
    }

    func release(_ keys: some Sequence<Key>) {
        for key in keys {
            // Deregistering takes a while, so it happens outside the lock.
            let last: (any RegisteredMemory)? = entries.withLock { entries in
                guard var entry = entries[key] else { return nil }
                entry.users -= 1
                entries[key] = entry.users > 0 ? entry : nil
                return entry.users > 0 ? nil : entry.region
            }
            withExtendedLifetime(last) {}
        }
    }
}

/// What is served, registered once for a device however many leases read it. Kept a while after the last lease.
final class ServedRegions<Region: AnyObject & Sendable>: Sendable {
    private struct Key: Hashable {
        let device: ObjectIdentifier
        let content: ObjectIdentifier
    }

    private struct Entry {
        let region: Region
        var users: Int
        /// Counts ends without another user.
        var idles: UInt64 = 0
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var isStopped = false
    }

    private let state = Guarded(State())
    private let thread: EventThread

    /// - Parameter thread: where idle regions are let go.
    init(thread: EventThread) { self.thread = thread }

    /// The registration of content with a device, made when there is none; `release` it. Blocks for as long as registering takes.
    func acquire(
        _ content: any StorageContent, on device: AnyObject, make: () throws(RDMAError) -> Region
    ) throws(RDMAError) -> Region {
        let key = Key(device: ObjectIdentifier(device), content: ObjectIdentifier(content))
        let known: Region? = state.withLock { state in
            state.entries[key]?.users += 1
            return state.entries[key]?.region
        }
        if let known { return known }
        let made = try make()
        return state.withLock { state in
            let region = state.entries[key]?.region ?? made
            state.entries[key] = Entry(region: region, users: (state.entries[key]?.users ?? 0) + 1)
            return region
        }
    }

    func release(_ content: any StorageContent, on device: AnyObject) {
        let key = Key(device: ObjectIdentifier(device), content: ObjectIdentifier(content))
        let idle: UInt64? = state.withLock { state in
            guard var entry = state.entries[key] else { return nil }
            entry.users -= 1
            if entry.users == 0 { entry.idles += 1 }
            state.entries[key] = state.isStopped && entry.users == 0 ? nil : entry
            return entry.users == 0 ? entry.idles : nil
        }
        guard let idle else { return }
        thread.post { [weak self] in
            self?.thread.schedule(after: LaneLimits.rdmaLinger) { self?.letGo(key, idle) }
        }
    }

    private func letGo(_ key: Key, _ idle: UInt64) {
        let gone: Region? = state.withLock { state in
            guard let entry = state.entries[key], entry.users == 0, entry.idles == idle else { return nil }
            state.entries[key] = nil
            return entry.region
        }
        withExtendedLifetime(gone) {}
    }

    /// Lets all go that nobody uses, and what is in use with its last user.
    func stop() {
        let idle: [Region] = state.withLock { state in
            state.isStopped = true
            let idle = state.entries.filter { $0.value.users == 0 }
            for key in idle.keys { state.entries[key] = nil }
            return idle.values.map(\.region)
        }
        withExtendedLifetime(idle) {}
    }
}
