// SPDX-License-Identifier: Apache-2.0

// `futexscope serve`: its arguments and its help. The run itself is in ServiceSession.swift.

internal import ArgumentParser
internal import Capture
internal import Presentation
internal import Service

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve metrics for Prometheus and a live page, until Ctrl-C or a duration.",
        discussion: """
            Traces as `futexscope trace` does and answers HTTP requests: /metrics in the formats of \
            Prometheus and OpenMetrics, /findings with the latest findings as JSON Lines, /healthz with 200 while the probes work, and a live page at /. \
            Counters are read from the kernel at each request. With -f or -o it writes findings too, in \
            the format of trace. On an address that other hosts can reach, it needs a secret, which \
            clients send as a bearer token or as the password of any user. For TLS, use a reverse proxy.

            EXAMPLES:
              futexscope serve
              futexscope serve -f json            write findings for the journal
              futexscope serve --listen 10.0.0.7:9435 --secret-file /etc/futexscope/secret
              curl -s http://127.0.0.1:9435/metrics

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running, such as a port in
              use, 64 usage, 77 not permitted on this host
            """)

    @OptionGroup
    var capture: CaptureArguments

    // MARK: The service

    @Option(
        help: ArgumentHelp(
            "Where to listen (default: 127.0.0.1:9435). Port 0 is any free port.", valueName: "address:port"),
        transform: Self.address)
    var listen: ListenAddress = .standard

    @Option(
        help: ArgumentHelp(
            "A file that only its owner, and at most its group, can read; its first line is the secret.",
            valueName: "file"))
    var secretFile: String?

    @Flag(help: "Listen without a secret on an address that other hosts can reach.")
    var insecure = false

    // MARK: Findings

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Write findings in this format, to standard output unless -o is given.", valueName: "table|json|csv"))
    var format: OutputFormat?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write findings to this new file, as json unless -f is given.", valueName: "file"))
    var output: String?

    func validate() throws {
        if !listen.isLoopback, secretFile == nil, !insecure {
            throw ValidationError(
                "cannot listen on \(listen.text) without a secret, because other hosts can reach it; give --secret-file, or --insecure if a firewall protects it"
            )
        }
    }

    func run() throws {
        let options = try capture.options()
        if capture.dryRun { return try LiveRun.show(options, format: .table) }
        try ServiceSession(serve: self, options: options).run()
    }

    private static func address(_ text: String) throws -> ListenAddress {
        guard let address = ListenAddress(text) else {
            throw ValidationError("expected an IP address and a port, such as 127.0.0.1:9435 or [::1]:9435")
        }
        return address
    }
}
