// SPDX-License-Identifier: Apache-2.0

// trace.dat, the file of trace-cmd: how it is recognised, and which program reads it. `TraceDataReader` reads whole
// files of the two versions that trace-cmd 2 and 3 write on a 64-bit little-endian machine. It does not guess: any
// other file goes through `trace-cmd report`, whose text `FtraceReader` reads.

/// What to do with a trace.dat.
public enum TraceData {
    /// Replaces the bytes with a number of bytes of the file from an offset on; fewer where the file ends.
    public typealias Input = (_ offset: UInt64, _ count: Int, _ bytes: inout [UInt8]) throws -> Void

    /// The file is none of those that are read here; trace-cmd may be able to read it.
    public struct Unfamiliar: Error, Sendable, Equatable {
        /// The unknown part, such as "numbers of a big-endian machine".
        public let what: String
        public init(_ what: String) { self.what = what }
    }

    /// How such a file begins.
    public static let magic: [UInt8] = [0x17, 0x08, 0x44] + "tracing".utf8

    /// Whether a file that begins with these bytes is one; ten of them are enough.
    public static func isRecognised(_ head: some Collection<UInt8>) -> Bool {
        head.starts(with: magic)
    }

    /// The program that prints it, and its arguments: times in full, and no plugins, which print some events
    /// in their own way. Names of tasks are whole only without the latency format.
    public static func command(for path: String) -> [String] {
        ["trace-cmd", "report", "-t", "-N", "-i", path]
    }

    /// The message where this program is not installed.
    public static func notInstalled(_ path: String, _ unfamiliar: Unfamiliar) -> String {
        "\(path) is a recording of trace-cmd with \(unfamiliar.what), and trace-cmd, which has to print it, is not installed: "
            + "install the Debian package trace-cmd"
    }
}
