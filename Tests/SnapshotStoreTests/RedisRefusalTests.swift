import Testing

@testable import SnapshotStore

struct RedisRefusalTests {
    @Test(
        "An error reply is classified, also when an old server wraps it in a script's error",
        arguments: [
            ("OOM command not allowed when used memory > 'maxmemory'. script: 1a, on @user_script:1.", "OOM", true),
            ("ERR Error running script (call to f_1a): @user_script:9: -OOM command not allowed", "OOM", true),
            ("ERR Error running script (call to f_1a): @user_script:9: READONLY You can't write", "READONLY", true),
            ("READONLY You can't write against a read only replica.", "READONLY", true),
            ("LOADING Redis is loading the dataset in memory", "LOADING", true),
            ("NOAUTH Authentication required.", "NOAUTH", true),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE", false),
            ("NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT", false),
            ("ERR unknown command 'READONLY'", "ERR", false),
            ("", "ERR", false),
        ])
    func classifies(reply: String, code: String, isServerWide: Bool) {
        let refusal = RedisRefusal(reply: reply)
        #expect(refusal.code == code)
        #expect(refusal.isServerWide == isServerWide)
    }

    @Test("A long text is shortened")
    func shortens() {
        #expect(RedisRefusal(reply: String(repeating: "x", count: 9_999)).text.count == RedisRefusal.longestText)
    }
}
