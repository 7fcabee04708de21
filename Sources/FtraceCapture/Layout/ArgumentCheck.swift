// SPDX-License-Identifier: Apache-2.0

// The arguments of the functions that are probed. Their places come from the functions' signatures, which are the same
// since 5.6, except for the second argument of get_futex_key(). Each argument is compared with the value that this
// thread passes.

import Events
import Glibc

/// Checks arguments with calls of this thread.
struct ArgumentCheck {
    /// The second argument of get_futex_key() is a truth value, not flags.
    var sharedIsBool: Bool
    /// The page that the pin returned for the futex that is looked up first; nil when this kernel does not show it.
    var pinnedPage: UInt64?

    /// FLAGS_SHARED of kernel/futex/futex.h, from 6.7 on.
    private static let sharedFlag: UInt64 = 0x10
    /// FOLL_WRITE of include/linux/mm_types.h.
    private static let pinsForWriting: UInt64 = 1

    /// Looks up futexes in two files.
    static func measure(
        _ instance: MeasuringInstance, _ first: KnownFile, _ second: KnownFile
    ) throws(CaptureError) -> ArgumentCheck {
        guard
            try instance.define(
                "p", "m_lookup", "get_futex_key", "address=$arg1:x64 flags=$arg2:x32 truth=$arg2:u8 write=$arg4:u32"),
            try instance.define(
                "p", "m_pin", "get_user_pages_fast", "address=$arg1:x64 count=$arg2:s32 flags=$arg3:x32")
        else { throw .uncertain("the arguments of a lookup", "the kernel refuses the probes") }
        let showsPage = try instance.define(
            "r", "m_pinned", "get_user_pages_fast", "result=$retval:s32 page=+0($arg4):x64")
        var works = true
        let shared = try instance.record { works = first.lookUp(with: second, isPrivate: false) && works }
        let hidden = try instance.record { works = first.lookUp(with: second, isPrivate: true) && works }
        guard works else { throw .uncertain("the arguments of a lookup", "FUTEX_WAKE_OP fails: \(errno)") }

        let expected = [first.address, second.address]
        func lookups(_ events: [MeasuringInstance.Event]) throws(CaptureError) -> [MeasuringInstance.Event] {
            let found = events.filter { $0.name == "m_lookup" }
            guard found.map({ $0.number("address") }) == expected, found.map({ $0.number("write") }) == [0, 1] else {
                throw .uncertain("the arguments of get_futex_key", "they are not those of the calls")
            }
            return found
        }
        func numbers(_ field: String, _ events: [MeasuringInstance.Event]) -> [UInt64] {
            events.compactMap { $0.number(field) }
        }
        let (open, closed) = (try lookups(shared), try lookups(hidden))
        let isBool = numbers("truth", open) == [1, 1] && numbers("truth", closed) == [0, 0]
        let isFlags =
            numbers("flags", open).allSatisfy { $0 & sharedFlag != 0 }
            && numbers("flags", closed).allSatisfy { $0 & sharedFlag == 0 }
        guard isBool != isFlags else {
            throw .uncertain("the second argument of get_futex_key", "it is neither a truth value nor the flags of 6.7")
        }
        // A page that is not mapped yet is pinned after a fault, in the same call.
        let pins = shared.filter { $0.name == "m_pin" && $0.number("count") == 1 }
        guard pins.map({ $0.number("address") }) == expected,
            pins.allSatisfy({ ($0.number("flags") ?? 0) & pinsForWriting != 0 })
        else { throw .uncertain("the arguments of get_user_pages_fast", "they are not those of the calls") }
        let pinned = showsPage ? shared.first { $0.name == "m_pinned" && $0.number("result") == 1 } : nil
        return ArgumentCheck(sharedIsBool: isBool, pinnedPage: pinned?.number("page"))
    }

    /// Defines probes on the functions whose arguments can be checked with calls on a file; functions that a kernel
    /// does not have are not recorded either.
    static func defineFileCalls(_ instance: MeasuringInstance) throws(CaptureError) {
        _ = try instance.define(
            "p", "m_cut", "vfs_fallocate", "mode=$arg2:x32 offset=$arg3:s64 length=$arg4:s64")
        _ = try instance.define(
            "p", "m_advice", "generic_fadvise", "mode=$arg4:u32 offset=$arg2:s64 length=$arg3:s64")
    }

    /// Compares the recorded events of `KnownFile.detachPage`. A file system on another one calls twice, the first time
    /// with the requested values.
    static func checkFileCalls(_ events: [MeasuringInstance.Event], of file: KnownFile) throws(CaptureError) {
        for (event, function, mode) in [
            ("m_cut", "vfs_fallocate", holeKeepingSize), ("m_advice", "generic_fadvise", KnownFile.advice),
        ] {
            guard let call = events.first(where: { $0.name == event }) else { continue }
            guard call.number("mode") == mode, call.number("offset") == file.offset,
                call.number("length") == UInt64(KnownFile.pageBytes)
            else { throw .uncertain("the arguments of \(function)", "they are not those of the calls") }
        }
    }

    /// FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE.
    private static let holeKeepingSize: UInt64 = 3
}
