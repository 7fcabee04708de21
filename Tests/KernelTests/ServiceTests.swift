// SPDX-License-Identifier: Apache-2.0

// The package on a Debian with systemd: what its services may do, what is left of that once they run, and
// what becomes of them when they hang, lack a right, or end. Then the program of a user who has exactly the
// capabilities that docs/install.md names, and of one who lacks each single one.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct ServiceTests {
    static let guests =
        !Guests.areWanted
        ? []
        : Kernels.matrix(short: ["6.12"]).map {
            Guest(kernel: $0, mode: .sentinel, scenario: "service", hasDebian: true)
        }

    @Test("the package installs the binary, and starts nothing", arguments: guests)
    func installed(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let output = try run.text("install.out")
        #expect(try run.words("install.status") == ["0"], "\(output)")
        #expect(try run.words("same.status") == ["0"])
        #expect(try run.words("installed.state") == ["inactive"])
    }

    @Test("a service that is not root has findings, and writes them to the journal", arguments: guests)
    func findings(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("trace.status") == ["0"])
        let properties = try run.properties("trace")
        #expect(properties["ActiveState"] == "active")
        #expect(properties["StatusText"]?.hasPrefix("tracing with") == true)
        let lines = try run.text("trace.journal").split(separator: "\n").filter { $0.hasPrefix("{") }
        let trace = try TraceOutput(lines.map { try JSONObject(line: $0) })
        let hits = trace.lookups(of: try run.provocation("journal"))
        #expect(hits.contains { $0.text("cause") == "hole-punch" && $0.text("confidence") == "exact" })
        // The victim is a process of another user.
        #expect(lines.contains { $0.contains("\"path\":\"/mnt/tmpfs/") })
    }

    @Test("the service futexscope-serve answers, and writes to the journal", arguments: guests)
    func served(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("serve.status") == ["0"])
        #expect(try run.text("metrics.txt").contains("cause=\"hole-punch\""))
        #expect(try run.text("serve.journal").contains("\"cause\":\"hole-punch\""))
    }

    @Test("each thread is left without any capability, and with no way to one", arguments: guests)
    func rights(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["trace", "record", "serve", "served", "three"] {
            let threads = try run.threads(name)
            #expect(threads.count >= 2, "\(name)")
            for thread in threads {
                #expect(thread["Uid"] != "0", "\(name)")
                #expect(UInt64(thread["CapPrm"] ?? "", radix: 16) == 0, "\(name): \(thread)")
                #expect(thread["CapEff"] == thread["CapPrm"], "\(name): \(thread)")
                #expect(UInt64(thread["CapAmb"] ?? "", radix: 16) == 0, "\(name): \(thread)")
                #expect(UInt64(thread["CapInh"] ?? "", radix: 16) == 0, "\(name): \(thread)")
                #expect(thread["NoNewPrivs"] == "1", "\(name): \(thread)")
            }
        }
    }

    @Test("a service that hangs is restarted, one that makes progress is not", arguments: guests)
    func watchdog(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("alive.restarts") == ["0"])
        let properties = try run.properties("watchdog")
        #expect(properties["NRestarts"] == "1")
        #expect(properties["ActiveState"] == "active")
        #expect(try run.text("watchdog.journal").contains("Watchdog timeout"))
    }

    @Test("a service that lacks a capability ends with 77 and is not restarted", arguments: guests)
    func refused(guest: Guest) async throws {
        let properties = try await GuestRuns.shared.run(guest).properties("refused")
        #expect(properties["ActiveState"] == "failed")
        #expect(properties["ExecMainStatus"] == "77")
        #expect(properties["NRestarts"] == "0")
    }

    @Test("its end is clean, and nothing stays on the kernel's functions", arguments: guests)
    func ended(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for name in ["stopped", "record", "serve"] {
            let properties = try run.properties(name)
            #expect(properties["ActiveState"] == "inactive", "\(name)")
            #expect(properties["Result"] == "success", "\(name)")
            #expect(properties["ExecMainStatus"] == "0", "\(name)")
        }
        for name in ["stopped", "hung", "recorded", "served", "three", "no-syslog"] {
            #expect(try run.text(name + ".probes").isEmpty, "\(name)")
        }
    }

    @Test("a recording service keeps its last recording", arguments: guests)
    func recordings(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let previous = try run.replay("previous")
        #expect(previous.lookups(of: try run.provocation("first")).contains { $0.text("cause") == "hole-punch" })
        let waits = try run.replay("current").lookups(of: try run.provocation("second"))
        #expect(waits.count == 23)
        #expect(waits.allSatisfy { $0.text("cause") == "zero-page" })
    }

    @Test("three capabilities are enough for findings, with the path of the file", arguments: guests)
    func enough(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let error = try run.text("three.err")
        #expect(try run.words("three.status") == ["0"], "\(error)")
        let hits = try run.trace("three").lookups(of: try run.provocation("three"))
        #expect(hits.contains { $0.text("cause") == "hole-punch" })
        #expect(try run.text("three.json").contains("\"path\":\"/mnt/tmpfs/"))
    }

    @Test(
        "without any single one it ends with 77 and a line that names it", arguments: guests,
        ["CAP_BPF", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN"])
    func missing(guest: Guest, capability: String) async throws {
        let run = try await GuestRuns.shared.run(guest)
        // Kernels with Debian's addition alone need that one for kprobes.
        let level = try run.words("paranoid.txt")
        if capability == "CAP_SYS_ADMIN" { try #require(level == ["3"]) }
        let name = "no-" + capability.dropFirst(4).lowercased().replacing("_", with: "-")
        #expect(try run.words(name + ".status") == ["77"])
        let error = try run.text(name + ".err")
        #expect(error.contains(capability), "\(error)")
        #expect(error.split(separator: "\n").count == 1, "\(error)")
        #expect(try run.text(name + ".json").isEmpty)
    }

    @Test("a command that is recorded has the rights of its caller, all of them", arguments: guests)
    func command(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("command.status") == ["7"])
        let command = try #require(run.threads("command").first)
        let caller = try #require(run.threads("caller").first)
        for field in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "SigBlk"] {
            #expect(command[field] == caller[field], "\(field)")
        }
        #expect(caller["CapEff"] != "0000000000000000")
    }
}

extension GuestRun {
    /// What systemd shows of a unit.
    fileprivate func properties(_ name: String) throws -> [String: String] {
        try pairs(in: text(name + ".properties"), separator: "=")
    }

    /// What the kernel shows of each thread.
    fileprivate func threads(_ name: String) throws -> [[String: String]] {
        let text = try text(name + ".threads")
        return try text.split(separator: "Name:").map { try pairs(in: "Name:" + $0, separator: ":") }
    }

    private func pairs(in text: String, separator: Character) throws -> [String: String] {
        let pairs = text.split(separator: "\n").compactMap { line -> (String, String)? in
            let parts = line.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            return (String(parts[0]), parts[1].split(separator: "\t").first.map(String.init) ?? "")
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
