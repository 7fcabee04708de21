// SPDX-License-Identifier: Apache-2.0

// A log shipper that reads findings from a file while they are written, with the configuration of dashboards/, and
// another one that takes them in, as a collector would. Every line arrives as it was written.

import Fleet
import Foundation
import Testing

@Suite(.enabled(if: Programs.folder != nil, "FUTEXSCOPE_FLEET is not set: `make unit-test` sets it"))
struct ShipperTests {
    /// What `trace` and `serve` write: every kind of line, and one as long as a finding can be.
    static func findings() throws -> [String] {
        let golden = Files.root.appending(path: "Tests/PresentationTests/Golden")
        var lines = try ["run", "rows", "report"].flatMap { name in
            try String(contentsOf: golden.appending(path: "\(name).jsonl"), encoding: .utf8).split(separator: "\n")
                .map(String.init)
        }
        let path = try #require(lines.firstIndex { $0.contains("\"path\":\"/") })
        lines.append(
            lines[path].replacing("\"path\":\"/", with: "\"path\":\"/" + String(repeating: "\\u001b", count: 4000)))
        return lines
    }

    @Test("rsyslog delivers each finding unchanged, whole and once, while more are written")
    func rsyslog() async throws {
        let lines = try Self.findings()
        // Without the limit that the configuration sets, the longest is cut: these tests would notice.
        let cut = try await Self.shipped(lines, changing: [("maxMessageSize=\"64k\" ", "")])
        #expect(cut.count == lines.count && cut != lines)
        #expect(try await Self.shipped(lines, changing: []) == lines)
    }

    /// What the collector got of these lines.
    private static func shipped(_ lines: [String], changing changes: [(String, String)]) async throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "futexscope-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (port, arrived) = (try freePort(), folder.appending(path: "arrived"))
        let collector = """
            global(maxMessageSize="64k" workDirectory="\(folder.path)")
            module(load="imtcp")
            template(name="line" type="string" string="%rawmsg%\\n")
            input(type="imtcp" address="127.0.0.1" port="\(port)" supportOctetCountedFraming="off" ruleset="all")
            ruleset(name="all") { action(type="omfile" file="\(arrived.path)" template="line") }
            """
        var shipper = try String(contentsOf: Files.dashboards.appending(path: "rsyslog.conf"), encoding: .utf8)
        let places = [
            ("/var/spool/rsyslog", folder.path), ("/var/log/futexscope", folder.path), ("logs.example", "127.0.0.1"),
            ("6514", "\(port)"), ("resumeInterval=\"5\"", "resumeInterval=\"1\""),
        ]
        for (old, new) in changes + places {
            try #require(shipper.contains(old), "\(old)")
            shipper.replace(old, with: new)
        }
        let first = try start("collector", collector, in: folder)
        try await Prometheus.wait(for: "the collector", with: [first]) {
            try await Programs.run(
                URL(filePath: "/bin/bash"), ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port)"]
            ).status == 0
        }
        let second = try start("shipper", shipper, in: folder)
        let file = folder.appending(path: "1.jsonl")
        let bytes = Data((lines.joined(separator: "\n") + "\n").utf8)
        try bytes.prefix(bytes.count / 3).write(to: file)
        let writer = try FileHandle(forWritingTo: file)
        try writer.seekToEnd()
        // In the middle of a line, and again.
        for part in [bytes.count / 3..<bytes.count / 2, bytes.count / 2..<bytes.count] {
            try await Task.sleep(for: .milliseconds(500))
            try writer.write(contentsOf: bytes[part])
        }
        var text = ""
        try await Prometheus.wait(for: "\(lines.count) lines: \(first.story) \(second.story)", with: [first, second]) {
            text = try String(contentsOf: arrived, encoding: .utf8)
            return text.hasSuffix("\n") && text.split(separator: "\n").count >= lines.count
        }
        await second.stop()
        await first.stop()
        // What comes twice would be there by now.
        text = try String(contentsOf: arrived, encoding: .utf8)
        return text.split(separator: "\n").map(String.init)
    }

    private static func start(_ name: String, _ configuration: String, in folder: URL) throws -> Daemon {
        let file = folder.appending(path: "\(name).conf")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let program = try Programs.url(of: "rsyslogd")
        let modules = program.deletingLastPathComponent().appending(path: "rsyslog").path
        return try Daemon(
            name, program, ["-n", "-f", file.path, "-i", folder.appending(path: "\(name).pid").path, "-M", modules],
            log: folder.appending(path: "\(name).log"), environment: ["LD_LIBRARY_PATH": modules])
    }
}
