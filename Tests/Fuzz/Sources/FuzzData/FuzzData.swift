// SPDX-License-Identifier: Apache-2.0

// Bytes as a trace.dat.

import Exercise
import Ftrace

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let file = Array(UnsafeBufferPointer(start: data, count: count))
    let reader = try? TraceDataReader(name: "fuzz", size: UInt64(count)) { offset, count, bytes in
        let begin = min(Int(clamping: offset), file.count)
        bytes.replaceSubrange(0..., with: file[begin..<min(begin + count, file.count)])
    }
    if let reader { exercise(reader) }
    return 0
}
