import Glibc
import Testing

enum Lane: String, CaseIterable, Sendable {
    case sharedMemory = "shm"
    case tcp
}

/// A `modelexpress serve` that serves.
struct ServingPeer: Sendable {
    let name: String
    let process: ChildProcess
    /// For --peers.
    let bootstrap: String
}

extension Cluster {
    /// Serves a folder as a model, and returns when it is on offer.
    func serve(
        _ folder: String, as model: String? = nil, name: String = "source", peers: [String] = [],
        _ options: [String] = [], environment: [String: String] = [:]
    ) async throws -> ServingPeer {
        let process = try await startServe(
            folder, as: model, name: name, peers: peers, options, environment: environment)
        let serving = try await process.event("serving")
        return ServingPeer(name: name, process: process, bootstrap: serving.bootstrap ?? "")
    }

    func startServe(
        _ folder: String, as model: String? = nil, name: String = "source", peers: [String] = [],
        _ options: [String] = [], environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        var arguments = ["serve", folder, "--json"]
        if let model { arguments += ["--name", model] }
        if !peers.isEmpty { arguments += ["--peers", peers.joined(separator: ",")] }
        return try await start("modelexpress", arguments + options, as: name, environment: environment)
    }

    /// Starts a pull to a folder of the cluster.
    func startPull(
        _ model: String, to copy: String, from peers: [String], name: String = "target", lane: Lane? = nil,
        _ options: [String] = [], environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        var arguments = ["pull", model, "--to", path(copy), "--json", "--peers", peers.joined(separator: ",")]
        if let lane { arguments += ["--lane", lane.rawValue] }
        return try await start("modelexpress", arguments + options, as: name, environment: environment)
    }

    /// Pulls, and returns the report of a pull that must succeed.
    @discardableResult
    func pull(
        _ model: String, to copy: String, from peers: [String], name: String = "target", lane: Lane? = nil,
        _ options: [String] = [], environment: [String: String] = [:]
    ) async throws -> JobEvent {
        let process = try await startPull(
            model, to: copy, from: peers, name: name, lane: lane, options, environment: environment)
        return try await process.completedPull()
    }

    // MARK: Questions

    func status(of name: String) async throws -> StatusShape? { try await ask("status", of: name) }

    func peers(of name: String) async throws -> [PeerShape] { try await ask("peers", of: name) ?? [] }

    func sources(of name: String) async throws -> [SourceShape] { try await ask("sources", of: name) ?? [] }

    func status(ofServer url: String) async throws -> StatusShape? { try await ask("status", url) }

    func peers(ofServer url: String) async throws -> [PeerShape] { try await ask("peers", url) ?? [] }

    func sources(ofServer url: String) async throws -> [SourceShape] { try await ask("sources", url) ?? [] }

    private func ask<Answer: Decodable>(_ question: String, of name: String) async throws -> Answer? {
        try await answer([question, "--json", "--state-dir", stateFolder(of: name)])
    }

    private func ask<Answer: Decodable>(_ question: String, _ server: String) async throws -> Answer? {
        try await answer([question, "--json", "--server", server])
    }

    /// Nil when nobody answers (yet).
    private func answer<Answer: Decodable>(_ arguments: [String]) async throws -> Answer? {
        let asked = try await modelexpress(arguments)
        guard asked.ending == .code(0) else { return nil }
        return try JSON.decode(Answer.self, asked.output)
    }

    /// Waits until a peer has served more than so many bytes.
    func served(_ name: String, moreThan bytes: UInt64) async throws {
        try await eventually("over \(bytes) bytes served by \(name)") {
            try await status(of: name).map { $0.bytesServed > bytes } ?? false
        }
    }
}

extension ChildProcess {
    /// The report of a pull that must end well.
    func completedPull(within bound: Duration = .seconds(90)) async throws -> JobEvent {
        let ending = try await end(within: bound)
        guard ending == .code(0), let report = events.last, report.event == "complete" else {
            throw Unmet("the pull did not complete\n\(self.report)")
        }
        #expect(report.exitCode == 0)
        return report
    }

    /// What a command said when it failed: the message on standard error.
    func failed(with code: Int32, within bound: Duration = .seconds(60)) async throws -> String {
        let ending = try await end(within: bound)
        guard ending == .code(code) else { throw Unmet("exit code \(code) was expected\n\(report)") }
        return errors
    }
}

/// Nothing may differ.
func expectIdentical(
    _ source: String, _ copy: String, _ location: SourceLocation = #_sourceLocation
) async throws {
    let differences = try await FolderComparison.differences(source: source, copy: copy)
    #expect(differences.isEmpty, "\(differences.prefix(5))", sourceLocation: location)
}
