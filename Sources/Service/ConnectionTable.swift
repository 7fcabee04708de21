// SPDX-License-Identifier: Apache-2.0

// The open connections, up to a limit. At the limit, a new connection evicts the one that has been idle for the longest
// time; when all have a request in progress, the new one is refused. So a client that keeps idle connections open cannot
// block others.

import NIOCore
import Synchronization

/// At most `limit` connections, and counts of those that were refused or evicted.
final class ConnectionTable: Sendable {
    private struct Entry {
        let channel: any Channel
        var isIdle = true
    }

    private struct State {
        /// Those that became idle last are last.
        var entries: [Entry] = []
        var isClosed = false
    }

    private let limit: Int
    private let counts: ServiceCounts
    private let state = Mutex(State())

    init(limit: Int, counts: ServiceCounts) { (self.limit, self.counts) = (limit, counts) }

    var count: Int { state.withLock { $0.entries.count } }

    /// False when there is no room.
    func admit(_ channel: any Channel) -> Bool {
        let (isAdmitted, leaving): (Bool, (any Channel)?) = state.withLock { state in
            guard !state.isClosed else { return (false, nil) }
            var leaving: (any Channel)?
            if state.entries.count >= limit {
                counts.addRefused()
                guard let position = state.entries.firstIndex(where: \.isIdle) else { return (false, nil) }
                leaving = state.entries.remove(at: position).channel
            }
            state.entries.append(Entry(channel: channel))
            return (true, leaving)
        }
        leaving?.close(promise: nil)
        return isAdmitted
    }

    func remove(_ channel: any Channel) {
        state.withLock { state in state.entries.removeAll { $0.channel === channel } }
    }

    func setIdle(_ channel: any Channel, _ isIdle: Bool) {
        state.withLock { state in
            guard let position = state.entries.firstIndex(where: { $0.channel === channel }) else { return }
            var entry = state.entries.remove(at: position)
            entry.isIdle = isIdle
            state.entries.append(entry)
        }
    }

    /// Admits no connection any more and closes the idle ones; with `all`, all of them.
    func close(all: Bool) {
        let leaving = state.withLock { state in
            state.isClosed = true
            return state.entries.filter { all || $0.isIdle }.map(\.channel)
        }
        for channel in leaving { channel.close(promise: nil) }
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }
}

/// Answers a client with 503 and closes its connection.
final class TurningAway: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private static let answer: String = {
        let text = "there are too many connections\n"
        return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
            + "Content-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n" + text
    }()

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(ByteBuffer(string: Self.answer)), promise: nil)
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
