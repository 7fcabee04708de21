// SPDX-License-Identifier: Apache-2.0

// `futexscope serve`: its arguments, and what they ask of the capture and of the service. The run itself is in
// ServiceSession.swift.

internal import ArgumentParser
internal import Capture
internal import Presentation
internal import Service

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve metrics for Prometheus and a live page, until Ctrl-C or a duration.",
        discussion: """
            Traces as `futexscope trace` does, and answers HTTP: /metrics in the formats of Prometheus \
            and OpenMetrics, /healthz with 200 while the tracer sees, and a page at /. Counters are \
            read from the kernel when they are asked for. Findings are written, too, where -f or -o \
            says so, in the words of trace. On an address that others can reach a secret is needed, \
            sent as a bearer token or as the password of any user; TLS is left to a reverse proxy.

            EXAMPLES:
              futexscope serve
              futexscope serve -f json            findings for the journal
              futexscope serve --listen 10.0.0.7:9435 --secret-file /etc/futexscope/secret
              curl -s http://127.0.0.1:9435/metrics

            EXIT CODES:
              0 done (Ctrl-C is a normal end), 1 failed while running (also when the port
              is taken), 64 usage, 77 this host does not permit it
            """)

    @OptionGroup
    var capture: CaptureArguments

    // MARK: The service

    @Option(
        help: ArgumentHelp(
            "Where to listen (default: 127.0.0.1:9435); port 0 is any that is free.", valueName: "address:port"),
        transform: Self.address)
    var listen: ListenAddress = .standard

    @Option(
        help: ArgumentHelp(
            "A file, for its owner's eyes only, whose first line readers have to know.", valueName: "file"))
    var secretFile: String?

    @Flag(help: "Listen where others can reach it without a secret.")
    var insecure = false

    // MARK: Findings

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write findings, to standard output unless -o is given.", valueName: "table|json|csv"))
    var format: OutputFormat?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to write findings: a new file; as json unless -f is given.", valueName: "file"))
    var output: String?

    func validate() throws {
        if !listen.isLoopback, secretFile == nil, !insecure {
            throw ValidationError(
                "cannot listen on \(listen.text) without a secret, since others can reach it: give --secret-file, or --insecure if something else keeps strangers out"
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
