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
        offsets: Offsets(
            mapping: 24, flags: 0, index: 32, references: 52, order: 64, host: 0, inode: 64, size: 80, superBlock: 40,
            device: 16, magic: 96),
        bits: FlagBits(reserved: 13, swapCache: 10, swapBacked: 17, head: 6), pageStructureSize: 64,
        sharedIsBool: false, unlock: "folio_unlock", lockWait: "__folio_lock", unaccount: "filemap_unaccount_folio",
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

    @Test("private futexes are told by the argument's type") func shared() {
        #expect(KernelFacts.sample.with { _ in }.contains(#"fs_lookup "flags & 0x10""#))
        #expect(KernelFacts.sample.with { $0.sharedIsBool = true }.contains(#"fs_lookup "fshared != 0""#))
    }

    @Test("what a kernel does not have is not asked for") func absences() {
        let script = KernelFacts.sample.with {
            $0.lockWait = nil
            $0.zeroPage = nil
            $0.unaccount = nil
        }
        for word in ["fs_lock_wait", " zero=@", "filemap_unaccount_folio"] { #expect(!script.contains(word)) }
        // Numbers of pages are turned into addresses with a size that must be the kernel's.
        #expect(!KernelFacts.sample.with { $0.pageStructureSize = 72 }.contains("vmemmap_base"))
        #expect(!KernelFacts.sample.with { _ in }.contains("shrink_folio_list"))
        #expect(KernelFacts.sample.with { $0.architecture = .arm }.contains("caller=%lr:symbol"))
    }

    @Test("symbols carry the compiler's suffix, names of events do not") func suffixes() {
        #expect(KernelFacts.sample.with { _ in }.contains("'p:futexscope/fs_in_do_truncate do_truncate.isra.0'"))
    }

    @Test("a shell takes it, and says how it is used") func shell() throws {
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
