// SPDX-License-Identifier: Apache-2.0

// A file without a name, with one page in the page cache. All values for which the kernel's structures are searched are
// known of it. The page is detached on demand, by a hole.

internal import CLinux
import Glibc

/// The facts about a page of a file that system calls show.
struct KnownPage: Equatable {
    var inode: UInt64
    /// Of the file, in bytes.
    var size: UInt64
    /// In pages.
    var index: UInt64
    /// As the kernel keeps it.
    var device: UInt32
    /// Of the file system.
    var magic: UInt64
    /// References that this process holds, besides those that any page in a page cache has.
    var held: UInt64
}

/// An open file with one page.
@safe final class KnownFile {
    private(set) var page = KnownPage(inode: 0, size: 0, index: 0, device: 0, magic: 0, held: 0)
    private let descriptor: Int32
    private var pipeEnds: [Int32] = [-1, -1]
    private var mapping: UnsafeMutableRawPointer?

    /// Directories whose file systems are tried; those of the same device give one file.
    static let directories = ["/dev/shm", "/run", "/tmp", "/var/tmp", "."]
    static let pageBytes = 4096

    /// Nil when the file system does not have such files, or the kernel refuses a call.
    /// - Parameters:
    ///   - directory: on its file system; nil for memory.
    ///   - index: of its page.
    ///   - held: references to hold, at most 15.
    static func make(in directory: String?, index: UInt64, held: UInt64) -> KnownFile? {
        // The text lives over the call.
        let descriptor =
            if let directory { unsafe clinux_unnamed_file(directory) } else { unsafe clinux_memory_file("layout", 0) }
        guard descriptor >= 0 else { return nil }
        let file = KnownFile(descriptor)
        return file.prepare(index: index, held: held) ? file : nil
    }

    /// Several files in memory and one on each other file system, with pages that differ in every fact.
    static func several() -> [KnownFile] {
        var files: [KnownFile] = []
        func number() -> UInt64 { UInt64.random(in: 0x1000..<0x10000) }
        for held: UInt64 in [0, 5, 11] {
            if let file = make(in: nil, index: number(), held: held) { files.append(file) }
        }
        for directory in directories {
            guard let file = make(in: directory, index: number(), held: 3) else { continue }
            if !files.contains(where: { $0.page.device == file.page.device }) { files.append(file) }
        }
        return files
    }

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        unmap()
        for end in pipeEnds where end >= 0 { close(end) }
        close(descriptor)
    }

    private func prepare(index: UInt64, held: UInt64) -> Bool {
        // It ends within a page.
        page.size = (index + 1) * UInt64(Self.pageBytes) + UInt64.random(in: 1..<4096)
        guard ftruncate(descriptor, off_t(page.size)) == 0 else { return false }
        var status = stat()
        // The structure and the text live over their calls.
        guard unsafe fstat(descriptor, &status) == 0 else { return false }
        page.inode = UInt64(status.st_ino)
        page.device = clinux_major(UInt64(status.st_dev)) << 20 | clinux_minor(UInt64(status.st_dev))
        page.magic = unsafe clinux_fs_magic("/proc/self/fd/\(descriptor)")
        page.index = index
        // A new mapping for one page; `unmap` removes it.
        let start = unsafe mmap(
            nil, Self.pageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, off_t(index) * off_t(Self.pageBytes))
        guard unsafe clinux_mmap_failed(start) == 0, page.magic != 0 else { return false }
        unsafe mapping = unsafe start
        guard let word = unsafe word, unsafe clinux_touch(word, 1) == 0, unsafe pipe(&pipeEnds) == 0 else {
            return false
        }
        for _ in 0..<held {
            // The kernel takes a reference to the page that is mapped there.
            guard unsafe clinux_hold_page(pipeEnds[1], mapping) == 1 else { return false }
            page.held += 1
        }
        return true
    }

    /// The first word of the page, while it is mapped.
    private var word: UnsafeMutablePointer<UInt32>? {
        unsafe mapping?.assumingMemoryBound(to: UInt32.self)
    }

    private func unmap() {
        guard let start = unsafe mapping else { return }
        unsafe munmap(start, Self.pageBytes)
        unsafe mapping = nil
    }

    /// Where the page is mapped; 0 when it is not.
    var address: UInt64 { unsafe mapping.map { UInt64(UInt(bitPattern: $0)) } ?? 0 }

    /// Looks up futexes in this page and in another one: the first for reading, the second for writing.
    func lookUp(with other: KnownFile, isPrivate: Bool) -> Bool {
        // Both pages are mapped, and no word is changed.
        unsafe clinux_futex_wake_op(word, other.word, isPrivate ? 1 : 0) >= 0
    }

    /// Start of the page in the file, in bytes.
    var offset: UInt64 { page.index * UInt64(Self.pageBytes) }

    /// Gives the kernel advice about the page; this detaches nothing.
    static let advice = UInt64(POSIX_FADV_RANDOM)

    /// Gives the advice, then detaches the page; the length of the file and the held references stay the same.
    func detachPage() {
        unmap()
        // A file system without holes makes no detach; the caller notices that.
        _ = posix_fadvise(descriptor, off_t(offset), off_t(Self.pageBytes), POSIX_FADV_RANDOM)
        _ = clinux_punch_hole(descriptor, Int64(offset), Int64(Self.pageBytes))
    }
}
