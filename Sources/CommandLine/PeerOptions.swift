package import ArgumentParser
package import Configuration

/// What every program with a peer of its own takes. A flag wins over its environment variable, which wins over the default;
/// `Configuration` applies that.
package struct PeerOptions: ParsableArguments {
    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            "Keys, token, local socket and digest cache lie here (MX_STATE_DIR; default ~/.modelexpress).",
            valueName: "folder"))
    package var stateDirectory: String?

    @Option(
        help: ArgumentHelp(
            "The join token made by `modelexpress keys token` (MX_TOKEN_FILE; default FOLDER/token).",
            valueName: "file"))
    package var token: String?

    @Option(
        help: ArgumentHelp(
            "Bootstrap ports of peers or servers to join, with commas between them; may be given again (MX_PEERS).",
            valueName: "host:port,..."))
    package var peers: [String] = []

    @Option(
        name: .customLong("peer-name"),
        help: ArgumentHelp("What people call this peer (MX_PEER_NAME; default the host's name).", valueName: "name"))
    package var peerName: String?

    @Option(
        help: ArgumentHelp("Where it stands, such as a rack; near sources are preferred (MX_ZONE).", valueName: "zone"))
    package var zone: String?

    @Option(
        help: ArgumentHelp(
            "The address at which others reach this peer (MX_ADVERTISE_ADDRESS; default its own address).",
            valueName: "host"))
    package var advertise: String?

    @Option(
        help: ArgumentHelp("The address to listen on (MX_BIND_ADDRESS; default 0.0.0.0, all).", valueName: "address"))
    package var bind: String?

    @Option(
        name: .customLong("bootstrap-port"),
        help: ArgumentHelp("Port that newcomers ask; 0 lets the system choose (MX_BOOTSTRAP_PORT).", valueName: "port"))
    package var bootstrapPort: Int?

    @Option(
        name: .customLong("control-port"),
        help: ArgumentHelp("Port for requests between peers; 0 as above (MX_CONTROL_PORT).", valueName: "port"))
    package var controlPort: Int?

    @Option(
        name: .customLong("gossip-port"),
        help: ArgumentHelp("Port for gossip; 0 as above (MX_GOSSIP_PORT).", valueName: "port"))
    package var gossipPort: Int?

    @Option(
        name: .customLong("data-port"),
        help: ArgumentHelp("Port for weights over TCP; 0 as above (MX_DATA_PORT).", valueName: "port"))
    package var dataPort: Int?

    @Option(help: ArgumentHelp("Readers served at once (MX_SLOTS; default 4).", valueName: "count"))
    package var slots: Int?

    @Option(
        name: .customLong("rate-limit"),
        help: ArgumentHelp(
            "The most bytes a second to serve, such as 500MB or 2GiB (MX_RATE_LIMIT; default no limit).",
            valueName: "rate"))
    package var rateLimit: String?

    @Option(
        name: .customLong("host-socket-dir"),
        help: ArgumentHelp(
            "A folder that the peers of one host share, for the shared-memory lane (MX_HOST_SOCKET_DIR).",
            valueName: "folder"))
    package var hostSocketDirectory: String?

    @Option(
        help: ArgumentHelp(
            "Ways to move weights, best first: a list of shm, ucx (RDMA, with MX_FABRIC=trusted), verbs (RDMA) and tcp (MX_LANES).",
            valueName: "lanes"))
    package var lanes: String?

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "trace, debug, info, notice, warning, error or critical (MX_LOG_LEVEL).", valueName: "level"))
    package var logLevel: String?

    @Option(
        name: .customLong("log-format"),
        help: ArgumentHelp("text or json, on standard error (MX_LOG_FORMAT; default text).", valueName: "format"))
    package var logFormat: String?

    package init() {}

    /// For `PeerSettings.resolve`.
    package var flags: PeerFlags {
        var flags = PeerFlags()
        flags.stateDirectory = stateDirectory
        flags.token = token
        flags.peers = peers
        flags.peerName = peerName
        flags.zone = zone
        flags.advertise = advertise
        flags.bind = bind
        flags.bootstrapPort = bootstrapPort
        flags.controlPort = controlPort
        flags.gossipPort = gossipPort
        flags.dataPort = dataPort
        flags.slots = slots
        flags.rateLimit = rateLimit
        flags.hostSocketDirectory = hostSocketDirectory
        flags.lanes = lanes
        flags.logLevel = logLevel
        flags.logFormat = logFormat
        return flags
    }
}
