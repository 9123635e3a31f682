/// Why a safetensors file was refused. Each case that concerns a tensor names it.
package enum SafetensorsError: Error, Hashable, Sendable {
    case tooShort(fileSize: UInt64)
    case headerSize(claimed: UInt64, fileSize: UInt64)
    case malformedHeader(JSONError)
    case malformedTensor(String, JSONError)
    case duplicateName(String)
    case nameTooLong(String)
    case tooManyTensors(limit: Int)
    case tooManyDimensions(String, limit: Int)
    case unknownType(String, type: String)
    case reversed(String, begin: UInt64, end: UInt64)
    case beyondData(String, end: UInt64, dataSize: UInt64)
    case wrongSize(String, type: String, shape: [UInt64], bytes: UInt64)
    case overlap(String, begin: UInt64, previousEnd: UInt64)
    case hole(String, begin: UInt64, previousEnd: UInt64)
    case unusedData(end: UInt64, dataSize: UInt64)
}

extension SafetensorsError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort(let size):
            "the file has \(size) bytes, a safetensors file has at least 8; download it again"
        case .headerSize(let claimed, let size):
            "its header claims \(claimed) bytes; the file has \(size), and a header may have"
                + " \(SafetensorsLimits.headerSize): it is damaged or no safetensors file"
        case .malformedHeader(let error): "its header is not valid: \(error)"
        case .duplicateName(let name): "tensor \(Quoted(name)) is listed twice"
        case .nameTooLong(let name): "the name of tensor \(Quoted(name)) is over \(WireLimits.name) bytes"
        case .tooManyTensors(let limit): "it has over \(limit) tensors"
        case .unusedData(let end, let dataSize):
            "its tensors end at byte \(end) of the data, which has \(dataSize) bytes; download it again"
        default: tensorDescription
        }
    }

    private var tensorDescription: String {
        switch self {
        case .malformedTensor(let name, let error): "the entry of tensor \(Quoted(name)) is not valid: \(error)"
        case .tooManyDimensions(let name, let limit): "tensor \(Quoted(name)) has over \(limit) dimensions"
        case .unknownType(let name, let type): "tensor \(Quoted(name)) has the unknown dtype \(Quoted(type))"
        case .reversed(let name, let begin, let end): "tensor \(Quoted(name)) begins at \(begin), after its end \(end)"
        case .beyondData(let name, let end, let size):
            "tensor \(Quoted(name)) ends at byte \(end) of the data, but the file has only \(size): it is cut short;"
                + " download it again"
        case .wrongSize(let name, let type, let shape, let bytes):
            "tensor \(Quoted(name)) has \(bytes) bytes, which dtype \(type) and shape \(shape) don't make"
        case .overlap(let name, let begin, let end):
            "tensor \(Quoted(name)) begins at \(begin), inside the one before it, which ends at \(end)"
        case .hole(let name, let begin, let end):
            "tensor \(Quoted(name)) begins at \(begin), but the one before it ends at \(end): the bytes between belong"
                + " to nothing"
        default: ""
        }
    }
}

/// A name from outside as people may see it: in quotes, on one line, cut when it is long.
package struct Quoted: CustomStringConvertible, Sendable {
    private static let longest = 200
    package let description: String

    package init(_ text: String) {
        var result = "'"
        for scalar in text.unicodeScalars.prefix(Self.longest) {
            result += scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }
        description = text.unicodeScalars.count > Self.longest ? result + "…'" : result + "'"
    }
}
