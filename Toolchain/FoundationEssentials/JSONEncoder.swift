// SPDX-License-Identifier: Apache-2.0

// Values as JSON, in the layout of Foundation's encoder. A value is first taken apart into a tree of nodes, since a
// container may be filled after others were begun; the tree is then written with its keys in order and indented.
// Both output options are always in force: nothing else is used.

open class JSONEncoder {
    public struct OutputFormatting: OptionSet, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }
        public static let prettyPrinted = OutputFormatting(rawValue: 1)
        public static let sortedKeys = OutputFormatting(rawValue: 2)
    }

    public var outputFormatting: OutputFormatting = []

    public init() {}

    public func encode<T: Encodable>(_ value: T) throws -> Data {
        let root = Node()
        try value.encode(to: NodeEncoder(node: root, codingPath: []))
        var text = ""
        root.write(to: &text, depth: 0)
        return Data(bytes: Array(text.utf8))
    }
}

/// A value of the tree.
private final class Node {
    enum Content {
        case null
        /// As it stands in the text: a number, true or false.
        case literal(String)
        case string(String)
        case array([Node])
        case object([String: Node])
    }

    var content = Content.null

    func appended() -> Node {
        let node = Node()
        if case .array(let nodes) = content { content = .array(nodes + [node]) } else { content = .array([node]) }
        return node
    }

    func member(_ key: String) -> Node {
        var members: [String: Node] = [:]
        if case .object(let old) = content { members = old }
        let node = Node()
        members[key] = node
        content = .object(members)
        return node
    }

    func write(to text: inout String, depth: Int) {
        func line(_ depth: Int) { text += "\n" + String(repeating: "  ", count: depth) }
        switch content {
        case .null: text += "null"
        case .literal(let literal): text += literal
        case .string(let string): Self.write(string, to: &text)
        case .array(let nodes):
            text += "["
            if nodes.isEmpty { text += "\n" }
            for (position, node) in nodes.enumerated() {
                if position > 0 { text += "," }
                line(depth + 1)
                node.write(to: &text, depth: depth + 1)
            }
            line(depth)
            text += "]"
        case .object(let members):
            text += "{"
            if members.isEmpty { text += "\n" }
            for (position, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if position > 0 { text += "," }
                line(depth + 1)
                Self.write(member.key, to: &text)
                text += " : "
                member.value.write(to: &text, depth: depth + 1)
            }
            line(depth)
            text += "}"
        }
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "/": text += "\\/"
            case "\u{8}": text += "\\b"
            case "\u{c}": text += "\\f"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

/// Fills a node.
private struct NodeEncoder: Encoder {
    let node: Node
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .object = node.content {} else { node.content = .object([:]) }
        return KeyedEncodingContainer(Members<Key>(node: node, codingPath: codingPath))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .array = node.content {} else { node.content = .array([]) }
        return Elements(node: node, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(node: node, codingPath: codingPath) }
}

extension Node {
    /// A number of a type that JSON has, or a value that encodes itself.
    func set<T: Encodable>(_ value: T, _ codingPath: [any CodingKey]) throws {
        switch value {
        case let value as String: content = .string(value)
        case let value as Bool: content = .literal(value ? "true" : "false")
        case let value as any BinaryInteger: content = .literal("\(value)")
        case let value as any BinaryFloatingPoint:
            let context = EncodingError.Context(codingPath: codingPath, debugDescription: "no fractions are written")
            throw EncodingError.invalidValue(value, context)
        default: try value.encode(to: NodeEncoder(node: self, codingPath: codingPath))
        }
    }
}

private struct Single: SingleValueEncodingContainer {
    let node: Node
    let codingPath: [any CodingKey]

    func encodeNil() { node.content = .null }
    func encode<T: Encodable>(_ value: T) throws { try node.set(value, codingPath) }
}

private struct Elements: UnkeyedEncodingContainer {
    let node: Node
    let codingPath: [any CodingKey]
    var count: Int { if case .array(let nodes) = node.content { nodes.count } else { 0 } }

    func encodeNil() { _ = node.appended() }
    func encode<T: Encodable>(_ value: T) throws { try node.appended().set(value, codingPath) }

    func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        NodeEncoder(node: node.appended(), codingPath: codingPath).container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        NodeEncoder(node: node.appended(), codingPath: codingPath).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { NodeEncoder(node: node.appended(), codingPath: codingPath) }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: Node
    let codingPath: [any CodingKey]

    func encodeNil(forKey key: Key) { _ = node.member(key.stringValue) }
    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        try node.member(key.stringValue).set(value, codingPath + [key])
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        NodeEncoder(node: node.member(key.stringValue), codingPath: codingPath + [key]).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        NodeEncoder(node: node.member(key.stringValue), codingPath: codingPath + [key]).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { NodeEncoder(node: node.member("super"), codingPath: codingPath) }
    func superEncoder(forKey key: Key) -> any Encoder {
        NodeEncoder(node: node.member(key.stringValue), codingPath: codingPath + [key])
    }
}
