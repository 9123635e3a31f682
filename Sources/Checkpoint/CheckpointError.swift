import CLinux
import Glibc
package import Records

/// Why a folder can't be served, or a pull can't be written. Paths and names are as they are on disk; the description quotes
/// them and says what to do.
package enum CheckpointError: Error, Hashable, Sendable {
    /// A system call failed; `action` completes "can't".
    case system(action: String, path: String, code: Int32)
    case tooManyOpenFiles(path: String)
    case cancelled

    // Reading a folder
    case notFound(path: String)
    case hubCacheEntry(path: String)
    case noFiles(path: String)
    case badName(path: String, reason: String)
    case badIdentity(field: String, value: String, reason: String)
    case brokenLink(link: String, target: String)
    case escapingLink(link: String, target: String)
    case linkLoop(link: String)
    case tooManyFiles(path: String, limit: Int)
    case tooDeep(path: String, limit: Int)
    case safetensors(file: String, SafetensorsError)
    case tooManyTensors(limit: Int)
    case tooLarge(path: String, size: UInt64, limit: UInt64)
    case malformedIndex(file: String, JSONError)
    case indexNamesMissingFile(index: String, tensor: String, file: String)
    case indexNamesMissingTensor(index: String, tensor: String, file: String)
    case shrank(file: String)
    case changed(file: String)
    case content(WireError)
    case unsafeCacheFolder(path: String)

    // Writing a folder
    case destinationNotEmpty(path: String)
    case destinationNotFolder(path: String)
    case destinationIsMount(path: String)
    case noParent(path: String)
    case unsafeName(name: String, reason: String)
    case stagingInUse(path: String)
    case stagingNotOurs(path: String)
    case noSpace(path: String, needed: UInt64, free: UInt64, code: Int32)
    case wrongChunk(chunk: Int, bytes: Int)
    case incomplete(path: String, missing: Int)
    case writerClosed(path: String)
    /// Memory that the content needs can't be had, and why.
    case noMemory(String)
    /// The content is not what an engine has memory for; what differs, in words.
    case otherTensors([String])

    /// The error of a call that has just failed. Must be made before anything else can change errno.
    static func failed(_ action: String, _ path: String, code: Int32 = mx_errno()) -> CheckpointError {
        code == EMFILE || code == ENFILE
            ? .tooManyOpenFiles(path: path) : .system(action: action, path: path, code: code)
    }
}

extension CheckpointError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .system(let action, let path, let code): "can't \(action) \(Quoted(path)): \(Self.text(of: code))"
        case .tooManyOpenFiles(let path):
            "can't open \(Quoted(path)): too many open files; every file of a model stays open while it is served, so raise"
                + " the limit (`ulimit -n`, or LimitNOFILE= of the service)"
        case .cancelled: "cancelled"
        case .noMemory(let why): why
        case .otherTensors(let differences):
            "the content does not fit the engine: \(differences.joined(separator: "; "))"
        case .content(let error): "the content doesn't fit into a manifest: \(error); choose larger chunks"
        case .destinationNotEmpty, .destinationNotFolder, .destinationIsMount, .noParent, .unsafeName, .stagingInUse,
            .stagingNotOurs, .noSpace, .wrongChunk, .incomplete, .writerClosed:
            writingDescription
        case .safetensors, .tooManyTensors, .tooLarge, .malformedIndex, .indexNamesMissingFile,
            .indexNamesMissingTensor:
            contentDescription
        default: folderDescription
        }
    }

    private var folderDescription: String {
        switch self {
        case .notFound(let path): "\(Quoted(path)) doesn't exist; name a folder or a .safetensors file"
        case .hubCacheEntry(let path):
            "\(Quoted(path)) is a Hugging Face cache entry; name one of the folders in \(Quoted(path + "/snapshots"))"
        case .noFiles(let path):
            "\(Quoted(path)) has no files to serve (files whose names begin with a dot don't count)"
        case .badName(let path, let reason): "the name \(Quoted(path)) can't be served: \(reason); rename it"
        case .badIdentity(let field, let value, let reason): "the \(field) \(Quoted(value)) \(reason); give another"
        case .brokenLink(let link, let target):
            "\(Quoted(link)) is a link to \(Quoted(target)), which doesn't exist; download it again"
        case .escapingLink(let link, let target):
            "\(Quoted(link)) is a link to \(Quoted(target)), outside the folder and its cache; copy the file instead"
        case .linkLoop(let link): "\(Quoted(link)) is a link that leads back to itself; remove it"
        case .tooManyFiles(let path, let limit): "\(Quoted(path)) has over \(limit) files; name a smaller folder"
        case .tooDeep(let path, let limit): "\(Quoted(path)) lies over \(limit) folders deep; name a smaller folder"
        case .shrank(let file): "\(Quoted(file)) shrank while it was read; serve it again when nothing writes to it"
        case .changed(let file): "\(Quoted(file)) changed while it was read; serve it again when nothing writes to it"
        case .unsafeCacheFolder(let path):
            "the cache folder \(Quoted(path)) is not this user's alone; give it to this user with mode 0700"
        default: ""
        }
    }

    private var contentDescription: String {
        switch self {
        case .safetensors(let file, let error): "\(Quoted(file)): \(error)"
        case .tooManyTensors(let limit): "the folder has over \(limit) tensors; serve its parts one by one"
        case .tooLarge(let path, let size, let limit): "\(Quoted(path)) has \(size) bytes, over the limit of \(limit)"
        case .malformedIndex(let file, let error): "\(Quoted(file)) is not a valid index: \(error); download it again"
        case .indexNamesMissingFile(let index, let tensor, let file):
            "\(Quoted(index)) says that tensor \(Quoted(tensor)) is in \(Quoted(file)), which is not there; download it"
        case .indexNamesMissingTensor(let index, let tensor, let file):
            "\(Quoted(index)) says that tensor \(Quoted(tensor)) is in \(Quoted(file)), which doesn't have it;"
                + " download both again"
        default: ""
        }
    }

    private var writingDescription: String {
        switch self {
        case .destinationNotEmpty(let path): "\(Quoted(path)) is not empty; choose another destination, or empty it"
        case .destinationNotFolder(let path): "\(Quoted(path)) is not a folder; choose another destination"
        case .destinationIsMount(let path):
            "\(Quoted(path)) is a mount point and can't be put in place at once; choose a folder inside it, such as"
                + " \(Quoted(path + "/model"))"
        case .noParent(let path): "the folder \(Quoted(path)) doesn't exist; create it first"
        case .unsafeName(let name, let reason):
            "the source names a file \(Quoted(name)), which \(reason); nothing was written"
        case .stagingInUse(let path):
            "another pull is writing to \(Quoted(path)); wait for it, or choose another destination"
        case .stagingNotOurs(let path): "\(Quoted(path)) is in the way and belongs to somebody else; remove it"
        case .noSpace(let path, let needed, let free, let code):
            "\(needed) bytes are needed in \(Quoted(path)), and \(free) are free (\(Self.text(of: code))); free some space"
                + " or choose another destination"
        case .wrongChunk(let chunk, let bytes): "chunk \(chunk) with \(bytes) bytes is not a chunk of this content"
        case .incomplete(let path, let missing): "\(Quoted(path)) lacks \(missing) chunks; fetch them first"
        case .writerClosed(let path): "the pull to \(Quoted(path)) has ended; start a new one"
        default: ""
        }
    }

    private static func text(of code: Int32) -> String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
}
