// An HTTP/1.1 server for a few readers: bound first, so that a port that is taken costs nothing, then served from
// one thread of its own. It speaks to readers that it does not trust, and keeps count of them.

import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// What a service was asked and how it answered, for whoever wants to know; it may be asked on any thread.
public final class ServiceCounts: Sendable {
    /// Status codes that answers can have.
    static let statusCodes = [200, 400, 401, 404, 405, 421, 431, 503]

    private let state = Mutex(
        (answers: Dictionary(uniqueKeysWithValues: statusCodes.map { ($0, UInt64(0)) }), refused: UInt64(0)))

    public init() {}

    /// By status code.
    public var answers: [Int: UInt64] { state.withLock { $0.answers } }

    /// Connections that were turned away, or gave way to others, since there were too many.
    public var connectionsRefused: UInt64 { state.withLock { $0.refused } }

    func add(status: Int) { state.withLock { $0.answers[status, default: 0] += 1 } }

    func addRefused() { state.withLock { $0.refused += 1 } }
}

/// A running service; `stop` or the end of its life ends it.
public final class Service: Sendable {
    /// Where it listens, with the port that it got.
    public let address: ListenAddress
    public let counts: ServiceCounts

    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let table: ConnectionTable

    /// Listens and serves from here on. Without a secret, on an address of this host alone, requests by name are
    /// refused.
    /// - Throws: `ServiceError` when it cannot listen there.
    public init(
        on address: ListenAddress, secret: Secret? = nil, limits: ServiceLimits = ServiceLimits(),
        counts: ServiceCounts = ServiceCounts(), resources: [String: Resource]
    ) throws(ServiceError) {
        let site = Site(
            resources: resources, secret: secret, takesAddressesOnly: secret == nil && address.isLoopback)
        let table = ConnectionTable(limit: limits.connections, counts: counts)
        (self.table, self.counts) = (table, counts)
        group = Self.withoutSignals { MultiThreadedEventLoopGroup(numberOfThreads: 1) }
        var parsing = NIOHTTPDecoderLimitConfiguration()
        (parsing.maxHeaderFieldSize, parsing.maxHeaderListSize) = (limits.headBytes, limits.headBytes)
        parsing.maxHeaderFieldCount = limits.headFields
        do {
            listener = try ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.maxMessagesPerRead, value: 64)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
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
                .bind(to: address.socketAddress()).wait()
        } catch {
            try? group.syncShutdownGracefully()
            let number = (error as? IOError)?.errnoCode
            throw .cannotListen(address, errno: number, text: number.map(ServiceError.text) ?? "\(error)")
        }
        self.address = address.with(port: listener.localAddress?.port)
    }

    /// Listens no more. Who waits for an answer may still get it, within `patienceMs`; then all are gone.
    public func stop(patienceMs: Int = 500) {
        try? listener.close().wait()
        table.close(all: false)
        for _ in 0..<patienceMs / 10 where table.count > 0 { usleep(10_000) }
        table.close(all: true)
        try? group.syncShutdownGracefully()
    }

    /// Threads made in `body` take no signal: they are for who runs the service.
    private static func withoutSignals<Result>(_ body: () -> Result) -> Result {
        var (all, before) = (sigset_t(), sigset_t())
        // The sets live over the calls, which cannot fail with such arguments.
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
