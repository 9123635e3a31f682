import EventThread
import Glibc

/// One client of a `LocalServer`: asks, is answered, asks again. Runs on its own thread.
struct LocalConnection: Sendable {
    let descriptor: Int32
    let reply: LocalReply
    let handler: any LocalRequestHandler

    /// Returns when the client ended, broke a rule, was silent for too long, or the server stopped.
    func serve() {
        var reader = LineReader(descriptor: descriptor, limit: LocalLimits.requestLine)
        while !reply.isClientGone {
            do throws(LineReader.Failure) {
                let deadline = MonotonicClock.now() + LocalLimits.requestTimeout
                guard let line = try reader.next(until: deadline) else { break }
                guard answer(line) else { break }
            } catch {
                refuse(error)
                break
            }
        }
        reply.markGone()
    }

    /// False when the connection is to end.
    private func answer(_ line: [UInt8]) -> Bool {
        reply.restart()
        let request: LocalRequest
        do throws(LocalJSONError) {
            request = try LocalJSON.decode(LocalRequest.self, from: line)
        } catch {
            reply.fail("the request can't be read: \(error)", exitCode: ExitCodes.usage)
            return false
        }
        handler.handle(request, reply: reply)
        // Sends only when the handler forgot its last line, so that no client waits for ever.
        reply.fail("the request \"\(request.request)\" was not answered to its end", exitCode: ExitCodes.failed)
        return true
    }

    private func refuse(_ failure: LineReader.Failure) {
        reply.restart()
        switch failure {
        case .tooLong:
            reply.fail("a request line has at most \(LocalLimits.requestLine) bytes", exitCode: ExitCodes.usage)
        case .torn: reply.fail("the request ended within its line", exitCode: ExitCodes.usage)
        case .timedOut, .failed: break
        }
    }
}
