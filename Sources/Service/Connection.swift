// SPDX-License-Identifier: Apache-2.0

// One connection: requests one after the other, an answer to each, and a time limit for each thing that a client could
// delay. NIO's handlers before this one parse, limit the head of a request, and delay pipelined requests until their turn.

import NIOCore
import NIOHTTP1

/// The limits of a service. Times are milliseconds.
public struct ServiceLimits: Sendable {
    public var connections = 64
    /// Bytes of all header fields of a request, and the number of fields.
    public var headBytes = 16 << 10
    public var headFields = 64
    /// From the connection to the end of the first request's head.
    public var headMs: Int64 = 10_000
    /// From an answer to the end of the next request's head. A scraper sends one every minute at the latest.
    public var idleMs: Int64 = 90_000
    /// From a request to its reply.
    public var replyMs: Int64 = 5_000
    /// From a reply to its last byte sent.
    public var sendMs: Int64 = 20_000
    /// From the end of a connection's last answer: bytes that the client still sends are read and discarded; otherwise it
    /// would not receive the answer.
    public var lingerMs: Int64 = 2_000

    public init() {}
}

/// The handler of one connection; everything runs on its event loop.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        case waiting
        /// The number distinguishes a reply from one that is too late for its request.
        case asked(HTTPRequestHead, number: UInt64)
        case sending
        case lingering
    }

    private let site: Site
    private let limits: ServiceLimits
    private let table: ConnectionTable
    private let counts: ServiceCounts
    private var context: ChannelHandlerContext?
    private var phase = Phase.waiting
    private var asked: UInt64 = 0
    /// The current answer ends the connection.
    private var isLast = false
    private var isInputClosed = false
    /// Parts of the next request that arrived during an answer, as with pipelining.
    private var next: Result<HTTPRequestHead, HTTPParserError>?
    private var deadline: Scheduled<Void>?

    init(site: Site, limits: ServiceLimits, table: ConnectionTable, counts: ServiceCounts) {
        (self.site, self.limits, self.table, self.counts) = (site, limits, table, counts)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        after(limits.headMs) { $0.close() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    func channelInactive(context: ChannelHandlerContext) {
        table.remove(context.channel)
        end()
    }

    private func end() {
        deadline?.cancel()
        (deadline, context) = (nil, nil)
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = Self.unwrapInboundIn(data) { take(.success(head)) }
    }

    private func take(_ request: Result<HTTPRequestHead, HTTPParserError>) {
        guard let context else { return }
        if case .sending = phase { next = request }
        guard case .waiting = phase else { return }
        table.setIdle(context.channel, false)
        asked += 1
        switch request {
        case .success(let head): answer(head, in: context)
        case .failure(let error):
            isLast = true
            phase = .asked(HTTPRequestHead(version: .http1_1, method: .GET, uri: ""), number: asked)
            send(
                error == .headerOverflow
                    ? .line(431, "the head of the request is too large") : .line(400, "this is no HTTP/1.1 request"))
        }
    }

    private func answer(_ head: HTTPRequestHead, in context: ChannelHandlerContext) {
        phase = .asked(head, number: asked)
        // No resource needs a body; it is not read.
        let hasBody =
            head.headers.contains(name: "transfer-encoding") || head.headers["content-length"].contains { $0 != "0" }
        isLast = hasBody || !head.isKeepAlive || table.isClosed
        switch site.decision(for: head) {
        case .refuse(let reply): send(reply)
        case .ask(let resource, let request):
            after(limits.replyMs) { $0.send(.line(503, "the answer did not come in time")) }
            let (connection, number) = (NIOLoopBound(self, eventLoop: context.eventLoop), asked)
            resource(request) { reply in
                connection.eventLoop.execute { connection.value.take(reply, number: number) }
            }
        }
    }

    private func take(_ reply: Reply, number: UInt64) {
        guard case .asked(_, number) = phase else { return }
        send(reply)
    }

    /// The client sends no more.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            switch phase {
            case .waiting, .lingering: close()
            case .asked, .sending: break
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? HTTPParserError {
            take(.failure(error))
        } else if !(error is ByteToMessageDecoderError) {
            // After an error of the parser the rest is discarded; any other error is that of a broken connection.
            close()
        }
    }

    // MARK: Answers

    private func send(_ reply: Reply) {
        guard let context, case .asked(let request, _) = phase else { return }
        phase = .sending
        counts.add(status: reply.status)
        after(limits.sendMs) { $0.close() }
        var headers = HTTPHeaders([
            ("Content-Type", reply.contentType), ("Content-Length", "\(reply.body.count)"),
            ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ])
        for header in reply.headers { headers.add(name: header.name, value: header.value) }
        if isLast {
            headers.add(name: "Connection", value: "close")
        } else if request.version == .http1_0 {
            headers.add(name: "Connection", value: "keep-alive")
        }
        let status = HTTPResponseStatus(statusCode: reply.status)
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: reply.body)))), promise: nil)
        }
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in self.hasSent() }
    }

    private func hasSent() {
        guard let context, case .sending = phase else { return }
        let next = next
        self.next = nil
        guard !isLast, next != nil || !isInputClosed else {
            phase = .lingering
            context.close(mode: .output, promise: nil)
            after(limits.lingerMs) { $0.close() }
            // Nothing more can come.
            if isInputClosed { close() }
            return
        }
        phase = .waiting
        table.setIdle(context.channel, true)
        after(limits.idleMs) { $0.close() }
        if let next { take(next) }
    }

    private func close() { context?.close(promise: nil) }

    /// Replaces the last deadline.
    private func after(_ ms: Int64, _ act: @escaping (Connection) -> Void) {
        deadline?.cancel()
        deadline = context?.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(ms)) { act(self) }
    }
}
