// SPDX-License-Identifier: Apache-2.0

// The resources of the service, and how old the state of the run may be for each. The state comes from the tracing thread,
// through an exchange, when a request asks for it.

internal import Presentation
internal import Service
internal import Synchronization

/// The resources of one run.
struct ServiceResources: Sendable {
    /// Scrapes within this time get the same counters, because reading them takes a system call for each program.
    private static let scrapeAge = Duration.milliseconds(250)
    /// All readers of the page together cost one state a second.
    private static let pageAge = Duration.seconds(1)
    /// The tracing thread gives a sign of life twice a second. Without one for this time it hangs, or waits for a reader of
    /// its findings that does not read.
    private static let patience = Duration.seconds(10)

    let exchange = Exchange<RunState>()
    let counts = ServiceCounts()
    /// Why the probes observe nothing any more.
    let blindness = BlindnessNote()

    /// By path.
    var all: [String: Resource] {
        [
            "/": { _, reply in
                ask(within: Self.pageAge, reply) { state in
                    let nonce =
                        String(UInt64.random(in: .min ... .max), radix: 36)
                        + String(UInt64.random(in: .min ... .max), radix: 36)
                    return Reply(
                        contentType: "text/html; charset=utf-8",
                        headers: [
                            Reply.Header("Content-Security-Policy", LivePage.policy(nonce: nonce)),
                            Reply.Header("Referrer-Policy", "no-referrer"),
                        ],
                        body: LivePage(state, version: Futexscope.version).bytes(nonce: nonce))
                }
            },
            "/metrics": { request, reply in
                ask(within: Self.scrapeAge, reply) { state in
                    let format = MetricsFormat(accept: request.accept)
                    return Reply(
                        contentType: format.rawValue, headers: [Reply.Header("Vary", "Accept")],
                        body: Metrics(state, facts: facts).bytes(format))
                }
            },
            "/findings": { _, reply in
                ask(within: Self.pageAge, reply) { state in
                    Reply(contentType: "application/jsonl; charset=utf-8", body: state.findingLines)
                }
            },
            "/healthz": { _, reply in reply(health) },
        ]
    }

    private func ask(
        within age: Duration, _ reply: @escaping @Sendable (Reply) -> Void,
        _ answer: @escaping @Sendable (RunState) -> Reply
    ) {
        exchange.ask(within: age) { result in
            switch result {
            case .success(let state): reply(answer(state))
            case .failure(let refusal): reply(Self.unavailable(refusal))
            }
        }
    }

    private static func unavailable(_ refusal: Exchange<RunState>.Refusal) -> Reply {
        switch refusal {
        case .notYet: .line(503, "the probes are being attached")
        case .over: .line(503, "the trace has ended")
        case .busy: .line(503, "too many requests wait for an answer")
        }
    }

    private var health: Reply {
        guard let since = exchange.sinceSign else { return .line(503, "not tracing: starting or ending") }
        guard since < Self.patience else {
            return .line(503, "the tracer has given no sign of life for \(since.components.seconds) s")
        }
        if let text = blindness.text { return .line(503, text) }
        return .line(200, "ok")
    }

    private var facts: ServiceFacts {
        var facts = ServiceFacts(version: Futexscope.version)
        ThisProcess.addUse(to: &facts)
        (facts.answers, facts.connectionsRefused) = (counts.answers, counts.connectionsRefused)
        return facts
    }
}

/// One line that one thread writes and others read.
final class BlindnessNote: Sendable {
    private let note = Mutex<String?>(nil)

    var text: String? {
        get { note.withLock { $0 } }
        set { note.withLock { $0 = newValue } }
    }
}
