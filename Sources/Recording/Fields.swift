// SPDX-License-Identifier: Apache-2.0

// The layout of a recording, written once. Each kind of record lists its fields in order for a visitor: one visitor
// stores them, one loads them, one describes them in the metadata. So the three cannot disagree. A field that a newer
// format brought stands behind `has(format:)`.

import Events

/// Visits the fields of a record in order.
protocol FieldVisitor {
    /// Whether the recording is of this format or a newer one, so that it has the fields that this format brought.
    func has(format: Int) -> Bool
    /// A number of fixed width, little-endian, shown in decimal or with `isHex`.
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool)
    /// A number of 8 bits that stands for a word.
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word)
    /// The same, or 0 for none; `none` is the name of 0 in the metadata.
    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word?, none: StaticString)
    /// Sixteen bytes of text, with a NUL where it ends earlier.
    mutating func comm(_ name: StaticString, _ value: inout Comm)
    /// Text that ends with a NUL.
    mutating func text(_ name: StaticString, _ value: inout String)
}

extension FieldVisitor {
    @inline(__always)
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(_ name: StaticString, _ value: inout Value) {
        number(name, &value, isHex: false)
    }
}

/// A record that shows its fields to a visitor in order.
protocol FieldList {
    mutating func visit(_ fields: inout some FieldVisitor)
}

/// One kind of record: its number in the stream and its name.
enum RecordKind: UInt8, NumberedWord {
    case lookup = 1
    case progress
    case detach
    case activity
    case file
    case cgroup
    case lost
    case activityTotals
    case totals
    case callPath

    var name: String {
        switch self {
        case .lookup: "lookup"
        case .progress: "progress"
        case .detach: "detach"
        case .activity: "activity"
        case .file: "file"
        case .cgroup: "cgroup"
        case .lost: "lost"
        case .activityTotals: "activity_totals"
        case .totals: "totals"
        case .callPath: "call_path"
        }
    }

    var format: Int {
        switch self {
        case .lookup, .progress, .detach, .activity, .file, .cgroup, .lost, .activityTotals, .totals: 1
        case .callPath: 3
        }
    }

    /// Visits the fields of an empty record of this kind.
    func visitBlank(_ fields: inout some FieldVisitor) {
        switch self {
        case .lookup, .progress:
            var lookup = Lookup.blank
            lookup.visit(&fields)
        case .detach:
            var detach = Detach.blank
            detach.visit(&fields)
        case .activity:
            var activity = Activity.blank
            activity.visit(&fields)
        case .file:
            var file = FileName()
            file.visit(&fields)
        case .cgroup:
            var cgroup = CgroupName()
            cgroup.visit(&fields)
        case .lost:
            var loss = Loss.blank
            loss.visit(&fields)
        case .activityTotals:
            var totals = OneActivity()
            totals.visit(&fields)
        case .totals:
            var totals = Totals()
            totals.visit(&fields)
        case .callPath:
            var path = CallPathName()
            path.visit(&fields)
        }
    }
}

// MARK: Records

extension TaskIdentity {
    static var blank: TaskIdentity { TaskIdentity(pid: 0, tid: 0, comm: Comm(low: 0, high: 0)) }

    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("pid", &pid)
        fields.number("tid", &tid)
        fields.number("cgroup_id", &cgroup)
        fields.comm("comm", &comm)
    }
}

extension Lookup: FieldList {
    static var blank: Lookup {
        Lookup(
            time: 0, start: 0, victim: .blank, uid: 0, address: 0, passes: 0, observations: 0, retries: RetryCounts(),
            result: nil, flags: [], lockWaits: 0, page: nil)
    }

    /// `result` is valid only with the flag `returned`. A page of 0 is none, and without facts nothing is known of the
    /// address either.
    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        fields.number("start", &start)
        victim.visit(&fields)
        fields.number("uid", &uid)
        fields.number("uaddr", &address, isHex: true)
        fields.number("passes", &passes)
        fields.number("observations", &observations)
        fields.number("retries_swizzled", &retries.swizzled)
        fields.number("retries_mapping_changed", &retries.mappingChanged)
        fields.number("retries_no_host", &retries.noHost)
        fields.number("retries_no_mapping", &retries.noMapping)
        var bits = flags.rawValue
        fields.number("flags", &bits, isHex: true)
        flags = Flags(rawValue: bits)
        var returned = result ?? 0
        fields.number("result", &returned)
        result = flags.contains(.returned) ? returned : nil
        fields.number("lock_waits", &lockWaits)
        var met = page ?? .blank
        met.visit(&fields)
        page = met.page.rawValue == 0 && met.facts.isEmpty ? nil : met
        if fields.has(format: 3) { fields.word("operation", &operation, none: "not-known") }
    }
}

extension PageFacts {
    static var blank: PageFacts {
        PageFacts(
            page: PageID(rawValue: 0), file: FileID(device: 0, inode: 0), index: 0, fileSize: 0, magic: 0, facts: [],
            slot: .notAsked, detachTime: 0)
    }

    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("page_id", &page.rawValue, isHex: true)
        fields.number("page_dev", &file.device)
        fields.number("page_inode", &file.inode)
        fields.number("page_index", &index)
        fields.number("page_file_size", &fileSize)
        fields.number("page_fs_magic", &magic, isHex: true)
        var bits = facts.rawValue
        fields.number("page_facts", &bits, isHex: true)
        facts = Facts(rawValue: bits)
        // Nothing ever filled it; it keeps its place in the format.
        var mode: UInt16 = 0
        fields.number("page_mode", &mode, isHex: true)
        fields.word("page_slot", &slot)
        fields.number("page_detach_time", &detachTime)
    }
}

extension Detach: FieldList {
    static var blank: Detach {
        Detach(
            time: 0, page: PageID(rawValue: 0), culprit: .blank, file: FileID(device: 0, inode: 0), magic: 0, index: 0,
            fileSize: 0, pages: 0, references: 0, via: .pageCache, scope: nil, hole: nil, landmarks: [],
            stackIsNamed: false)
    }

    /// No hole is known when `hole_start` is above `hole_end`. A `call_path` of 0 is none.
    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        fields.number("page_id", &page.rawValue, isHex: true)
        culprit.visit(&fields)
        fields.number("dev", &file.device)
        fields.number("inode", &file.inode)
        fields.number("index", &index)
        fields.number("file_size", &fileSize)
        fields.number("fs_magic", &magic, isHex: true)
        fields.number("pages", &pages)
        fields.number("references", &references)
        fields.word("via", &via)
        fields.word("scope", &scope, none: "none")
        var (start, end) = (hole?.lowerBound ?? 1, hole?.upperBound ?? 0)
        fields.number("hole_start", &start)
        fields.number("hole_end", &end)
        hole = start <= end ? start..<end : nil
        var marks = landmarks.rawValue
        fields.number("landmarks", &marks, isHex: true)
        landmarks = Landmarks(rawValue: marks)
        var named: UInt8 = stackIsNamed ? 1 : 0
        fields.number("stack_is_named", &named)
        stackIsNamed = named != 0
        if fields.has(format: 3) { fields.number("call_path", &callPath.rawValue) }
    }
}

/// Whether a record of an activity is about its begin or its end. Part of the recording format; see `RecordedWord`.
enum Phase: UInt8, NumberedWord {
    case begin = 0
    case end = 1

    var name: String {
        switch self {
        case .begin: "begin"
        case .end: "end"
        }
    }

    var format: Int {
        switch self {
        case .begin, .end: 1
        }
    }
}

extension Activity: FieldList {
    static var blank: Activity { Activity(time: 0, kind: .reclaim, task: .blank, durationNs: nil) }

    /// `duration` is valid only with the phase `end`.
    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        fields.word("kind", &kind)
        var phase = durationNs == nil ? Phase.begin : .end
        fields.word("phase", &phase)
        var duration = durationNs ?? 0
        fields.number("duration", &duration)
        durationNs = phase == .begin ? nil : duration
        fields.number("pages", &pages)
        task.visit(&fields)
    }
}

/// The path of a file, the type of its file system, and how the path leads to the file.
struct FileName: FieldList {
    var file = FileID(device: 0, inode: 0)
    var path = ""
    var fileSystem = ""
    var state: FileState?

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("dev", &file.device)
        fields.number("inode", &file.inode)
        fields.text("path", &path)
        fields.text("fstype", &fileSystem)
        if fields.has(format: 2) { fields.word("state", &state, none: "not-known") }
    }
}

/// The path of a control group.
struct CgroupName: FieldList {
    var id: UInt64 = 0
    var path = ""

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("cgroup_id", &id)
        fields.text("path", &path)
    }
}

/// The functions of a call path, outermost first, with `;` between them.
struct CallPathName: FieldList {
    var id = CallPathID.none
    var functions = ""

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("call_path", &id.rawValue)
        fields.text("functions", &functions)
    }
}

extension Loss: FieldList {
    static var blank: Loss { Loss(time: 0, stage: .malformed, count: 0) }

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        fields.word("stage", &stage)
        fields.number("count", &count)
    }
}

/// What was counted for one kind of operation; these records precede the `totals` to which they belong.
struct OneActivity: FieldList {
    var kind = ActivityKind.reclaim
    var totals = Totals.ActivityTotals(operations: 0, pages: 0, durationNs: 0)

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.word("kind", &kind)
        fields.number("operations", &totals.operations)
        fields.number("pages", &totals.pages)
        fields.number("duration", &totals.durationNs)
    }
}

extension Totals: FieldList {
    /// Everything but the activities. 2^64 − 1 stands for an unknown number of lookups, and `map_bytes` of 0 for an
    /// unknown cost.
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        fields.number("duration", &durationNs)
        var final: UInt8 = isFinal ? 1 : 0
        fields.number("is_final", &final)
        isFinal = final != 0
        var seen = lookups ?? .max
        fields.number("lookups", &seen)
        lookups = seen == .max ? nil : seen
        fields.number("observations", &observations)
        fields.number("retries_swizzled", &retries.swizzled)
        fields.number("retries_mapping_changed", &retries.mappingChanged)
        fields.number("retries_no_host", &retries.noHost)
        fields.number("retries_no_mapping", &retries.noMapping)
        fields.number("failed_unmapped", &failedUnmapped)
        fields.number("failed_pin", &failedPin)
        fields.number("failed_read_only", &failedReadOnly)
        fields.number("failed_other", &failedOther)
        fields.number("detaches", &detaches)
        fields.number("detaches_held", &detachesHeld)
        var own = cost ?? Cost(runTimeNs: 0, runCount: 0, mapBytes: 0)
        fields.number("run_time", &own.runTimeNs)
        fields.number("run_count", &own.runCount)
        fields.number("map_bytes", &own.mapBytes)
        cost = own.mapBytes == 0 ? nil : own
    }
}
