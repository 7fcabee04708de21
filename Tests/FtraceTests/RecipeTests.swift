// SPDX-License-Identifier: Apache-2.0

// The recipe is a function of the kernel's facts: what differs between kernels differs in it, and a shell
// takes it.

import Foundation
import Ftrace
import Golden
import Testing

extension KernelFacts {
    /// A kernel like 6.12.
    static let sample = KernelFacts(
        release: "6.12.0-test", architecture: .x86,
        layout: Layout(
            source: .btf,
            offsets: Offsets(
                mapping: 24, flags: 0, index: 32, references: 52, order: 64, host: 0, inode: 64, size: 80,
                superBlock: 40, device: 16, magic: 96),
            bits: FlagBits(reserved: 13, upToDate: 3, swapCache: 10, swapBacked: 17, head: 6), pageStructureSize: 64,
            sharedIsBool: false, unaccountHasPage: true),
        unlock: "folio_unlock", lockWait: "__folio_lock", unaccount: "filemap_unaccount_folio",
        zeroPage: "zero_pfn", hugeZeroPage: "huge_zero_pfn", hasPageBase: true,
        landmarks: [
            Function(name: "vfs_fallocate", symbol: "vfs_fallocate"),
            Function(name: "do_truncate", symbol: "do_truncate.isra.0"),
            Function(name: "shrink_folio_list", symbol: "shrink_folio_list.constprop.0"),
        ])

    func with(_ change: (inout KernelFacts) -> Void) -> String {
        var facts = self
        change(&facts)
        return FtraceRecipe(facts: facts).script
    }
}

@Suite("Recipe") struct RecipeTests {
    @Test("the whole script") func script() throws {
        #expect(try difference(of: KernelFacts.sample.with { _ in }.utf8, from: "recipe.sh") == nil)
    }

    @Test("the scripts of the other recorders", arguments: [FtraceRecipe.Recorder.perf, .persistent])
    func recorders(recorder: FtraceRecipe.Recorder) throws {
        let script = FtraceRecipe(facts: .sample, recorder: recorder).script
        #expect(try difference(of: script.utf8, from: "recipe-\(recorder.rawValue).sh") == nil)
        let file = FileManager.default.temporaryDirectory.appending(path: "recipe-\(UUID().uuidString).sh")
        try Data(script.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try run("-n", file.path).status == 0)
        let usage = try run(file.path)
        #expect(usage.status == 64 && usage.error.contains(recorder == .perf ? "record OPTION" : "save TEXT"))
        // They define what the recipe for tracefs defines; after a reset the names of tasks are gone.
        let events = RecordedEvents(facts: .sample, group: "futexscope", for: recorder == .perf ? .text : .nextBoot)
        for probe in events.probes {
            for attempt in probe.attempts { #expect(script.contains("'\(attempt)'"), "\(probe.name)") }
        }
        let namesTasks = script.contains("comm=$comm:string")
        #expect(namesTasks == (recorder == .persistent))
    }

    @Test("names that events carry come into the column of the task, on all lines of it from there on")
    func names() throws {
        let script = FtraceRecipe(facts: .sample, recorder: .persistent).script
        let begin = try #require(script.range(of: "name_tasks() {")?.lowerBound)
        let end = try #require(script.range(of: "\n}\n", range: begin..<script.endIndex)?.upperBound)
        let file = FileManager.default.temporaryDirectory.appending(path: "names-\(UUID().uuidString).sh")
        let text = """
                       <...>-161     [000] .....    13.542797: fs_pin: (x) count=1
                       <...>-161     [000] .....    13.542798: fs_lookup: (x) write=0 comm="my & \\0 \" task"
                       <...>-161     [000] .....    13.542799: fs_pin: (x) count=1
                          sh-156     [000] .....    13.542800: fs_in_evict: (x) comm="sh"
             => evict
                       <...>-162     [000] .....    13.542801: fs_lookup: (x) write=0 comm="cut

            """
        let expected = """
                       <...>-161     [000] .....    13.542797: fs_pin: (x) count=1
              my & \\0 \" task-161     [000] .....    13.542798: fs_lookup: (x) write=0
              my & \\0 \" task-161     [000] .....    13.542799: fs_pin: (x) count=1
                          sh-156     [000] .....    13.542800: fs_in_evict: (x)
             => evict
                       <...>-162     [000] .....    13.542801: fs_lookup: (x) write=0 comm="cut

            """
        try Data((script[begin..<end] + "\nname_tasks >&2 << 'END'\n" + text + "END\n").utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try run(file.path).error == expected)
    }

    @Test("private futexes are recognized by the argument's type") func shared() {
        #expect(KernelFacts.sample.with { _ in }.contains(#"fs_lookup "flags & 0x10""#))
        #expect(KernelFacts.sample.with { $0.layout.sharedIsBool = true }.contains(#"fs_lookup "fshared != 0""#))
    }

    @Test("returns of private lookups are filtered where a return has arguments") func filters()
        throws
    {
        for use in [RecordedEvents.Use.text, .nextBoot, .full] {
            let probes = RecordedEvents(facts: .sample, group: "run", for: use).probes
            let end = try #require(probes.first { $0.name == "fs_lookup_return" })
            #expect(end.filter == .returnsOfShared("flags & 0x10"))
            #expect(end.attempts.count == 2 && end.attempts[0] == end.attempts[1] + " flags=$arg2:x32")
            let unlock = try #require(probes.first { $0.name == "fs_unlock" })
            #expect(unlock.attempts.allSatisfy { $0.contains(" index=+32(") == (use == .full) })
        }
        var facts = KernelFacts.sample
        facts.layout.sharedIsBool = true
        let end = RecordedEvents(facts: facts, group: "run", for: .full).probes.first { $0.name == "fs_lookup_return" }
        #expect(end?.filter == RecordedEvents.Filter.none && end?.attempts.count == 1)
    }

    @Test("filters are left out where addresses or arguments are missing") func missingFilters() throws {
        let script = KernelFacts.sample.with { _ in }
        let begin = try #require(script.range(of: "all_events() {")?.lowerBound)
        let end = try #require(script.range(of: "\n}\n", range: begin..<script.endIndex)?.upperBound)
        let file = FileManager.default.temporaryDirectory.appending(path: "filters-\(UUID().uuidString).sh")
        defer { try? FileManager.default.removeItem(at: file) }
        func filters(_ settings: String) throws -> [String: String] {
            let text =
                "say() { echo \"$2:$3\" >&2; }\nhas() { :; }\n\(settings)\n\(script[begin..<end])\nall_events say\n"
            try Data(text.utf8).write(to: file)
            let lines = try run(file.path).error.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 1) }
            return Dictionary(lines.map { (String($0[0]), $0.count > 1 ? String($0[1]) : "") }) { first, _ in first }
        }
        let all = try filters("caller_range='caller >= 1' return_range='__probe_ret_ip >= 1' has_return_flags=1")
        #expect(all["fs_unlock"] == "caller >= 1")
        #expect(all["fs_lookup_return"] == "flags & 0x10")
        let few = try filters("caller_range= return_range= has_return_flags=")
        #expect(few["fs_lookup_return"] == "" && few["fs_unlock"] == "")
    }

    @Test("what a kernel does not have is not asked for") func absences() {
        let script = KernelFacts.sample.with {
            $0.lockWait = nil
            $0.zeroPage = nil
            $0.unaccount = nil
        }
        for word in ["fs_lock_wait", " zero=@", "filemap_unaccount_folio"] { #expect(!script.contains(word)) }
        // Numbers of pages are turned into addresses with a size that must be the kernel's.
        #expect(!KernelFacts.sample.with { $0.layout.pageStructureSize = 72 }.contains("vmemmap_base"))
        #expect(!KernelFacts.sample.with { _ in }.contains("shrink_folio_list"))
        #expect(KernelFacts.sample.with { $0.architecture = .arm }.contains("caller=%lr:symbol"))
    }

    @Test("a live run at the default depth probes the calls of the unlock and no lookup") func sentinel() throws {
        var facts = KernelFacts.sample
        facts.lookupCode = .init(extent: 0x1000..<0x2000, unlockSites: [0x12, 0x34])
        let events = RecordedEvents(facts: facts, group: "run", for: .sentinel)
        #expect(events.probes.map(\.name) == ["fs_unlock", "fs_detach", "fs_in_vfs_fallocate", "fs_out_vfs_fallocate"])
        #expect(events.tracepoints.isEmpty)
        let unlock = try #require(events.probes.first)
        #expect(unlock.filter == .none && unlock.isRequired)
        let places = unlock.attempts[0].split(separator: "\n").map { $0.split(separator: " ")[1] }
        #expect(places == ["get_futex_key+0x12", "get_futex_key+0x34"])
        #expect(unlock.attempts.allSatisfy { $0.contains("page=%di:x64") && $0.contains("comm=$comm:string") })
        facts.lookupCode = nil
        let full = RecordedEvents(facts: facts, group: "run", for: .full)
        #expect(full.probes.first { $0.name == "fs_unlock" }?.filter == .calledByLookup)
    }

    @Test("symbols carry the compiler's suffix, names of events do not") func suffixes() {
        #expect(KernelFacts.sample.with { _ in }.contains("'p:futexscope/fs_in_do_truncate do_truncate.isra.0'"))
    }

    @Test("a shell accepts the script, and the script prints its usage") func shell() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "recipe-\(UUID().uuidString).sh")
        try Data(KernelFacts.sample.with { _ in }.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try run("-n", file.path).status == 0)
        let usage = try run(file.path)
        #expect(usage.status == 64)
        #expect(usage.error.contains("start") && usage.error.contains("trace-cmd"))
        // This is another kernel than the sample's.
        for word in ["start", "trace-cmd"] {
            let refusal = try run(file.path, word)
            #expect(refusal.status == 77)
            #expect(refusal.error.contains("made for the kernel 6.12.0-test"))
        }
    }

    private func run(_ arguments: String...) throws -> (status: Int32, error: String) {
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = arguments
        process.standardError = pipe
        try process.run()
        let text = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: text, as: UTF8.self))
    }

    @Test("a recording of trace-cmd is known by its first bytes") func traceData() {
        #expect(TraceData.isRecognised(Array("\u{17}\u{8}Dtracing6\0".utf8)))
        #expect(!TraceData.isRecognised(Array("# tracer: nop".utf8)))
        #expect(!TraceData.isRecognised([]))
        #expect(TraceData.command(for: "a.dat").suffix(2) == ["-i", "a.dat"])
        let message = TraceData.notInstalled("a.dat", TraceData.Unfamiliar("numbers of a big-endian machine"))
        #expect(message.contains("a.dat is a recording of trace-cmd with numbers of a big-endian machine"))
        #expect(message.contains("install the Debian package trace-cmd"))
    }
}
