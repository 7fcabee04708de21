// SPDX-License-Identifier: Apache-2.0

// Who and what events are about: tasks, pages and files, as plain values of fixed size.

/// A task's name, sixteen bytes as the kernel has them. Untrusted: any byte may occur.
public struct Comm: Sendable, Hashable {
    public var low: UInt64
    public var high: UInt64

    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// From text, cut after fifteen bytes as the kernel cuts it.
    public init(_ text: String) {
        (low, high) = (0, 0)
        for (position, byte) in text.utf8.prefix(15).enumerated() {
            if position < 8 {
                low |= UInt64(byte) << UInt64(position * 8)
            } else {
                high |= UInt64(byte) << UInt64((position - 8) * 8)
            }
        }
    }

    /// The bytes before the first NUL; bytes that are not UTF-8 become U+FFFD.
    public var text: String {
        var bytes: [UInt8] = []
        for position in 0..<16 {
            let word = position < 8 ? low : high
            let byte = UInt8(truncatingIfNeeded: word >> UInt64((position % 8) * 8))
            if byte == 0 { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A task: thread group, thread, name and control group (inode of its directory).
public struct TaskIdentity: Sendable, Hashable {
    public var pid: UInt32
    public var tid: UInt32
    public var comm: Comm
    public var cgroup: UInt64

    public init(pid: UInt32, tid: UInt32, comm: Comm, cgroup: UInt64 = 0) {
        self.pid = pid
        self.tid = tid
        self.comm = comm
        self.cgroup = cgroup
    }
}

/// A page as the user sees it: opaque and the same for one run, or the kernel's address of its `struct page` when
/// addresses were requested. 0 is no page.
public struct PageID: Sendable, Hashable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A file by device and inode. `device` is the kernel's internal number: major in the upper twelve bits, minor in the
/// lower twenty.
public struct FileID: Sendable, Hashable {
    public var device: UInt32
    public var inode: UInt64

    public init(device: UInt32, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    public var major: UInt32 { device >> 20 }
    public var minor: UInt32 { device & 0xfffff }
    public var isNone: Bool { device == 0 && inode == 0 }
}
