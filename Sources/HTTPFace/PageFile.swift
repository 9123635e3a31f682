import Digest

/// A file of a page, compiled into the program.
package struct PageFile: Sendable {
    /// What a browser takes it for.
    package enum Kind: Sendable {
        case html
        case styles
        case script
        case image
    }

    let response: Response

    package init(_ kind: Kind, _ bytes: [UInt8]) {
        let type: Response.ContentType =
            switch kind {
            case .html: .html
            case .styles: .styles
            case .script: .script
            case .image: .image
            }
        // Another release has other bytes, and a browser that kept the old ones must notice.
        let tag = String(BLAKE2b.digest(bytes).description.prefix(Self.tagCharacters))
        response = Response(status: .fine, type: type, body: bytes, tag: tag)
    }

    private static let tagCharacters = 16
}

/// One JSON answer.
package struct JSONBody: Sendable {
    package var bytes: [UInt8]
    /// Names exactly these bytes among all that its address ever gives, in letters, digits and hyphens; nil when each answer
    /// is another.
    package var tag: String?

    package init(_ bytes: [UInt8], tag: String? = nil) {
        self.bytes = bytes
        self.tag = tag
    }
}
