import LocalAPI
import Testing

@testable import CommandLine

struct MeshReportTests {
    private func peer(_ name: String, isSelf: Bool) -> PeerView {
        PeerView(
            peer: String(repeating: "4f1c", count: 16), name: name, zone: isSelf ? "" : "rack-a",
            address: isSelf ? "fd00::1" : "10.0.0.1", bootstrapPort: 8012, roles: ["origin", "relay"],
            isNeighbour: !isSelf, isSelf: isSelf, slotsInUse: 1, slots: 2, bytesServed: 3_500_000_000,
            bytesReceived: 0, validForSeconds: 42)
    }

    @Test("A table of peers is aligned, and hostile names stay text")
    func peers() {
        #expect(
            MeshReport.peers([peer("a", isSelf: true), peer("\u{1B}[2Jx\n", isSelf: false)]) == """
                PEER          NAME          ADDRESS         ZONE    ROLES         LINK       SLOTS   SERVED  RECEIVED  VALID
                4f1c4f1c4f1c  a             [fd00::1]:8012  -       origin,relay  self         1/2  3.50 GB       0 B   42 s
                4f1c4f1c4f1c  \\u{1b}[2Jx\\n  10.0.0.1:8012   rack-a  origin,relay  neighbour    1/2  3.50 GB       0 B   42 s

                """)
    }

    @Test("A table of sources tells how much of the model each has")
    func sources() {
        let source = SourceView(
            model: "team/llama", revision: "", stage: "files", rank: 0, peer: "4f1c00112233aa", name: "a\u{202E}b",
            manifest: "abcdef0123456789", state: "loading", coverage: 0.625, bytes: 16_000_000_000,
            lanes: ["shm", "tcp"], slotsInUse: 0, slots: 2)
        #expect(
            MeshReport.sources([source]) == """
                MODEL       REVISION  STAGE  RANK  PEER          NAME        STATE    HAS      SIZE  LANES    SLOTS  MANIFEST
                team/llama  -         files     0  4f1c00112233  a\\u{202e}b  loading  63%  16.00 GB  shm,tcp    0/2  abcdef012345

                """)
    }

    @Test("An empty table says what to do")
    func empty() {
        #expect(MeshReport.peers([]).contains("modelexpress serve FOLDER"))
        #expect(MeshReport.peers([]).contains("--peers HOST:PORT"))
        #expect(MeshReport.sources([]).contains("modelexpress serve FOLDER"))
    }

    @Test("A status is a line each, with the store where there is one")
    func status() {
        let status = StatusView(
            program: "modelexpress-server", state: "ready", peer: "4f1c00112233aa", name: "s\u{1B}", cluster: "beef",
            address: "10.0.0.1", bootstrapPort: 1, controlPort: 2, gossipPort: 3, dataPort: 4, neighbours: 5, peers: 6,
            slotsInUse: 0, bytesServed: 7, bytesReceived: 8, store: "connected")
        #expect(
            MeshReport.status(status) == """
                program   modelexpress-server
                state     ready
                peer      4f1c00112233 (s\\u{1b})
                cluster   beef
                address   10.0.0.1:1
                ports     bootstrap 1, control 2, gossip 3, data 4
                mesh      6 peers known, 5 neighbours
                served    7 B, 0 readers now
                received  8 B
                store     connected

                """)
    }
}
