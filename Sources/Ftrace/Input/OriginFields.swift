// SPDX-License-Identifier: Apache-2.0

// The place of a line in the records of a log: fields for the host, the boot, the pod or the file, such as "_HOSTNAME".
// A decoder takes the line out of its record, and so removes these fields. Where the place changes, it therefore
// inserts a line with a mark, which the reader (`Origins`) understands.

/// The fields of records that name their place, and when they change.
struct OriginFields {
    /// The begin of the line that a decoder inserts: "\u{1}place OLD NEW", with the names of both places.
    static let mark = [markByte] + Array("place ".utf8)
    /// The first byte of `mark`.
    static let markByte: UInt8 = 1
    private static let nameLimit = 256
    private static let fieldLimit = 32

    /// Keys that name a place, in lower-case letters alone.
    private static let whole: Set<String> = [
        "host", "pod", "node", "instance", "namespace", "vm", "machine", "container", "stream", "filename", "server",
        "computer", "fqdn",
    ]
    /// Ends of keys that name a place.
    private static let ends = [
        "hostname", "bootid", "machineid", "podname", "nodename", "containername", "instanceid", "instancename",
        "logstream", "logstreamname", "hostip", "fromhost", "fromhostip", "filepath", "namespacename", "vmname",
        "sysloghost", "sourcehost", "containerid", "podid", "nodeid", "logfile", "tailedpath", "agentname",
    ]

    /// The values of a record's fields that name its place, by the name of the field.
    typealias Record = [String: String]

    /// The fields of the newest record that had a line.
    private var latest: Record = [:]

    /// The key in lower-case letters alone, if it names a place: "hostname" for "_HOSTNAME", "kubernetespodname" for
    /// "kubernetes.pod_name". A key such as "name" is joined with that of the object around it: "podname" for "name" in
    /// "pod". Nil for any other key.
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

    /// Stores a field of a record, as text without blanks. At most `fieldLimit` fields are kept.
    static func take(_ name: String, _ value: some Sequence<UInt8>, into record: inout Record) {
        guard record.count < fieldLimit else { return }
        let shown = value.prefix(nameLimit).map { 0x21...0x7e ~= $0 ? $0 : UInt8(ascii: "?") }
        let text = String(decoding: shown, as: UTF8.self)
        // A container has two streams, which are one place.
        if !text.isEmpty, text != "stdout", text != "stderr" { record[name] = text }
    }

    /// The line with a mark that must precede the lines of a record; nil where its place is that of the record before.
    mutating func mark(before record: Record) -> [UInt8]? {
        // A field that only one of the two records has does not count, because some programs omit fields.
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
