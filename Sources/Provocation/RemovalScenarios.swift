// SPDX-License-Identifier: Apache-2.0

// The scenarios that detach the page from its file even if another task holds a reference: a futex call that has pinned
// the page finds it without a mapping.

internal import CLinux
internal import Glibc

extension Scenario {
    static let holePunch = Scenario(
        cause: .holePunch, place: .directory, footing: .file(.readWrite),
        culprit: { path, _ throws(SyscallError) in
            let file = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SyscallError) in try file.punchHole(at: 0, bytes: Mapping.pageBytes) }
        })

    static let truncate = Scenario(
        cause: .truncate, place: .directory, footing: .file(.readWrite),
        culprit: { path, board throws(SyscallError) in
            let file = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SyscallError) in
                try file.resize(to: 0)
                // Odd from here: a call before the next line cannot find a page.
                board[.truncations] += 1
                defer { board[.truncations] += 1 }
                try file.resize(to: Mapping.pageBytes)
            }
        })

    // The victim maps read-only: a page that it can write is mostly dirty, and the kernel keeps dirty pages.
    static let directIOInvalidation = Scenario(
        cause: .directIOInvalidation, place: .disk, footing: .file(.readOnly), napNs: 500_000,
        culprit: { path, _ throws(SyscallError) in
            let file = try Descriptor(opening: path, flags: O_RDWR | clinux_o_direct)
            let block = try Mapping(anonymous: Mapping.pageBytes, .readWrite)
            return { () throws(SyscallError) in try file.write(block, at: 0) }
        })

    // Each operation uses up a folio, so the futex moves through the file, one stride for each operation, and the culprit
    // reads the file before it: read-ahead makes large folios. Pages 0 and 1 of a stride share a folio, unless its order
    // is 0.
    static let neighbourPunch: Scenario = {
        let stride = 64 << 10
        let strides = 512
        return Scenario(
            cause: .neighbourPunch, place: .disk, fileBytes: strides * stride,
            footing: .file(.readOnly, stride: stride),
            culprit: { path, board throws(SyscallError) in
                let file = try Descriptor(opening: path, flags: O_RDWR)
                let buffer = try Mapping(anonymous: stride, .readWrite)
                var cursor = 0
                try file.forget()
                _ = try file.read(into: buffer, at: 0)
                return { () throws(SyscallError) in
                    try file.punchHole(at: cursor * stride + Mapping.pageBytes, bytes: Mapping.pageBytes)
                    cursor = (cursor + 1) % strides
                    // From the start again: pages that are not cached are read again, into new large folios.
                    if cursor == 0 { try file.forget() }
                    _ = try file.read(into: buffer, at: cursor * stride)
                    board[.cursor] = cursor
                }
            })
    }()

    static let hugetlbPunch = Scenario(
        cause: .hugetlbPunch, place: .hugetlb, fileBytes: Mapping.hugePageBytes, footing: .file(.readWrite),
        culprit: { path, _ throws(SyscallError) in
            let file = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SyscallError) in try file.punchHole(at: 0, bytes: Mapping.hugePageBytes) }
        })

    static let blockZeroOut = Scenario(
        cause: .blockZeroOut, place: .blockDevice, footing: .file(.readWrite), napNs: 500_000,
        culprit: { path, _ throws(SyscallError) in
            let device = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SyscallError) in try device.zeroOut(at: 0, bytes: Mapping.pageBytes) }
        })

    // The page is clean and has a copy on its disk, so the kernel does not kill the processes that map it, and the next
    // touch reads a new page.
    static let memoryFailure = Scenario(
        cause: .memoryFailure, place: .disk, footing: .file(.readOnly), napNs: 1_000_000,
        operationLimit: poisonLimit,
        culprit: { path, board throws(SyscallError) in
            let file = try Descriptor(opening: path, flags: O_RDONLY)
            let pages = PoisonedPages(try Mapping(file, bytes: Mapping.pageBytes, .readOnly), board)
            return { () throws(SyscallError) in try pages.poisonNext() }
        })
}
