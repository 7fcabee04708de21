// SPDX-License-Identifier: Apache-2.0

// Where the commands write: a standard stream, or a file that this run has created and that did not exist before. What
// can fail comes back as a value; the commands choose the words.

internal import Glibc
internal import System

/// An open file to write to.
struct OutputFile {
    /// Why a write did not succeed.
    enum WriteError: Error, Equatable {
        /// Nobody reads any more.
        case closed
        /// The C library's text for the error.
        case failed(String)
    }

    /// Why a file could not be created.
    enum CreateError: Error, Equatable {
        case exists
        /// The C library's text for the error.
        case failed(String)
    }

    let descriptor: Int32
    /// The file that this run has created; nil for a standard stream.
    private let path: String?

    static let standardOutput = OutputFile(descriptor: 1, path: nil)
    static let standardError = OutputFile(descriptor: 2, path: nil)

    private init(descriptor: Int32, path: String?) { (self.descriptor, self.path) = (descriptor, path) }

    /// Creates a file that only its owner may read. A file that exists is never touched.
    init(creating path: String) throws(CreateError) {
        do throws(SystemError) {
            self.init(descriptor: try createFile(path), path: path)
        } catch {
            throw error.isExisting ? .exists : .failed(error.text)
        }
    }

    /// Creates the file of an option, `what` in messages.
    /// - Throws: why it cannot be created, as an error of usage.
    static func create(_ path: String, what: String) throws -> OutputFile {
        do throws(CreateError) {
            return try OutputFile(creating: path)
        } catch {
            switch error {
            case .exists: throw pathExists(path, of: what)
            case .failed(let reason):
                throw CommandError.usage(
                    "cannot create \(what) \(path): \(reason); expected a new file in a writable directory")
            }
        }
    }

    static func pathExists(_ path: String, of what: String) -> CommandError {
        .usage("cannot create \(what) \(path): it exists, and is not overwritten; remove it or choose another path")
    }

    /// Writes all of it, and waits where the other side is slow. A line that a full disk cut off is removed where that
    /// is possible, so that a file ends with a whole line.
    func write(_ bytes: [UInt8]) throws(WriteError) {
        var done = 0
        while done < bytes.count {
            // The pointer is used within the closure only, and the count is what is left.
            let count = unsafe bytes[done...].withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                done += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                unsafe poll(&waiting, 1, -1)
            case EPIPE: throw .closed
            case EBADF: throw .failed("it is closed; expected a file, a pipe or a terminal")
            case let error:
                removeCutLine(bytes[..<done])
                throw .failed(errorText(error))
            }
        }
    }

    func write(_ text: String) throws(WriteError) {
        try write(Array(text.utf8))
    }

    private func removeCutLine(_ written: ArraySlice<UInt8>) {
        guard path != nil else { return }
        let rest = written.reversed().prefix { $0 != UInt8(ascii: "\n") }.count
        // The next write, when there is room again, continues here without a hole.
        let end = lseek(descriptor, -off_t(rest), SEEK_CUR)
        if end >= 0 { ftruncate(descriptor, end) }
    }

    /// Closes the file and removes it; a standard stream stays.
    func remove() {
        guard let path else { return }
        close(descriptor)
        unsafe unlink(path)
    }

    /// Whether anything has this path, a dangling symbolic link included.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0
    }
}
