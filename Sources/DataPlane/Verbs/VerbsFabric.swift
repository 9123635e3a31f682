import CVerbs
import EventThread
import Glibc
import Telemetry

/// The RDMA devices of this host, opened once for a process: both sides of all its lanes use them.
///
/// A thread takes the devices' events. The owner calls `stop` before letting it go.
package final class VerbsFabric: Sendable {
    /// A port, with the device that it belongs to.
    struct Rail: Sendable {
        let device: VerbsDevice
        let choice: VerbsChoice
    }

    package let settings: VerbsSettings
    let served: ServedRegions<VerbsRegion>
    let destinations: DestinationRegions
    private let devices: [VerbsDevice]
    private let events: EventThread
    /// Who wants to know of ports that went down, by number.
    private let watchers = Guarded<(next: UInt64, all: [UInt64: @Sendable (String, UInt8) -> Void])>((0, [:]))
    private let log = Log(component: "rdma")

    /// Opens the devices that the settings allow.
    ///
    /// - Throws: when no port can be used now: then there is no RDMA for this process.
    package init(_ settings: VerbsSettings) throws(RDMAError) {
        self.settings = settings
        devices = try Self.open(settings)
        do throws(EventThreadError) {
            events = try EventThread(name: "rdma-events")
            try events.run()
        } catch {
            throw .system(call: "start a thread", device: "rdma", code: error.code)
        }
        served = ServedRegions(thread: events)
        destinations = DestinationRegions()
        let outcome: VerbsPortChoice.Outcome
        do throws(RDMAError) {
            outcome = VerbsPortChoice.choose(try Self.ports(of: devices), settings)
            guard !outcome.chosen.isEmpty else { throw .noPort(outcome.left) }
        } catch {
            events.stop()
            throw error
        }
        for choice in outcome.chosen {
            let device = devices.first { $0.name == choice.port.device }
            log.info(
                "an RDMA port is used",
                [
                    ("port", choice.text), ("reason", choice.reason), ("windows", device?.hasWindows ?? false),
                    ("dma.buffers", device?.takesDMABuffers ?? false),
                ])
        }
        for reason in outcome.left { log.info("an RDMA port is left", [("reason", reason)]) }
        for device in devices { watch(device) }
    }

    /// Ends the thread, and gives all served memory back. Lanes must have ended before. Never call it from a task.
    package func stop() {
        events.stop()
        served.stop()
    }

    private static func open(_ settings: VerbsSettings) throws(RDMAError) -> [VerbsDevice] {
        var count: Int32 = 0
        guard let list = ibv_get_device_list(&count) else {
            // ENOSYS: the kernel has no RDMA at all.
            if errno == ENOSYS || errno == ENOENT { throw .noPort([]) }
            throw .last("list the devices", "libibverbs")
        }
        defer { ibv_free_device_list(list) }
        var devices: [VerbsDevice] = []
        var reasons: [String] = []
        for index in 0..<Int(count) {
            guard let device = list[index], let name = ibv_get_device_name(device).map({ String(cString: $0) }),
                settings.devices.isEmpty
                    || settings.devices.contains(where: { $0 == name || $0.hasPrefix("\(name):") })
            else { continue }
            do throws(RDMAError) {
                devices.append(try VerbsDevice(device, settings))
            } catch {
                reasons.append("\(error)")
            }
        }
        guard !devices.isEmpty else {
            throw .noPort(reasons + settings.devices.map { "\($0) is named by MX_RDMA_DEVICES and not there" })
        }
        return devices
    }

    private static func ports(of devices: [VerbsDevice]) throws(RDMAError) -> [VerbsPort] {
        var ports: [VerbsPort] = []
        for device in devices { ports += try device.ports() }
        return ports
    }

    /// The ports that are fit now, fastest first. Asks the devices; any thread.
    func rails() throws(RDMAError) -> [Rail] {
        let outcome = VerbsPortChoice.choose(try Self.ports(of: devices), settings)
        guard !outcome.chosen.isEmpty else { throw .noPort(outcome.left) }
        return outcome.chosen.compactMap { choice in
            devices.first { $0.name == choice.port.device }.map { Rail(device: $0, choice: choice) }
        }
    }

    // MARK: Events

    /// Calls `watcher` with device and port when a port goes down, on a thread that must not be blocked, until `unwatch`.
    func watch(_ watcher: @escaping @Sendable (String, UInt8) -> Void) -> UInt64 {
        watchers.withLock { watchers in
            watchers.next += 1
            watchers.all[watchers.next] = watcher
            return watchers.next
        }
    }

    func unwatch(_ number: UInt64) { watchers.withLock { $0.all[number] = nil } }

    private func watch(_ device: VerbsDevice) {
        let descriptor = device.context.pointee.async_fd
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        events.post { [self] in
            events.register(descriptor: descriptor, events: .readable) { [weak self] events in
                guard let self else { return }
                if events.contains(.error) || events.contains(.hangup) {
                    log.error("an RDMA device is gone", [("device", device.name)])
                    self.events.unregister(descriptor: descriptor)
                }
                while takeEvent(of: device) {}
            }
        }
    }

    private func takeEvent(of device: VerbsDevice) -> Bool {
        var event = ibv_async_event()
        guard ibv_get_async_event(device.context, &event) == 0 else { return false }
        let port = UInt8(truncatingIfNeeded: event.element.port_num)
        let kind = event.event_type
        // Before a queue pair that it is about can be destroyed.
        ibv_ack_async_event(&event)
        switch kind {
        case IBV_EVENT_PORT_ACTIVE:
            device.metrics.portEvents.increment()
            log.info("an RDMA port is up", [("port", "\(device.name):\(port)")])
        case IBV_EVENT_PORT_ERR:
            device.metrics.portEvents.increment()
            log.warning("an RDMA port is down", [("port", "\(device.name):\(port)")])
            tell(device.name, port)
        case IBV_EVENT_DEVICE_FATAL:
            log.error("an RDMA device failed", [("device", device.name)])
            for number in device.portNumbers { tell(device.name, number) }
        default:
            let name = ibv_event_type_str(kind).map { String(cString: $0) } ?? "\(kind.rawValue)"
            log.debug("an RDMA event", [("device", device.name), ("event", name)])
        }
        return true
    }

    private func tell(_ device: String, _ port: UInt8) {
        for watcher in watchers.withLock({ Array($0.all.values) }) { watcher(device, port) }
    }
}
