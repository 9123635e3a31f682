import Testing

@testable import EnginePool

/// Identifiers as public servers make them; the vectors are theirs, or cross-checked with their code.
struct EngineIdentityTests {
    private static func sample() -> EngineIdentity {
        var identity = EngineIdentity()
        identity.clientVersion = "0.5.0"
        identity.framework = 1
        identity.model = "deepseek-ai/DeepSeek-V3"
        identity.tensorParallel = 8
        identity.pipelineParallel = 1
        identity.dtype = "bfloat16"
        return identity
    }

    @Test("The canonical form is compact JSON with sorted keys, in lower case")
    func canonicalForm() {
        let form = Self.sample().canonicalForm
        #expect(
            String(decoding: form, as: UTF8.self)
                == #"{"backend_framework":1,"dtype":"bfloat16","expert_parallel_size":0,"extra_parameters":{},"#
                + #""model_name":"deepseek-ai/deepseek-v3","mx_source_type":0,"mx_version":"0.5.0","#
                + #""pipeline_parallel_size":1,"quantization":"","revision":"","tensor_parallel_size":8}"#)
        #expect(form.count == 252)
    }

    @Test("The pinned identifier of the public servers' own tests")
    func plain() { #expect(Self.sample().sourceID == "5a5f555570065064") }

    @Test("With a revision, pinned too")
    func revision() {
        var identity = Self.sample()
        identity.revision = "abc123def4567890"
        #expect(identity.sourceID == "d0c184b2a9a34c82")
    }

    @Test("Of extra parameters whose keys differ in case only, the first by bytes counts; pinned too")
    func extraParameters() {
        var identity = Self.sample()
        identity.extraParameters = ["Foo": "a", "foo": "b"]
        #expect(identity.sourceID == "bf71fb9340cd940a")
    }

    @Test("A full identity in mixed case")
    func full() {
        var identity = EngineIdentity()
        identity.clientVersion = "0.7.0"
        identity.model = "Qwen/Qwen2.5-0.5B-Instruct"
        identity.framework = 1
        identity.tensorParallel = 2
        identity.pipelineParallel = 1
        identity.expertParallel = 1
        identity.dtype = "bfloat16"
        identity.quantization = "fp8"
        identity.revision = "7AE557604ADF67BE50417F59C2C2F167DEF9A775"
        identity.extraParameters = ["Role": "Source"]
        #expect(identity.canonicalForm.count == 313)
        #expect(identity.sourceID == "c1a0b1f5f9ba3be2")
    }

    @Test("Text that isn't ASCII stands there as UTF-8, as public servers write it and the Python client alone doesn't")
    func notASCII() {
        var identity = Self.sample()
        identity.model = "org/模型-É"
        let form = String(decoding: identity.canonicalForm, as: UTF8.self)
        #expect(form.contains(#""model_name":"org/模型-é""#))
        #expect(!form.contains("\\u"))
        #expect(identity.sourceID == "4759d84cc9b94812")
    }

    @Test("Optional fields count only where they aren't empty")
    func optional() {
        var identity = Self.sample()
        identity.torchVersion = "2.9.0"
        #expect(String(decoding: identity.canonicalForm, as: UTF8.self).hasSuffix(#","torch_version":"2.9.0"}"#))
        #expect(identity.sourceID != Self.sample().sourceID)
    }

    @Test("Only what JSON demands is escaped")
    func escapes() {
        var identity = Self.sample()
        identity.model = "a/\"\\\u{01}\u{08}\n\u{7F}"
        let form = String(decoding: identity.canonicalForm, as: UTF8.self)
        #expect(form.contains("\"model_name\":\"a/\\\"\\\\\\u0001\\b\\n\u{7F}\""))
    }
}
