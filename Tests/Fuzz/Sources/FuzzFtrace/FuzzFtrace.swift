// SPDX-License-Identifier: Apache-2.0

// Bytes as a text of ftrace, in chunks of a size that the first byte chooses, so that lines are cut at any
// place.

import Exercise
import Ftrace

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    var rest = Array(UnsafeBufferPointer(start: data + 1, count: count - 1))[...]
    let step = max(1, Int(data[0]) * 16)
    let reader = try? FtraceReader(name: "fuzz", bytesInAll: nil, threads: 0) { bytes in
        bytes += rest.prefix(step)
        defer { rest = rest.dropFirst(step) }
        return !rest.isEmpty
    }
    if let reader { exercise(reader) }
    return 0
}
