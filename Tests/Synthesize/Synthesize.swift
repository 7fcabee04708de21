// Records a synthetic run: `synthesize DIRECTORY [COUNT]`. Without a count it goes on until it is killed,
// which is what it is for; with one it makes a recording to measure with.

import EventSamples
import Events
import Recording

@main
struct Synthesize {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let directory = arguments.first else {
            print("usage: synthesize DIRECTORY [COUNT]")
            return
        }
        var left = arguments.dropFirst().first.flatMap { UInt64($0) } ?? .max
        let writer = try RecordingWriter(directory: directory)
        try writer.begin(RunInfo(kernelRelease: "synthetic", host: "nowhere", tellsAll: true))
        var run = SyntheticRun()
        while left > 0 {
            let count = min(left, 1000)
            try writer.append(run.next(Int(count)))
            left -= count
        }
        var totals = Totals()
        (totals.lookups, totals.time, totals.isFinal) = (0, run.time, true)
        try writer.append([.totals(totals)])
        try writer.finish()
        print("\(writer.recordsWritten) records, \(writer.bytesWritten) bytes")
    }
}
