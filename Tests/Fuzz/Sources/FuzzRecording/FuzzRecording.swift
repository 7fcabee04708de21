// SPDX-License-Identifier: Apache-2.0

// Bytes as a recording. The first byte chooses what they are: the metadata, a whole stream, or the records
// of one packet whose head and checksum are right, since no mutation would ever find those.

import Events
import Exercise
import Foundation

@testable import Recording

private let directory: String = {
    // The fuzzer ends without a word: whoever starts it gives it a place, and removes that.
    let path = NSTemporaryDirectory() + "/futexscope-fuzz-\(getpid())"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}()
private let trace = RunID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef)
private let metadata = Metadata(trace: trace, run: RunInfo(host: "fuzz", emitsAll: true)).text

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: data + 1, count: count - 1))
    var (text, stream) = (Array(metadata.utf8), bytes)
    switch data[0] % 3 {
    case 0: (text, stream) = (bytes, [])
    case 1: break
    default: stream = packet(around: bytes)
    }
    _ = FileManager.default.createFile(atPath: directory + "/metadata", contents: Data(text))
    _ = FileManager.default.createFile(atPath: directory + "/stream_000001", contents: Data(stream))
    if let reader = try? RecordingReader(directory: directory) { exercise(reader) }
    return 0
}

private func packet(around records: [UInt8]) -> [UInt8] {
    var packet = [UInt8](repeating: 0, count: PacketHead.size) + records.prefix(60_000)
    var head = PacketHead(trace: trace)
    (head.contentSize, head.byteCount) = (packet.count, packet.count)
    packet.withUnsafeMutableBytes { head.store(into: $0) }
    return packet
}
