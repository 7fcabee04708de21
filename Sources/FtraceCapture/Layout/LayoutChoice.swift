// SPDX-License-Identifier: Apache-2.0

// Chooses places of fields from words that were read at the detach of known pages. A place is accepted only if the
// known value is there in every reading, and at no other place that was searched. Pure: tests supply the words.

import Events

extension CaptureError {
    /// A fact of the kernel that the measurement could not verify.
    static func uncertain(_ fact: String, _ reason: String) -> CaptureError {
        .notPermitted("this kernel has no BTF, and the measurement could not verify \(fact): \(reason)")
    }
}

/// The values that were read when a known page was detached.
struct DetachReading {
    var known: KnownPage
    /// By the kernel's own tracepoint.
    var witness: Witness
    /// Address of the page's structure.
    var page: UInt64
    /// The structure and the one after it, 8 bytes each.
    var pageWords: [UInt64]
    /// Words from the address on that is found at `LayoutChoice.mapping` and `LayoutChoice.host`.
    var inodeWords: [UInt64]
    /// By the place of the word in the inode that leads to them.
    var superBlockWords: [Int: [UInt64]] = [:]

    /// The facts that the kernel's own tracepoint shows about a detach.
    struct Witness: Equatable {
        var frame: UInt64
        var inode: UInt64
        var device: UInt32
        /// In pages.
        var index: UInt64
    }
}

enum LayoutChoice {
    /// Places that are the same in every 64-bit kernel since 4.18; each is checked like those that are searched for.
    static let mapping = 24
    static let host = 0
    static let flags = 0
    static let pageStructureSize = 64

    /// Words of each structure that are searched.
    static let (pageWords, structureWords) = (16, 64)

    /// Readings that agree with the kernel's own tracepoint, which a file of an overlay does not.
    /// - Throws: when too few are left, with different pages and different inodes.
    static func trusted(
        _ readings: [DetachReading], atLeast count: Int
    ) throws(CaptureError) -> [DetachReading] {
        let trusted = readings.filter { reading in
            let (known, witness) = (reading.known, reading.witness)
            return known.inode == witness.inode && known.device == witness.device && known.index == witness.index
        }
        guard trusted.count >= count, Set(trusted.map(\.page)).count > 2, Set(trusted.map(\.known.inode)).count > 2
        else {
            throw .uncertain(
                "what a detach is", "the kernel recorded \(trusted.count) of \(readings.count) as expected")
        }
        return trusted
    }

    /// Offsets in a page: of its index and of its count of references.
    static func page(_ readings: [DetachReading]) throws(CaptureError) -> (index: Int, references: Int) {
        let index = try only("the index of a page", in: offsets(words: 8, of: 8)) { offset in
            readings.allSatisfy { $0.pageWords[safe: offset / 8] == $0.known.index }
        }
        // The page cache and the remover have one each; a batch for the lists of reclaim and the file system may have one.
        let references = try only("the references of a page", in: offsets(words: 8, of: 4)) { offset in
            readings.allSatisfy { reading in
                half(offset, of: reading.pageWords).map { (2...4).contains(Int64($0) - Int64(reading.known.held)) }
                    ?? false
            }
        }
        let first = readings[0]
        for reading in readings {
            let distance = (reading.witness.frame &- first.witness.frame) &* UInt64(pageStructureSize)
            guard reading.page &- first.page == distance else {
                throw .uncertain("the size of a page's structure", "it is not \(pageStructureSize) bytes")
            }
        }
        return (index, references)
    }

    /// Offsets in an inode: of its number and of the length of the file.
    static func inode(_ readings: [DetachReading]) throws(CaptureError) -> (number: Int, size: Int) {
        let places = offsets(words: structureWords, of: 8)
        let number = try only("the number of an inode", in: places) { offset in
            readings.allSatisfy { $0.inodeWords[safe: offset / 8] == $0.known.inode }
        }
        let size = try only("the length of a file", in: places) { offset in
            readings.allSatisfy { $0.inodeWords[safe: offset / 8] == $0.known.size }
        }
        return (number, size)
    }

    /// Offsets in an inode of words that may lead to its file system: addresses that are the same for all of one file
    /// system, and different for different ones.
    static func superBlockCandidates(_ readings: [DetachReading]) throws(CaptureError) -> [Int] {
        let byDevice = Dictionary(grouping: readings, by: \.known.device)
        guard byDevice.count > 1 else {
            throw .uncertain(
                "the place of a file system",
                "files on two file systems are needed; of \(KnownFile.directories.joined(separator: ", ")) none has such files"
            )
        }
        return offsets(words: structureWords, of: 8).filter { offset in
            let values = byDevice.values.map { group in Set(group.map { $0.inodeWords[safe: offset / 8] ?? 0 }) }
            return values.allSatisfy { $0.count == 1 && $0.allSatisfy(isAddress) }
                && Set(values).count == byDevice.count
        }
    }

    /// Offsets in an inode of its file system, and in that of the device and the magic number.
    static func superBlock(
        _ readings: [DetachReading]
    ) throws(CaptureError) -> (superBlock: Int, device: Int, magic: Int) {
        guard Set(readings.map(\.known.device)).count > 1 else {
            throw .uncertain("the place of a file system", "it was read for one file system alone")
        }
        var found: [(superBlock: Int, device: [Int], magic: [Int])] = []
        for candidate in Set(readings.flatMap(\.superBlockWords.keys)).sorted() {
            let devices = offsets(words: structureWords, of: 4).filter { offset in
                readings.allSatisfy { half(offset, of: $0.superBlockWords[candidate] ?? []) == $0.known.device }
            }
            let magics = offsets(words: structureWords, of: 8).filter { offset in
                readings.allSatisfy { $0.superBlockWords[candidate]?[safe: offset / 8] == $0.known.magic }
            }
            if !devices.isEmpty, !magics.isEmpty { found.append((candidate, devices, magics)) }
        }
        guard found.count == 1 else {
            throw .uncertain("the place of a file system", places(found.map(\.superBlock)))
        }
        return (
            found[0].superBlock, try only("the device of a file system", in: found[0].device) { _ in true },
            try only("the magic number of a file system", in: found[0].magic) { _ in true }
        )
    }

    /// Offset of the byte with the order of a large page, from its begin; nil when no large page, or only those of
    /// one order, could be looked at.
    static func order(_ pages: [(order: UInt64, words: [UInt64])]) throws(CaptureError) -> Int? {
        guard Set(pages.map(\.order)).count > 1 else { return nil }
        return try only("the order of a large page", in: Array(0..<pageWords * 8)) { offset in
            pages.allSatisfy { page in
                page.words[safe: offset / 8].map { $0 >> UInt64(offset % 8 * 8) & 0xff == page.order } ?? false
            }
        }
    }

    // MARK: Parts

    /// The only place for which a condition holds.
    static func only(
        _ fact: String, in offsets: [Int], where holds: (Int) -> Bool
    ) throws(CaptureError) -> Int {
        let found = offsets.filter(holds)
        guard found.count == 1 else { throw .uncertain(fact, places(found)) }
        return found[0]
    }

    private static func places(_ found: [Int]) -> String {
        found.isEmpty
            ? "it was found at no place"
            : "it may be at each of the places \(found.map(String.init).joined(separator: ", "))"
    }

    private static func offsets(words: Int, of bytes: Int) -> [Int] { Array(stride(from: 0, to: words * 8, by: bytes)) }

    /// Four bytes out of words of eight.
    private static func half(_ offset: Int, of words: [UInt64]) -> UInt32? {
        words[safe: offset / 8].map { UInt32(truncatingIfNeeded: $0 >> UInt64(offset % 8 * 8)) }
    }

    /// Of the kernel, and of a structure.
    private static func isAddress(_ word: UInt64) -> Bool {
        word >= 0xff00_0000_0000_0000 && word < .max - 4096 && word % 8 == 0
    }
}

extension Array {
    /// Nil outside of the array.
    subscript(safe place: Int) -> Element? { indices.contains(place) ? self[place] : nil }
}
