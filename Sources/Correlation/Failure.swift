// SPDX-License-Identifier: Apache-2.0

// Why a lookup failed. One reason is an observation and has a cause; the others say what was at the address. They
// follow the order in which get_user_pages_fast() refuses an address (check_vma_flags() of mm/gup.c), and then what a
// fault in the area can fail for. What the facts do not carry is `pin`, which names no reason.

public import Events

/// Why a lookup failed. Only `unmapped` is about a missing mapping; the others have no verdicts.
public enum Failure: String, Sendable, CaseIterable {
    /// The page of its last pass had no mapping.
    case unmapped
    /// The page could not be pinned, and why is not known.
    case pin
    /// No memory area is at the address.
    case unmappedAddress = "unmapped-address"
    /// The memory area does not permit the access that the operation needs.
    case noPermission = "no-permission"
    /// The area maps a part of the file that is behind its end.
    case beyondEndOfFile = "beyond-end-of-file"
    /// VM_IO or VM_PFNMAP: memory of a device, or pages without a count of references.
    case deviceMemory = "device-memory"
    /// memfd_secret(2).
    case secretMemory = "secret-memory"
    /// The kernel no longer uses the page, because of a memory error.
    case poisoned
    /// The page is anonymous and the area read-only.
    case readOnlyAnonymous = "read-only-anonymous"
    /// No huge page is free.
    case noMemory = "no-memory"
    /// None of these: an error of the disk, a full file system, another error number.
    case other
}

extension Lookup {
    /// Whether it failed with EFAULT although no page without a mapping was met at the end.
    public var faulted: Bool {
        result == -14 && !flags.isDisjoint(with: [.pinFailed, .failedReadOnly])
    }

    /// Why it failed; nil while it runs and when it succeeded. `pageBytes` is the size of a base page.
    func failure(pageBytes: UInt64) -> Failure? {
        guard let result, result < 0 else { return nil }
        if flags.contains(.pinFailed) { return result == -14 ? faultOfPin(pageBytes: pageBytes) : .pin }
        if flags.contains(.failedUnmapped) { return .unmapped }
        return flags.contains(.failedReadOnly) ? .readOnlyAnonymous : .other
    }

    private func faultOfPin(pageBytes: UInt64) -> Failure {
        guard let page else { return .pin }
        guard page.facts.contains(.failureDescribed) else { return .pin }
        if page.facts.contains(.noArea) { return .unmappedAddress }
        guard page.facts.contains(.areaKnown) else { return .pin }
        if page.facts.contains(.areaRefusesPins) { return .deviceMemory }
        if page.magic == FileSystemMagic.secretMemory { return .secretMemory }
        if !page.facts.contains(flags.contains(.write) ? .areaIsWritable : .areaIsReadable) { return .noPermission }
        if page.facts.contains(.areaHasFile), page.index >= page.filePages(pageBytes: pageBytes) {
            return .beyondEndOfFile
        }
        if page.facts.contains(.poisoned) { return .poisoned }
        return page.facts.contains(.noHugePage) ? .noMemory : .other
    }
}

extension PageFacts {
    /// Pages of the file, the last one perhaps in part.
    func filePages(pageBytes: UInt64) -> UInt64 { fileSize / pageBytes + (fileSize % pageBytes == 0 ? 0 : 1) }
}
