// SPDX-License-Identifier: Apache-2.0

// A block device whose first page is overwritten: a loop device on a file of this run, or one that the user names. A
// named device is used only if it is free (O_EXCL: not mounted, no swap, no part of a volume) and begins with zeros,
// because its content would be lost.

internal import Glibc

struct HeldDevice: ~Copyable {
    let path: String
    /// Open while it is attached; nil for a device that existed before.
    private let loop: Descriptor?

    /// The size of the file behind a loop device.
    static let bytes = 1 << 20
    /// File systems, volumes and partition tables all have a signature in here.
    private static let checkedBytes = 128 << 10

    init(unused path: String, _ cause: ProvokedCause) throws(ProvocationError) {
        let device: Descriptor
        do {
            device = try Descriptor(opening: path, flags: O_RDWR | O_EXCL)
        } catch {
            guard error.number == EBUSY else { throw ProvocationError(error, in: cause) }
            throw .wrongPath(path, found: "in use", expected: "a block device that is neither mounted nor claimed")
        }
        let isZero: Bool
        do {
            let start = try Mapping(anonymous: Self.checkedBytes, .readWrite)
            let count = try device.read(into: start, at: 0)
            isZero = count == Self.checkedBytes && start.isZero
        } catch { throw ProvocationError(error, in: cause) }
        guard isZero else {
            throw .wrongPath(
                path, found: "not empty",
                expected: "a block device whose first 128 KiB are zero, since its first page is overwritten")
        }
        // Closed here: the kernel refuses BLKZEROOUT on a device that another opener has claimed. That protects a later
        // mount, and would stop the culprit.
        _ = consume device
        self.path = path
        loop = nil
    }

    init(loopOn file: borrowing NewFile, _ cause: ProvokedCause) throws(ProvocationError) {
        var path = ""
        loop = try failing(in: cause) { () throws(SyscallError) in
            let control = try Descriptor(opening: "/dev/loop-control", flags: O_RDWR)
            // Another process may take the same device meanwhile; then try the next one.
            var tries = 0
            while true {
                path = "/dev/loop\(try control.freeLoop())"
                let loop = try Descriptor(opening: path, flags: O_RDWR)
                do throws(SyscallError) {
                    try loop.attach(file.descriptor)
                    return loop
                } catch {
                    tries += 1
                    guard error.number == EBUSY, tries < 10 else { throw error }
                }
            }
        }
        self.path = path
    }

    // The workers have ended by then: the device is free at once.
    deinit { try? loop?.detach() }
}
