// SPDX-License-Identifier: Apache-2.0

// Inputs that were compressed as a whole with gzip, xz or zstd. They are decompressed chunk by chunk, so memory does
// not grow with their size. The decoders are Debian's libraries.

private import CLzma
private import CZlib
private import CZstd
internal import Events

/// How an input was compressed.
public enum Compression: String, Sendable {
    case gzip, xz, zstd

    /// Recognizes a compression by the first bytes of an input, of which six are enough. Nil for any other input.
    public init?(of head: some Collection<UInt8>) {
        if head.starts(with: [0x1f, 0x8b, 0x08]) {
            self = .gzip
        } else if head.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) {
            self = .xz
        } else if head.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) || head.isSkippableFrame {
            self = .zstd
        } else {
            return nil
        }
    }

    /// The decompressed bytes of `input`, in chunks of about 256 KiB. `name` is the name of the file, for messages.
    /// - Throws: From the returned closure, `SourceError` where the data is damaged or ends too early.
    public func decompressing(_ name: String, _ input: @escaping FtraceReader.Input) -> FtraceReader.Input {
        let stream: any DecompressedStream =
            switch self {
            case .gzip: GzipStream()
            case .xz: XzStream()
            case .zstd: ZstdStream()
            }
        var packed: [UInt8] = []
        var isAtEnd = false
        return { bytes in
            let before = bytes.count
            while bytes.count - before < Self.chunkBytes {
                if packed.isEmpty, !isAtEnd { isAtEnd = try !input(&packed) }
                if packed.isEmpty { break }
                guard let used = stream.decompress(packed[...], into: &bytes, room: Self.chunkBytes) else {
                    throw SourceError(
                        "\(name): its \(rawValue) data \(stream.obstacle)"
                            + (stream.isTooLarge
                                ? "; decompress it first: `\(rawValue) -dc \(stream.options)FILE | futexscope report -`"
                                : "; expected a whole file: check it with `\(rawValue) -t`")
                    )
                }
                packed.removeFirst(used)
            }
            if bytes.count > before { return true }
            guard stream.isComplete else {
                throw SourceError(
                    "\(name): its \(rawValue) data ends too early; expected a whole file: what there is can be read with `\(rawValue) -dc FILE | futexscope report -`"
                )
            }
            return false
        }
    }

    private static let chunkBytes = 256 << 10
}

extension Collection<UInt8> {
    /// Whether a frame of zstd begins here that has no data, as pzstd writes one first (RFC 8878, 3.1.2).
    fileprivate var isSkippableFrame: Bool {
        (first ?? 0) & 0xf0 == 0x50 && dropFirst().starts(with: [0x2a, 0x4d, 0x18])
    }
}

/// A decoder that takes compressed bytes in pieces of any size.
private protocol DecompressedStream: AnyObject {
    /// Appends at most `room` bytes. Returns how many compressed bytes were used, or nil if it cannot continue.
    func decompress(_ packed: ArraySlice<UInt8>, into bytes: inout [UInt8], room: Int) -> Int?
    /// The input may end here: no member, stream or frame is incomplete.
    var isComplete: Bool { get }
    /// Why decompression cannot continue, as the end of a clause.
    var obstacle: String { get }
    /// The reason is a lack of memory.
    var isTooLarge: Bool { get }
    /// Options of the program that then decompresses it, with a blank behind them.
    var options: String { get }
}

extension DecompressedStream {
    var obstacle: String { "is damaged" }
    var isTooLarge: Bool { false }
    var options: String { "" }
}

@safe private final class GzipStream: DecompressedStream {
    private var stream = unsafe z_stream()
    private(set) var isComplete = true
    private let isReady: Bool

    init() {
        // Its own state, which lives as long as this object; 16 more window bits ask for the format of gzip.
        isReady =
            unsafe inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    }

    deinit { _ = unsafe inflateEnd(&stream) }

    func decompress(_ packed: ArraySlice<UInt8>, into bytes: inout [UInt8], room: Int) -> Int? {
        guard isReady else { return nil }
        // A file may have several members, one after the other. Zeros behind the last one are padding.
        if isComplete, packed.allSatisfy({ $0 == 0 }) { return packed.count }
        var result = Z_OK
        var used = 0
        bytes.append(addingCapacity: room) { output in
            unsafe output.withUnsafeMutableBufferPointer { output, filled in
                unsafe packed.withUnsafeBufferPointer { packed in
                    // Both areas live over the call, and their true lengths go with them.
                    unsafe stream.next_in = UnsafeMutablePointer(mutating: packed.baseAddress)
                    unsafe stream.avail_in = UInt32(packed.count)
                    unsafe stream.next_out = output.baseAddress
                    unsafe stream.avail_out = UInt32(room)
                    result = unsafe inflate(&stream, Z_NO_FLUSH)
                    used = unsafe packed.count - Int(stream.avail_in)
                    filled = unsafe room - Int(stream.avail_out)
                    unsafe stream.next_in = nil
                    unsafe stream.next_out = nil
                }
            }
        }
        switch result {
        case Z_STREAM_END:
            isComplete = true
            return unsafe inflateReset(&stream) == Z_OK ? used : nil
        case Z_OK, Z_BUF_ERROR:
            isComplete = false
            return used
        default: return nil
        }
    }
}

@safe private final class XzStream: DecompressedStream {
    /// Bytes of memory for the decoder. A file of `xz -9` needs a quarter of them. A hostile file could request all
    /// memory of the host.
    private static let memoryLimit: UInt64 = 256 << 20

    private var stream = unsafe lzma_stream()
    private(set) var isComplete = true
    private var result: lzma_ret

    // Its own state, which lives as long as this object. An existing decoder can be initialized again.
    init() { unsafe result = lzma_stream_decoder(&stream, Self.memoryLimit, 0) }

    deinit { unsafe lzma_end(&stream) }

    var isTooLarge: Bool { result == LZMA_MEMLIMIT_ERROR || result == LZMA_MEM_ERROR }
    var obstacle: String {
        result == LZMA_MEM_ERROR
            ? "finds no memory to be decompressed"
            : isTooLarge
                ? "takes more than \(Self.memoryLimit >> 20) MiB of memory to decompress" : "is damaged"
    }

    func decompress(_ packed: ArraySlice<UInt8>, into bytes: inout [UInt8], room: Int) -> Int? {
        guard result == LZMA_OK else { return nil }
        // A file may have several streams. Zeros behind one are padding.
        let padding = isComplete ? packed.prefix { $0 == 0 }.count : 0
        if padding > 0 { return padding }
        var used = 0
        bytes.append(addingCapacity: room) { output in
            unsafe output.withUnsafeMutableBufferPointer { output, filled in
                unsafe packed.withUnsafeBufferPointer { packed in
                    // Both areas live over the call, and their true lengths go with them.
                    unsafe stream.next_in = packed.baseAddress
                    unsafe stream.avail_in = packed.count
                    unsafe stream.next_out = output.baseAddress
                    unsafe stream.avail_out = room
                    result = unsafe lzma_code(&stream, LZMA_RUN)
                    used = unsafe packed.count - stream.avail_in
                    filled = unsafe room - stream.avail_out
                    unsafe stream.next_in = nil
                    unsafe stream.next_out = nil
                }
            }
        }
        isComplete = result == LZMA_STREAM_END
        if isComplete { result = unsafe lzma_stream_decoder(&stream, Self.memoryLimit, 0) }
        // No progress was possible with this input and room, which is no error: the next call has more of them.
        if result == LZMA_BUF_ERROR { result = LZMA_OK }
        return result == LZMA_OK ? used : nil
    }
}

@safe private final class ZstdStream: DecompressedStream {
    private let context = unsafe ZSTD_createDStream()
    private(set) var isComplete = true
    private(set) var isTooLarge = false
    let options = "--long=31 "
    var obstacle: String { isTooLarge ? "takes more than 128 MiB of memory to decompress" : "is damaged" }

    deinit { _ = unsafe ZSTD_freeDStream(context) }

    func decompress(_ packed: ArraySlice<UInt8>, into bytes: inout [UInt8], room: Int) -> Int? {
        var result = 0
        var used = 0
        bytes.append(addingCapacity: room) { output in
            unsafe output.withUnsafeMutableBufferPointer { output, filled in
                unsafe packed.withUnsafeBufferPointer { packed in
                    // Both areas live over the call, and their true lengths go with them.
                    var from = unsafe ZSTD_inBuffer(src: packed.baseAddress, size: packed.count, pos: 0)
                    var to = unsafe ZSTD_outBuffer(dst: output.baseAddress, size: room, pos: 0)
                    result = unsafe ZSTD_decompressStream(context, &to, &from)
                    (used, filled) = unsafe (from.pos, to.pos)
                }
            }
        }
        guard ZSTD_isError(result) == 0 else {
            isTooLarge = ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge
            return nil
        }
        // 0 means that a frame is complete. Without memory for its window a context makes no progress, but gives no
        // error.
        isComplete = result == 0
        return used
    }
}
