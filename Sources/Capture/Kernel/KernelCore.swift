// SPDX-License-Identifier: Apache-2.0

// The kernel's memory through /proc/kcore, for a process that may not load a BPF program. It needs CAP_SYS_RAWIO, and
// lockdown in confidentiality mode refuses it.

import Glibc
import System

enum KernelCore {
    /// More segments than any kernel has.
    private static let segmentLimit = 4096
    /// PT_LOAD of elf.h.
    private static let load: UInt64 = 1

    /// The bytes at an address of the kernel; nil with errno when they cannot be read.
    static func read(_ address: UInt64, count: Int) -> [UInt8]? {
        let descriptor = unsafe open("/proc/kcore", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // The header of an ELF file of 64 bits: where the segments are described, and how many there are.
        guard let head = bytes(of: descriptor, at: 0, count: 64) else { return nil }
        let (table, size, segments) = (number(head, 32, 8), Int(number(head, 54, 2)), Int(number(head, 56, 2)))
        guard size >= 56, segments <= segmentLimit,
            let all = bytes(of: descriptor, at: table, count: size * segments)
        else {
            errno = ENOEXEC
            return nil
        }
        for segment in 0..<segments {
            let place = segment * size
            let (offset, start, length) = (
                number(all, place + 8, 8), number(all, place + 16, 8), number(all, place + 32, 8)
            )
            guard number(all, place, 4) == load, address >= start, address - start < length,
                UInt64(count) <= length - (address - start)
            else { continue }
            return bytes(of: descriptor, at: offset &+ (address - start), count: count)
        }
        errno = EFAULT
        return nil
    }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func bytes(of descriptor: Int32, at offset: UInt64, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        // The kernel writes `count` bytes at most.
        let result = unsafe pread(descriptor, &bytes, count, off_t(truncatingIfNeeded: offset))
        if result >= 0, result < count { errno = EIO }
        return result == count ? bytes : nil
    }
}
