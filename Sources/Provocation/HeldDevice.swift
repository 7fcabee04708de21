// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A block device to destroy: a loop device on a file of our own, or one that the user names.  What
/// is on a named device would be lost, so it is taken only if it is free (O_EXCL: not mounted, no
/// swap, no part of a volume) and begins with zeros.
struct HeldDevice: ~Copyable {
    let path: String
    /// Held while it is attached; nil for a device that was there before.
    private let loop: Descriptor?

    /// The size of the file behind a loop device.
    static let bytes = 1 << 20
    /// File systems, volumes and partition tables all leave a mark in here.
    private static let checkedBytes = 128 << 10

    init(unused path: String, _ cause: Cause) throws(ProvocationFailure) {
        let device: Descriptor
        do {
            device = try Descriptor(opening: path, flags: O_RDWR | O_EXCL)
        } catch {
            guard error.number == EBUSY else { throw ProvocationFailure(error, in: cause) }
            throw .wrongPath(path, found: "in use", expected: "a block device that is neither mounted nor claimed")
        }
        let isZero: Bool
        do {
            let start = try Mapping(anonymous: Self.checkedBytes, .readWrite)
            let count = try device.read(into: start, at: 0)
            isZero = count == Self.checkedBytes && start.isZero
        } catch { throw ProvocationFailure(error, in: cause) }
        guard isZero else {
            throw .wrongPath(
                path, found: "not empty",
                expected: "a block device whose first 128 KiB are zero, since its first page is overwritten")
        }
        // Claimed no longer: the kernel refuses BLKZEROOUT on a device that another opener has
        // claimed, which protects whoever mounts it from now on, and would stop the disturber here.
        _ = consume device
        self.path = path
        loop = nil
    }

    init(loopOn file: borrowing NewFile, _ cause: Cause) throws(ProvocationFailure) {
        var path = ""
        loop = try failing(in: cause) { () throws(SystemError) in
            let control = try Descriptor(opening: "/dev/loop-control", flags: O_RDWR)
            // Between asking and attaching another may take the same device: then ask again.
            var tries = 0
            while true {
                path = "/dev/loop\(try control.freeLoop())"
                let loop = try Descriptor(opening: path, flags: O_RDWR)
                do throws(SystemError) {
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

    // The players have ended by then: the device is free at once.
    deinit { try? loop?.detach() }
}
