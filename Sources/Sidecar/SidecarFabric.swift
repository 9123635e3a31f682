import Configuration
import DataPlane
import Records
import Telemetry

/// This host's RDMA devices, as far as there are any and the settings want them.
struct SidecarFabric: Sendable {
    private static let log = Log(component: "rdma")

    /// For verbs lanes, and what finds ports for others.
    private let ports: VerbsFabric?
    private let offersVerbs: Bool
    let ucx: UCXFabric?

    var verbs: VerbsFabric? { offersVerbs ? ports : nil }

    /// Opens what the lanes need; says why where RDMA is off or there is nothing to use: the other lanes do without it.
    init(_ settings: SidecarSettings) {
        let lanes = settings.peer.lanes
        offersVerbs = lanes.contains(.verbs)
        ports = offersVerbs || lanes.contains(.ucx) ? Self.openPorts(settings) : nil
        ucx = lanes.contains(.ucx) ? ports.flatMap { Self.openUCX(settings, $0) } : nil
    }

    private static func openPorts(_ settings: SidecarSettings) -> VerbsFabric? {
        do throws(RDMAError) {
            return try VerbsFabric(settings.rdma)
        } catch {
            let fields: [Log.Field] = [("reason", error.description)]
            // Only who named devices, or trusts a fabric, expects some.
            if settings.rdma.devices.isEmpty, !settings.peer.trustsFabric {
                log.info("no lane over RDMA is offered", fields)
            } else {
                log.warning("no lane over RDMA is offered", fields)
            }
            return nil
        }
    }

    private static func openUCX(_ settings: SidecarSettings, _ ports: VerbsFabric) -> UCXFabric? {
        do throws(RDMAError) {
            return try UCXFabric(settings.ucx, ports: ports)
        } catch {
            log.error(
                "MX_FABRIC is trusted, and no UCX lane is offered; other lanes are", [("reason", error.description)])
            return nil
        }
    }

    /// Whether there is what a lane needs.
    func has(_ lane: LaneKind) -> Bool {
        switch lane {
        case .verbs: verbs != nil
        case .ucx: ucx != nil
        case .sharedMemory, .tcp: true
        }
    }

    /// Once all lanes have ended. Never from a task.
    func stop() {
        ucx?.stop()
        ports?.stop()
    }
}

extension VerbsSettings {
    /// Takes what is set of MX_RDMA_DEVICES, _GID_INDEX, _TRAFFIC_CLASS, _SERVICE_LEVEL, _PKEY and _WINDOWS.
    init(_ environment: Environment) throws(ConfigurationError) {
        self.init()
        devices = (environment["MX_RDMA_DEVICES"] ?? "").split(separator: ",").map { $0.filter { !$0.isWhitespace } }
            .filter { !$0.isEmpty }
        gidIndex = try Self.number("MX_RDMA_GID_INDEX", in: 0...255, environment)
        trafficClass = UInt8(try Self.number("MX_RDMA_TRAFFIC_CLASS", in: 0...255, environment) ?? 0)
        serviceLevel = UInt8(try Self.number("MX_RDMA_SERVICE_LEVEL", in: 0...15, environment) ?? 0)
        partition = try Self.number("MX_RDMA_PKEY", in: 1...0xFFFF, environment).map { UInt16($0) }
        let windows = environment["MX_RDMA_WINDOWS"] ?? "on"
        guard ["on", "off"].contains(windows) else {
            throw .invalid(setting: "MX_RDMA_WINDOWS", value: windows, expected: "on or off")
        }
        usesWindows = windows == "on"
    }

    /// Decimal, or hexadecimal behind 0x.
    private static func number(
        _ variable: String, in range: ClosedRange<Int>, _ environment: Environment
    ) throws(ConfigurationError) -> Int? {
        guard let text = environment[variable] else { return nil }
        let value = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
        guard let value, range.contains(value) else {
            throw .invalid(
                setting: variable, value: text, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}
