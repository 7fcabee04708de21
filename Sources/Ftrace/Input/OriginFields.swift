// SPDX-License-Identifier: Apache-2.0

// Records of a log have the place of a line in fields of its own: the host, the boot, the pod, the file. A decoder takes
// the line out of the record, so it puts a mark between the lines of two places, which the reader looks for.

/// The fields of records that name their place, and when they change.
struct OriginFields {
    /// Begins a line that a decoder puts between those of two places; both names follow.
    static let mark = Array("\u{1}place ".utf8)
    private static let nameLimit = 64
    private static let fieldLimit = 32

    private static let whole: Set<String> = [
        "host", "pod", "node", "instance", "namespace", "vm", "machine", "container", "stream", "filename",
    ]
    private static let ends = [
        "hostname", "bootid", "machineid", "podname", "nodename", "containername", "instanceid", "instancename",
        "logstream", "logstreamname", "hostip", "fromhost", "fromhostip", "filepath", "namespacename", "vmname",
    ]

    /// Values of the fields that a record has.
    typealias Record = [String: String]

    /// Of the records that had a line.
    private var latest: Record = [:]

    /// The one name for a key that is that of a place, perhaps with the key of the object around it: "_HOSTNAME", "host"
    /// and "name", "kubernetes.pod_name". Nil for any other.
    static func name(of key: String, within parent: String?) -> String? {
        func plain(_ text: String) -> String {
            String(decoding: text.utf8.prefix(64).map { $0 | 0x20 }.filter { $0 &- 0x61 < 26 }, as: UTF8.self)
        }
        let name = plain(key)
        if whole.contains(name) || ends.contains(where: name.hasSuffix) { return name }
        guard let parent, ["name", "ip", "path", "id"].contains(name) else { return nil }
        let both = plain(parent) + name
        return ends.contains(where: both.hasSuffix) ? both : nil
    }

    /// Takes a field of a record.
    static func take(_ name: String, _ value: some Sequence<UInt8>, into record: inout Record) {
        guard record.count < fieldLimit else { return }
        let shown = value.prefix(nameLimit).map { 0x21...0x7e ~= $0 ? $0 : UInt8(ascii: "?") }
        let text = String(decoding: shown, as: UTF8.self)
        // The streams of a container.
        if !text.isEmpty, text != "stdout", text != "stderr" { record[name] = text }
    }

    /// The mark that comes before the lines of a record, where it is of another place than those before it.
    mutating func mark(before record: Record) -> [UInt8]? {
        // Some programs leave out fields of some records.
        let others = record.keys.filter { key in latest[key].map { $0 != record[key] } ?? false }.sorted()
        guard let other = others.first(where: { !$0.hasSuffix("id") }) ?? others.first, let old = latest[other],
            let new = record[other]
        else {
            latest.merge(record) { _, new in new }
            return nil
        }
        latest = record
        return Self.mark + Array("\(old) \(new)\n".utf8)
    }
}
