// SPDX-License-Identifier: Apache-2.0

// An HTTP/1.1 server for a few clients, on a thread of its own. It does not trust its clients, and counts its answers.

import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Counts of a service: answers and refused connections. It can be read on any thread.
public final class ServiceCounts: Sendable {
    /// Status codes that answers can have.
    static let statusCodes = [200, 400, 401, 404, 405, 421, 431, 503]

    private let state = Mutex(
        (answers: Dictionary(uniqueKeysWithValues: statusCodes.map { ($0, UInt64(0)) }), refused: UInt64(0)))

    public init() {}

    /// By status code.
    public var answers: [Int: UInt64] { state.withLock { $0.answers } }

    /// Connections that were refused or evicted at the limit.
    public var connectionsRefused: UInt64 { state.withLock { $0.refused } }

    func add(status: Int) { state.withLock { $0.answers[status, default: 0] += 1 } }

    func addRefused() { state.withLock { $0.refused += 1 } }
}

/// A running service; `stop` or the end of its life ends it.
public final class Service: Sendable {
    /// Where it listens, with the port that the kernel chose.
    public let address: ListenAddress
    public let counts: ServiceCounts

    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let table: ConnectionTable

    /// Serves from now on. Its thread has the capabilities and the blocked signals of the caller. Without a secret on a
    /// loopback address, requests by name are refused.
    /// - Throws: `ServiceError` when the port cannot be served.
    public init(
        on port: BoundPort, secret: Secret? = nil, limits: ServiceLimits = ServiceLimits(),
        counts: ServiceCounts = ServiceCounts(), resources: [String: Resource]
    ) throws(ServiceError) {
        address = port.address
        let socket = try port.take()
        let site = Site(
            resources: resources, secret: secret, takesAddressesOnly: secret == nil && address.isLoopback)
        let table = ConnectionTable(limit: limits.connections, counts: counts)
        (self.table, self.counts) = (table, counts)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var parsing = NIOHTTPDecoderLimitConfiguration()
        (parsing.maxHeaderFieldSize, parsing.maxHeaderListSize) = (limits.headBytes, limits.headBytes)
        parsing.maxHeaderFieldCount = limits.headFields
        do {
            listener = try ServerBootstrap(group: group)
                .serverChannelOption(.maxMessagesPerRead, value: 64)
                .childChannelOption(.allowRemoteHalfClosure, value: true)
                .childChannelOption(.maxMessagesPerRead, value: 1)
                .childChannelInitializer { [parsing] channel in
                    guard table.admit(channel) else { return channel.pipeline.addHandler(TurningAway()) }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                            withErrorHandling: false, withEncoderConfiguration: .init(),
                            withDecoderLimitConfiguration: parsing)
                        try channel.pipeline.syncOperations.addHandler(
                            Connection(site: site, limits: limits, table: table, counts: counts))
                    }
                }
                .withBoundSocket(socket).wait()
        } catch {
            try? group.syncShutdownGracefully()
            throw .cannotListen(address, errno: (error as? IOError)?.errnoCode ?? EINVAL)
        }
    }

    /// Stops listening. Requests in progress can still get their answer within `patienceMs`; then all connections are
    /// closed.
    public func stop(patienceMs: Int = 500) {
        try? listener.close().wait()
        table.close(all: false)
        for _ in 0..<patienceMs / 10 where table.count > 0 { usleep(10_000) }
        table.close(all: true)
        try? group.syncShutdownGracefully()
    }
}
