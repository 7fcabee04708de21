// SPDX-License-Identifier: Apache-2.0

// A Perfetto trace as text, one line a packet, for golden files. Reads the bytes by the rules of protobuf
// alone and knows the few fields that a trace of ours has; any other is shown by its number.

/// Fields of one message, in order.
struct ProtobufFields {
    enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    private(set) var fields: [(number: UInt64, value: Value)] = []

    /// Nil for what is no message.
    init?(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        func varint() -> UInt64? {
            var (value, shift): (UInt64, UInt64) = (0, 0)
            while let byte = rest.popFirst(), shift < 70 {
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while !rest.isEmpty {
            guard let tag = varint() else { return nil }
            switch tag & 7 {
            case 0:
                guard let value = varint() else { return nil }
                fields.append((tag >> 3, .number(value)))
            case 1:
                guard rest.count >= 8 else { return nil }
                fields.append((tag >> 3, .number(rest.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })))
                rest = rest.dropFirst(8)
            case 2:
                guard let length = varint(), length <= UInt64(rest.count) else { return nil }
                fields.append((tag >> 3, .bytes(rest.prefix(Int(length)))))
                rest = rest.dropFirst(Int(length))
            default: return nil
            }
        }
    }

    subscript(number: UInt64) -> UInt64? {
        fields.lazy.compactMap { field in
            if case .number(let value) = field.value, field.number == number { value } else { nil }
        }.first
    }

    func text(_ number: UInt64) -> String? {
        bytes(number).first.map { String(decoding: $0, as: UTF8.self) }
    }

    func messages(_ number: UInt64) -> [ProtobufFields] { bytes(number).compactMap(ProtobufFields.init) }

    private func bytes(_ number: UInt64) -> [ArraySlice<UInt8>] {
        fields.compactMap { field in
            if case .bytes(let value) = field.value, field.number == number { value } else { nil }
        }
    }
}

/// The lines of a trace.
struct PerfettoText {
    private(set) var lines: [String] = []
    private var tracks: [UInt64: String] = [:]
    private var flows: [UInt64] = []

    init?(_ trace: [UInt8]) {
        guard let trace = ProtobufFields(trace[...]) else { return nil }
        for field in trace.fields {
            guard field.number == 1, case .bytes(let bytes) = field.value, let packet = ProtobufFields(bytes),
                packet[10] == 1, packet[13] == (lines.isEmpty ? 1 : 2)
            else { return nil }
            lines.append(line(packet))
        }
    }

    private mutating func line(_ packet: ProtobufFields) -> String {
        if let snapshot = packet.messages(6).first {
            let clocks = snapshot.messages(1).map { "\($0[1] ?? 0) at \($0[2] ?? 0)" }.joined(separator: ", ")
            let usual = packet.messages(59).first?[58] ?? 0
            return "clocks: \(clocks); trace in \(snapshot[2] ?? 0), packets in \(usual)"
        }
        if let name = packet.messages(45).first?.messages(1).first {
            return "\(name.text(1) ?? "") \(name.text(3) ?? "")"
        }
        if let track = packet.messages(60).first {
            if let thread = track.messages(4).first {
                return "thread: \(thread[1] ?? 0)/\(thread[2] ?? 0) \(thread.text(5) ?? "")"
            }
            if let process = track.messages(3).first {
                return "process: \(process[1] ?? 0) \(process.text(6) ?? "")"
            }
            let parent = track[5].map { (tracks[$0] ?? "?") + " / " } ?? ""
            let path = parent + (track.text(2) ?? "")
            tracks[track[1] ?? 0] = path
            let unit = track.messages(8).first?.text(6).map { ", counts \($0)" } ?? ""
            return "track: \(path), place \(track[12] ?? 0)" + unit
                + (track[15] == 2 && track[11] == 3 ? "" : " (merged)")
        }
        guard let event = packet.messages(11).first else { return "packet of fields \(packet.fields.map(\.number))" }
        if event[9] == 4 {
            let value = Double(bitPattern: event[44] ?? 0)
            return "\(packet[8] ?? 0) counter [\(tracks[event[11] ?? 0] ?? "?")] \(value)"
        }
        let types: [UInt64: String] = [1: "begin", 2: "end", 3: "instant"]
        var words = ["\(packet[8] ?? 0)", types[event[9] ?? 0] ?? "?", "[\(tracks[event[11] ?? 0] ?? "?")]"]
        words += [event.text(22).map { "\($0):" }, event.text(23)].compactMap { $0 }
        if let flow = event[47] {
            if !flows.contains(flow) { flows.append(flow) }
            words.append("flow \((flows.firstIndex(of: flow) ?? 0) + 1)")
        }
        let notes = event.messages(4).map { note in
            let value = note.text(6) ?? note[3].map(String.init) ?? note[2].map { $0 == 1 ? "true" : "false" }
            return "\(note.text(10) ?? "?")=\(value ?? "?")"
        }
        return words.joined(separator: " ") + notes.map { "\n    \($0)" }.joined()
    }
}
