// SPDX-License-Identifier: Apache-2.0

// The facts of the running kernel that the ftrace recipe needs, from its BTF and its list of symbols. Both can be read
// without any privilege where they exist. Where there is no BTF, the caller can measure instead.

public import Events
public import Ftrace
internal import System

extension KernelFacts {
    /// Facts of the running kernel.
    /// - Parameters:
    ///   - forCapture: whether the code of the lookup is looked at too, which needs CAP_SYSLOG and CAP_SYS_RAWIO.
    ///   - measureLayout: finds the layout on a kernel without BTF; it gets the name of the function that is called for
    ///     each page which leaves the page cache, if there is one.
    /// - Throws: with exit code 77; says which fact cannot be read.
    public static func read(
        forCapture: Bool = false, measureLayout: (_ unaccount: String?) throws(CaptureError) -> Layout
    ) throws(CaptureError) -> KernelFacts {
        guard
            let symbols = KernelSymbols.read(
                wanted: Self.functions + Self.variables + Self.kprobeEvents + [Self.persistence]
                    + KernelFunctions.landmarkNames + CallSites.symbols)
        else {
            throw .notPermitted("/proc/kallsyms cannot be read, so no function can be found; is /proc mounted?")
        }
        guard Self.kprobeEvents.contains(where: symbols.has) else {
            throw .notPermitted(
                "this kernel was built without kprobe events (CONFIG_KPROBE_EVENTS), so that ftrace cannot record what a post-mortem needs"
            )
        }
        guard symbols.has("get_futex_key") else {
            throw .notPermitted(
                "this kernel has no function get_futex_key to observe (is CONFIG_FUTEX on, or was it inlined?)")
        }
        let unaccount = KernelFunctions.unaccount.names.first(where: symbols.has)
        let layout: Layout
        if let types = KernelTypes(names: Self.functions + Self.types) {
            guard let known = Layout(types, unaccount: unaccount) else {
                throw .notPermitted("this kernel's BTF lacks fields of struct page, folio, inode or super_block")
            }
            layout = known
        } else {
            layout = try measureLayout(unaccount)
        }
        #if arch(arm64)
            let architecture = Architecture.arm
        #else
            let architecture = Architecture.x86
        #endif
        var facts = KernelFacts(
            release: readText("/proc/sys/kernel/osrelease") ?? "unknown", architecture: architecture,
            layout: layout,
            unlock: KernelFunctions.unlock.names.first(where: symbols.has),
            lockWait: KernelFunctions.lockWait.names.first(where: symbols.has),
            unaccount: layout.unaccountHasPage ? unaccount : nil,
            zeroPage: ["zero_pfn", "zero_page_pfn"].first(where: symbols.hasVariable),
            hugeZeroPage: ["huge_zero_pfn"].first(where: symbols.hasVariable),
            hasPageBase: symbols.hasVariable("vmemmap_base"),
            landmarks: KernelFunctions.landmarkNames.compactMap { name in
                symbols.functions[name]?.first.map { Function(name: name, symbol: $0) }
            })
        facts.canPersist = symbols.has(Self.persistence)
        if forCapture { facts.lookupCode = lookupCode(symbols) }
        return facts
    }

    /// What replaces get_futex_key(), as a clause; nil when no replacement is known. Then probes on the function see
    /// nothing.
    public static func findLookupSubstitute() -> String? { FunctionCodeReader.substitute(for: "get_futex_key") }

    private static func lookupCode(_ symbols: KernelSymbols) -> LookupCode? {
        guard let extent = symbols.extents["get_futex_key"] else { return nil }
        do throws(CallSites.Unusable) {
            let sites = try CallSites.found(symbols: symbols, read: KernelCore.read)
            return LookupCode(extent: extent, unlockSites: sites.unlocks)
        } catch {
            return LookupCode(extent: extent, unlockSites: [], obstacle: error.reason)
        }
    }

    private static let functions =
        [KernelFunctions.lookup, KernelFunctions.unlock, KernelFunctions.lockWait, KernelFunctions.unaccount]
        .flatMap(\.names)
    /// Functions of kernel/trace/trace_kprobe.c, of which a kernel with kprobe events has at least one.
    private static let kprobeEvents = ["trace_kprobe_create", "trace_kprobe_release", "trace_kprobe_show"]
    /// What maps a ring buffer onto reserved memory (be68d63a139b, 6.12).
    private static let persistence = "__ring_buffer_alloc_range"
    private static let types = ["page", "folio", "address_space", "inode", "super_block", "pageflags"]
    private static let variables = ["zero_pfn", "zero_page_pfn", "huge_zero_pfn", "vmemmap_base"]
}

extension KernelFacts.Layout {
    fileprivate init?(_ types: borrowing KernelTypes, unaccount: String?) {
        guard let offsets = KernelFacts.Offsets(types), let bits = KernelFacts.FlagBits(types),
            let size = types.size(of: "page")
        else { return nil }
        self.init(
            source: .btf, offsets: offsets, bits: bits, pageStructureSize: size,
            sharedIsBool: types.argumentIsBool(1, of: "get_futex_key") ?? true,
            unaccountHasPage: unaccount.map { types.pageArgument(of: $0) == 1 } ?? false)
    }
}

extension KernelFacts.Offsets {
    fileprivate init?(_ types: borrowing KernelTypes) {
        // A folio lies over its first page.
        func page(_ field: String) -> Int? {
            types.offset(of: field, in: "folio") ?? types.offset(of: field, in: "page")
        }
        guard let mapping = page("mapping"), let flags = page("flags"), let index = page("index"),
            let references = page("_refcount"), let host = types.offset(of: "host", in: "address_space"),
            let inode = types.offset(of: "i_ino", in: "inode"), let size = types.offset(of: "i_size", in: "inode"),
            let superBlock = types.offset(of: "i_sb", in: "inode"),
            let device = types.offset(of: "s_dev", in: "super_block"),
            let magic = types.offset(of: "s_magic", in: "super_block")
        else { return nil }
        // 5.18 to 6.5 the order has a field; after that it is the low byte of _flags_1. Before, it lies in
        // the second page.
        let inSecondPage = types.offset(of: "compound_order", in: "page").flatMap { offset in
            types.size(of: "page").map { $0 + offset }
        }
        self.init(
            mapping: mapping, flags: flags, index: index, references: references,
            order: types.offset(of: "_folio_order", in: "folio") ?? types.offset(of: "_flags_1", in: "folio")
                ?? inSecondPage,
            host: host, inode: inode, size: size, superBlock: superBlock, device: device, magic: magic)
    }
}

extension KernelFacts.FlagBits {
    fileprivate init?(_ types: borrowing KernelTypes) {
        func bit(_ name: String) -> Int? { types.value(of: name, in: "pageflags") }
        guard let reserved = bit("PG_reserved"), let swapCache = bit("PG_swapcache"),
            let swapBacked = bit("PG_swapbacked"), let head = bit("PG_head"), let upToDate = bit("PG_uptodate")
        else { return nil }
        self.init(reserved: reserved, upToDate: upToDate, swapCache: swapCache, swapBacked: swapBacked, head: head)
    }
}
