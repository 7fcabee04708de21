// SPDX-License-Identifier: Apache-2.0

// Fills in what the ftrace recipe has to know of the running kernel, from its BTF and its list of symbols.
// Both are readable without any privilege where they are there at all.

import Events
public import Ftrace
internal import System

extension KernelFacts {
    /// Facts of the running kernel; an error with exit code 77 says what it does not tell.
    public static func read() throws(CaptureError) -> KernelFacts {
        guard let types = KernelTypes(names: Self.functions + Self.types) else {
            throw .notPermitted(
                "this kernel carries no BTF (/sys/kernel/btf/vmlinux is missing), which says where its fields lie")
        }
        guard let symbols = KernelSymbols.read(wanted: Self.functions + Self.variables + KernelFunctions.landmarkNames)
        else {
            throw .notPermitted("/proc/kallsyms cannot be read, so no function can be found; is /proc mounted?")
        }
        guard symbols.has("get_futex_key") else {
            throw .notPermitted(
                "this kernel has no function get_futex_key to observe (is CONFIG_FUTEX on, or was it inlined?)")
        }
        guard let offsets = Offsets(types), let bits = FlagBits(types), let size = types.size(of: "page") else {
            throw .notPermitted("this kernel's BTF lacks fields of struct page, folio, inode or super_block")
        }
        #if arch(arm64)
            let architecture = Architecture.arm
        #else
            let architecture = Architecture.x86
        #endif
        return KernelFacts(
            release: readText("/proc/sys/kernel/osrelease") ?? "unknown", architecture: architecture,
            offsets: offsets, bits: bits, pageStructureSize: size,
            sharedIsBool: types.argumentIsBool(1, of: "get_futex_key") ?? true,
            unlock: KernelFunctions.unlock.names.first(where: symbols.has),
            lockWait: KernelFunctions.lockWait.names.first(where: symbols.has),
            unaccount: KernelFunctions.unaccount.names
                .first { symbols.has($0) && types.pageArgument(of: $0) == 1 },
            zeroPage: ["zero_pfn", "zero_page_pfn"].first(where: symbols.hasVariable),
            hugeZeroPage: ["huge_zero_pfn"].first(where: symbols.hasVariable),
            hasPageBase: symbols.hasVariable("vmemmap_base"),
            landmarks: KernelFunctions.landmarkNames.compactMap { name in
                symbols.functions[name]?.first.map { Function(name: name, symbol: $0) }
            })
    }

    private static let functions =
        [KernelFunctions.lookup, KernelFunctions.unlock, KernelFunctions.lockWait, KernelFunctions.unaccount]
        .flatMap(\.names)
    private static let types = ["page", "folio", "address_space", "inode", "super_block", "pageflags"]
    private static let variables = ["zero_pfn", "zero_page_pfn", "huge_zero_pfn", "vmemmap_base"]
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
            let swapBacked = bit("PG_swapbacked"), let head = bit("PG_head")
        else { return nil }
        self.init(reserved: reserved, swapCache: swapCache, swapBacked: swapBacked, head: head)
    }
}
