// trace.dat, the file of trace-cmd. Its format is trace-cmd's own business: the file is recognised here
// and read through `trace-cmd report`, whose text the reader takes.

/// What to do with a trace.dat.
public enum TraceData {
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

    /// For whoever has no such program.
    public static func notInstalled(_ path: String) -> String {
        "\(path) is a recording of trace-cmd, and trace-cmd, which has to print it, is not installed: "
            + "install the Debian package trace-cmd"
    }
}
