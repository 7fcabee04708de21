// SPDX-License-Identifier: Apache-2.0

// Records a synthetic run: `synthesize DIRECTORY [COUNT [FILES [TASKS [OPEN]]]]`. Without a count it goes on until
// it is killed, which is what it is for; with one it makes a recording to measure with.

import EventSamples
import Events
import Recording

@main
struct Synthesize {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let directory = arguments.first else {
            print("usage: synthesize DIRECTORY [COUNT [FILES [TASKS [OPEN]]]]")
            return
        }
        let numbers = arguments.dropFirst().map { UInt64($0) }
        func number(_ place: Int, or usual: UInt64) -> UInt64 {
            place < numbers.count ? numbers[place] ?? usual : usual
        }
        var left = number(0, or: .max)
        let writer = try RecordingWriter(directory: directory)
        try writer.begin(RunInfo(kernelRelease: "synthetic", host: "nowhere", emitsAll: true))
        var run = SyntheticRun(files: number(1, or: 64), tasks: number(2, or: 32), open: number(3, or: 0))
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
