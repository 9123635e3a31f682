import Configuration
import Digest
import EventThread
import PublicAPI
import Telemetry

/// Callers by the tokens of their service accounts: the Kubernetes API says whose they are. Answers are kept for a while.
actor TokenReviewCallers: CallerAuthority {
    /// Answers kept, and questions that wait for one of the threads.
    private static let keptAnswers = 10_000
    private static let waitingQuestions = 1_024
    private static let threads = 4
    /// Bytes of a token: those of Kubernetes have one or two thousand.
    private static let tokenLimit = 16 << 10
    /// How long it holds that a token is bad, at most, milliseconds; it is short, as a new account is soon good.
    private static let refusalLife: Int64 = 10_000

    private struct Kept {
        var answer: Task<Result<String, CallerRefusal>, Never>
        /// On the monotonic clock, milliseconds; nil while it is asked for.
        var end: Int64?
    }

    private let review: TokenReview
    private let client: KubernetesClient
    private let life: Int64
    private let pool: WorkerPool
    private let questions: Counter
    private let failures: Counter
    private var kept: [Digest256: Kept] = [:]

    init(_ settings: EngineSettings.Review, metrics: Metrics) throws(EventThreadError) {
        review = TokenReview(audiences: settings.audiences, allowed: settings.allowed)
        client = KubernetesClient(settings: settings.kubernetes)
        life = settings.life
        pool = try WorkerPool(name: "token-review", threads: Self.threads, capacity: Self.waitingQuestions)
        questions = metrics.counter(
            "modelexpress_grpc_token_reviews_total", help: "Questions to the Kubernetes API who shows a token.")
        failures = metrics.counter(
            "modelexpress_grpc_token_review_failures_total", help: "Such questions that it did not answer.")
    }

    func caller(token: String?) async throws(CallerRefusal) -> String {
        guard let token, token.utf8.count <= Self.tokenLimit else { throw .unauthenticated }
        let digest = SHA256.digest(Array(token.utf8))
        let now = Int64(MonotonicClock.now() / 1_000_000)
        if let known = kept[digest], known.end.map({ now < $0 }) ?? true { return try await known.answer.value.get() }
        makeRoom(now)
        let asked = Task { await self.ask(token) }
        kept[digest] = Kept(answer: asked)
        let answer = await asked.value
        kept[digest]?.end = end(of: answer)
        return try answer.get()
    }

    private func end(of answer: Result<String, CallerRefusal>) -> Int64 {
        let now = Int64(MonotonicClock.now() / 1_000_000)
        switch answer {
        case .success: return now + life
        // Nobody answered: the next call asks again.
        case .failure(.unavailable): return now
        case .failure: return now + min(life, Self.refusalLife)
        }
    }

    private func makeRoom(_ now: Int64) {
        guard kept.count >= Self.keptAnswers else { return }
        kept = kept.filter { $0.value.end.map { now < $0 } ?? true }
        if kept.count >= Self.keptAnswers { kept = kept.filter { $0.value.end == nil } }
    }

    private nonisolated func ask(_ token: String) async -> Result<String, CallerRefusal> {
        questions.increment()
        return await withCheckedContinuation { continuation in
            let isTaken = pool.submit { [self] in continuation.resume(returning: answer(token)) }
            if !isTaken { continuation.resume(returning: .failure(.unavailable)) }
        }
    }

    /// Blocks.
    private nonisolated func answer(_ token: String) -> Result<String, CallerRefusal> {
        do throws(KubernetesError) {
            let (status, body) = try client.ask("POST", TokenReview.path, body: review.question(token))
            guard status == 200 || status == 201 else { throw KubernetesClient.refusal(status, body) }
            return Result { () throws(CallerRefusal) in try review.caller(body) }
        } catch {
            failures.increment()
            Log(component: "grpc").warning("tokens of callers can't be checked", [("reason", "\(error)")])
            return .failure(.unavailable)
        }
    }
}
