// SPDX-License-Identifier: Apache-2.0

// The places of arguments in an event, from the formats that the kernel describes as text and trace-cmd stores in its
// file. Only events that the reader knows are used. The name of an argument gives its meaning, as in a text.

internal import Events

/// The events of a file that are needed, by the numbers that its kernel gave them.
struct EventFormats {
    /// An argument that lies in the event as a number.
    struct Field {
        var key: Arguments.Key
        var offset: Int
        /// 1, 2, 4 or 8.
        var size: Int
        var isSigned: Bool
        /// Bits by which the text shifts it before it prints it.
        var shift = 0
    }

    /// One kind of event.
    struct Format {
        var name: EventName
        /// Indexes into `fields`.
        var fields: Range<Int>
        /// Where the address of the caller lies.
        var caller: Int?
        /// Place of the field with the place of the task's name.
        var comm: Int?
        /// Where a stack or a text begins.
        var list: Int?
        /// Where the length of a stack lies.
        var count: Int?
    }

    private(set) var fields: [Field] = []
    private var formats: [Format] = []
    /// By number: one more than the place in `formats`, 0 for an event that is not needed.
    private var places: [UInt16] = []

    /// That of an event by its number.
    @inline(__always)
    subscript(id: Int) -> Format? {
        guard id < places.count, case let place = Int(places[id]), place > 0 else { return nil }
        return formats[place - 1]
    }

    /// Fills in the arguments of an event that are within it; not the caller.
    @inline(__always)
    func read(_ format: Format, _ data: Range<Int>, in text: TraceText, into arguments: inout Arguments) {
        arguments.removeAll()
        let fields = fields.span
        for place in format.fields {
            let field = fields[place]
            guard field.offset &+ field.size <= data.count else { continue }
            var value = text.word(at: data.lowerBound &+ field.offset, count: field.size)
            if field.isSigned {
                let unused = UInt64(64 &- field.size &* 8)
                value = UInt64(bitPattern: Int64(bitPattern: value << unused) >> unused)
            }
            arguments[field.key] = value << UInt64(field.shift)
        }
    }

    /// Whether there is any event that means something by itself, and not only events that come with others.
    var areUseful: Bool {
        formats.contains {
            switch $0.name {
            case .stack, .marker, .systemCall: false
            default: true
            }
        }
    }
    var haveSystemCalls: Bool { formats.contains { $0.name == .systemCall } }

    /// Adds an event by its description, if it is needed. False when its layout is that of no known kernel.
    mutating func add(_ description: [UInt8], names: KnownNames) -> Bool {
        let description = FormatDescription(description)
        guard let name = names.event(EventName.hash(description.name)), let id = description.id, 0..<65536 ~= id else {
            return true
        }
        // In a whole file each event has a number of its own, so there are no more of them.
        guard description.hasCommonFields, formats.count < Int(UInt16.max) else { return false }
        let first = fields.count
        var format = Format(name: name, fields: first..<first)
        for field in description.fields where field.offset >= 8 {
            switch (name, field.name) {
            case (.stack, "size") where field.size == 4: format.count = field.offset
            case (.stack, "caller"), (.marker, "buf"): format.list = field.offset
            case (.unlock, "caller") where field.size == 8: format.caller = field.offset
            case (_, "comm") where field.isPlaced: format.comm = field.offset
            default: add(field, of: name, names: names)
            }
        }
        format.fields = first..<fields.count
        if places.count <= id { places += Array(repeating: 0, count: id + 1 - places.count) }
        formats.append(format)
        places[id] = UInt16(formats.count)
        return true
    }

    private mutating func add(_ field: FormatDescription.Field, of event: EventName, names: KnownNames) {
        guard [1, 2, 4, 8].contains(field.size), !field.isList else { return }
        // The kernel's own tracepoint prints other names than those of its fields.
        let name = event == .removal ? Self.printedNames[field.name] ?? field.name : field.name
        guard let key = names.argument(Arguments.pack(name)) else { return }
        fields.append(
            Field(
                key: key, offset: field.offset, size: field.size, isSigned: field.isSigned,
                shift: event == .removal && key == .ofs ? 12 : 0))
    }

    private static let printedNames = ["s_dev": "dev", "i_ino": "inode", "index": "ofs"]
}

/// The text in which a kernel describes an event, or the start of a page.
struct FormatDescription {
    struct Field {
        var name: String
        var offset: Int
        var size: Int
        var isSigned: Bool
        /// An array, or as many values as there is room for.
        var isList: Bool
        /// The field has the place and the length of a text in the event.
        var isPlaced: Bool
    }

    private(set) var name = ""
    private(set) var id: Int?
    private(set) var fields: [Field] = []

    init(_ text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let line = line.drop { $0 == 0x20 || $0 == 0x09 }
            if line.starts(with: "name: ".utf8) {
                name = String(decoding: line.dropFirst(6).prefix(256), as: UTF8.self)
            } else if line.starts(with: "ID: ".utf8) {
                id = Int(String(decoding: line.dropFirst(4).prefix(9), as: UTF8.self))
            } else if line.starts(with: "field:".utf8), let field = Self.field(line.dropFirst(6)) {
                fields.append(field)
            } else if line.starts(with: "print fmt:".utf8) {
                break
            }
        }
    }

    subscript(name: String) -> Field? { fields.first { $0.name == name } }

    /// "unsigned long caller[8];	offset:16;	size:64;	signed:0;"
    private static func field(_ line: ArraySlice<UInt8>) -> Field? {
        let parts = line.split(separator: UInt8(ascii: ";"))
        guard let declaration = parts.first,
            let word = declaration.split(whereSeparator: { $0 == 0x20 || $0 == UInt8(ascii: "*") }).last
        else { return nil }
        func number(_ key: String) -> Int? {
            for part in parts.dropFirst() {
                let part = part.drop { $0 == 0x20 || $0 == 0x09 }
                guard part.starts(with: key.utf8) else { continue }
                let number = Int(String(decoding: part.dropFirst(key.utf8.count).prefix(9), as: UTF8.self))
                return number.flatMap { $0 >= 0 ? $0 : nil }
            }
            return nil
        }
        guard let offset = number("offset:"), let size = number("size:") else { return nil }
        let bracket = word.firstIndex(of: UInt8(ascii: "["))
        return Field(
            name: String(decoding: word[..<(bracket ?? word.endIndex)], as: UTF8.self), offset: offset, size: size,
            isSigned: number("signed:") == 1, isList: bracket != nil,
            isPlaced: size == 4 && declaration.starts(with: "__data_loc ".utf8))
    }

    /// As every kernel has them: number, flags and task in the first eight bytes.
    fileprivate var hasCommonFields: Bool {
        func lies(_ name: String, at offset: Int, size: Int) -> Bool {
            self[name].map { $0.offset == offset && $0.size == size } ?? false
        }
        return lies("common_type", at: 0, size: 2) && lies("common_flags", at: 2, size: 1)
            && lies("common_pid", at: 4, size: 4)
    }
}
