package import ArgumentParser
import Configuration
import Records

/// What `serve` takes beside the peer's own options.
package struct ServeArguments: ParsableArguments {
    /// For the command's help.
    package static let discussion = """
        Reads the folder once to make its manifest, then offers it to the mesh until Ctrl-C. Others pull it by its \
        name.

        Example:
          modelexpress serve ./Llama-3-8B --name llama-3-8b --peers server:8002
        """

    @Argument(help: ArgumentHelp("The checkpoint folder with its safetensors files.", valueName: "folder"))
    package var path: String

    @Option(
        name: [.customLong("name"), .customLong("model-name")],
        help: ArgumentHelp("What the model is called (default: from the folder).", valueName: "model"))
    package var name: String?

    @Option(
        help: ArgumentHelp(
            "Which version of the model this is (default: from the folder, when it tells).", valueName: "revision"))
    package var revision: String?

    @Flag(
        help: ArgumentHelp(
            "Copy the model into memory first and serve it from there: faster, and the folder may go; costs as much memory as "
                + "the model has."))
    package var inMemory = false

    @Flag(help: "Print a JSON object a line instead of text for people.")
    package var json = false

    package init() {}
}

/// What `pull` takes beside the peer's own options.
package struct PullArguments: ParsableArguments {
    /// For the command's help.
    package static let discussion = """
        Finds peers that offer the model, reads from several of them at once, and checks every chunk. A pull that was \
        interrupted goes on where it was when it is started again with the same folder.

        Example:
          modelexpress pull llama-3-8b --to ./Llama-3-8B --peers server:8002

        To hold a model in memory for others, without a disk:
          modelexpress pull llama-3-8b --in-memory --serve --peers server:8002
        """

    @Argument(help: ArgumentHelp("The model's name, as `modelexpress sources` lists it.", valueName: "model"))
    package var model: String

    @Option(name: .customLong("to"), help: ArgumentHelp("The folder to write the model to.", valueName: "folder"))
    package var directory: String?

    @Flag(help: "Hold the model in memory instead of a folder; with --serve, others read it from there.")
    package var inMemory = false

    @Flag(help: ArgumentHelp("With --in-memory: take all memory before the first byte.", visibility: .hidden))
    package var populate = false

    @Flag(help: "Check every chunk and throw it away: to see what sources and network give.")
    package var discard = false

    @Option(
        help: ArgumentHelp(
            "Write what each source gave, and why it was chosen or left, to this file as JSON, also when the pull fails.",
            valueName: "file"))
    package var report: String?

    @Option(
        help: ArgumentHelp(
            "files: a checkpoint folder; loaded or processed: the memory of an engine (default files).",
            valueName: "stage"))
    package var stage: StageArgument?

    @Option(help: ArgumentHelp("Of an engine's memory: which rank's (default 0).", valueName: "number"))
    package var rank: UInt32 = 0

    @Option(help: ArgumentHelp("Which version of the model (default: the one on offer).", valueName: "revision"))
    package var revision: String?

    @Option(help: "Read over this lane only: shm, ucx, verbs or tcp (default: the best that both sides have).")
    package var lane: LaneArgument?

    @Option(
        help: ArgumentHelp(
            "Wait this long for a source, such as 30s or 5m; plain numbers are seconds (default: until it is clear that "
                + "nobody offers the model).", valueName: "seconds"))
    package var wait: DurationArgument?

    @Option(
        help: "full checks each chunk against its signed digest; crc only its checksum (MX_INTEGRITY; default full).")
    package var integrity: IntegrityArgument?

    @Flag(help: "Go on serving the model to others once it is complete, until Ctrl-C.")
    package var serve = false

    @Flag(help: "Print a JSON object a line instead of a progress line for people.")
    package var json = false

    package init() {}

    package func validate() throws {
        guard [directory != nil, inMemory, discard].count(where: { $0 }) == 1 else {
            throw ValidationError("say where the model goes: one of --to FOLDER, --in-memory or --discard")
        }
        guard directory == nil || (stage?.stage ?? .files) == .files else {
            throw ValidationError("an engine's memory is no folder: --in-memory or --discard go with --stage")
        }
        guard !discard || !serve else { throw ValidationError("--discard keeps nothing that --serve could serve") }
    }
}
