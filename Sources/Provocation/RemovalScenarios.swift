// SPDX-License-Identifier: Apache-2.0

// The scenarios that take the page away from its file whoever holds it: a futex call that has just
// pinned the page finds it without a mapping.

internal import CLinux
internal import Glibc

extension Scenario {
    static let holePunch = Scenario(
        cause: .holePunch, place: .directory, footing: .file(.readWrite),
        disturber: { path, _ throws(SystemError) in
            let file = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SystemError) in try file.punchHole(at: 0, bytes: Mapping.pageBytes) }
        })

    static let truncate = Scenario(
        cause: .truncate, place: .directory, footing: .file(.readWrite),
        disturber: { path, board throws(SystemError) in
            let file = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SystemError) in
                try file.resize(to: 0)
                // Odd from here: whoever calls until the next line cannot have found a page.
                board[.truncations] += 1
                defer { board[.truncations] += 1 }
                try file.resize(to: Mapping.pageBytes)
            }
        })

    // The victim maps read-only: a page that it could write is dirty mostly, and is then kept.
    static let directIOInvalidation = Scenario(
        cause: .directIOInvalidation, place: .disk, footing: .file(.readOnly), napNs: 500_000,
        disturber: { path, _ throws(SystemError) in
            let file = try Descriptor(opening: path, flags: O_RDWR | clinux_o_direct)
            let block = try Mapping(anonymous: Mapping.pageBytes, .readWrite)
            return { () throws(SystemError) in try file.write(block, at: 0) }
        })

    // Each try uses up a folio, so the futex wanders through the file, one stride a try, and the
    // disturber reads ahead of it: read-ahead is what makes large folios.  Pages 0 and 1 of a
    // stride share a folio if it is of any order but 0.
    static let neighbourPunch: Scenario = {
        let stride = 64 << 10
        let strides = 512
        return Scenario(
            cause: .neighbourPunch, place: .disk, fileBytes: strides * stride,
            footing: .file(.readOnly, stride: stride),
            disturber: { path, board throws(SystemError) in
                let file = try Descriptor(opening: path, flags: O_RDWR)
                let buffer = try Mapping(anonymous: stride, .readWrite)
                var cursor = 0
                try file.forget()
                _ = try file.read(into: buffer, at: 0)
                return { () throws(SystemError) in
                    try file.punchHole(at: cursor * stride + Mapping.pageBytes, bytes: Mapping.pageBytes)
                    cursor = (cursor + 1) % strides
                    // A new round: what is not cached is read again, into new large folios.
                    if cursor == 0 { try file.forget() }
                    _ = try file.read(into: buffer, at: cursor * stride)
                    board[.cursor] = cursor
                }
            })
    }()

    static let hugetlbPunch = Scenario(
        cause: .hugetlbPunch, place: .hugetlb, fileBytes: Mapping.hugePageBytes, footing: .file(.readWrite),
        disturber: { path, _ throws(SystemError) in
            let file = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SystemError) in try file.punchHole(at: 0, bytes: Mapping.hugePageBytes) }
        })

    static let blockZeroOut = Scenario(
        cause: .blockZeroOut, place: .blockDevice, footing: .file(.readWrite), napNs: 500_000,
        disturber: { path, _ throws(SystemError) in
            let device = try Descriptor(opening: path, flags: O_RDWR)
            return { () throws(SystemError) in try device.zeroOut(at: 0, bytes: Mapping.pageBytes) }
        })

    // The page is clean and has a copy on its disk, so that its users are spared and the next touch
    // brings a fresh page.
    static let memoryFailure = Scenario(
        cause: .memoryFailure, place: .disk, footing: .file(.readOnly), napNs: 1_000_000,
        operationLimit: poisonLimit,
        disturber: { path, board throws(SystemError) in
            let file = try Descriptor(opening: path, flags: O_RDONLY)
            let pages = PoisonedPages(try Mapping(file, bytes: Mapping.pageBytes, .readOnly), board)
            return { () throws(SystemError) in try pages.poisonNext() }
        })
}
