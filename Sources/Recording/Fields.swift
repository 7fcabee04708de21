// SPDX-License-Identifier: Apache-2.0

// The layout of a recording, written once. Each kind of record lists its fields in order, and whoever
// visits them decides what that means: the writer stores them, the reader loads them, the metadata
// describes them. So the three cannot disagree.

import Events

/// Something that goes through the fields of a record in order.
protocol FieldVisitor {
    /// A number of fixed width, little-endian, shown in decimal or with `isHex`.
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool)
    /// A number that stands for one of a few words.
    mutating func code(_ name: StaticString, _ value: inout UInt8, _ words: () -> [(UInt8, String)])
    /// Sixteen bytes of text, NUL where it ends before.
    mutating func comm(_ name: StaticString, _ value: inout Comm)
    /// Text that ends with a NUL.
    mutating func text(_ name: StaticString, _ value: inout String)
    /// What was visited makes no sense: a code that nobody knows.
    mutating func reject()
}

extension FieldVisitor {
    @inline(__always)
    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(_ name: StaticString, _ value: inout Value) {
        number(name, &value, isHex: false)
    }
}

/// A record that goes through its fields in order.
protocol FieldList {
    mutating func visit(_ fields: inout some FieldVisitor)
}

/// One kind of record: its number in the stream and its name.
enum RecordKind: UInt8, CaseIterable {
    case lookup = 1
    case progress
    case detach
    case activity
    case file
    case cgroup
    case lost
    case activityTotals
    case totals

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
        }
    }

    /// Goes through the fields of a record of this kind that holds nothing.
    func visitBlank(_ fields: inout some FieldVisitor, format: Int) {
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
            var file = FileName(format: format)
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

    /// `result` counts only with the flag `returned`, and a page of 0 is none.
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
        page = met.page.rawValue == 0 ? nil : met
    }
}

extension PageFacts {
    static var blank: PageFacts {
        PageFacts(
            page: PageID(rawValue: 0), file: FileID(device: 0, inode: 0), index: 0, fileSize: 0, magic: 0, facts: [],
            mode: 0, slot: .notAsked, detachTime: 0)
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
        fields.number("page_mode", &mode, isHex: true)
        var code = slot.rawValue
        fields.code("page_slot", &code) {
            [(0, "not-asked"), (1, "found"), (2, "empty"), (3, "other-page"), (4, "stale"), (5, "torn")]
        }
        if let known = SlotAnswer(rawValue: code) { slot = known } else { fields.reject() }
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

    /// `hole_start` above `hole_end` says that no hole is known.
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
        var code = via.rawValue
        fields.code("via", &code) { [(1, "page-cache"), (2, "swap-out"), (3, "migration")] }
        if let known = Hook(rawValue: code) { via = known } else { fields.reject() }
        var kind = scope?.rawValue ?? 0
        fields.code("scope", &kind) { [(0, "none")] + ActivityKind.words }
        scope = ActivityKind(rawValue: kind)
        if kind != 0, scope == nil { fields.reject() }
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
    }
}

extension ActivityKind {
    static var words: [(UInt8, String)] { allCases.map { ($0.rawValue, $0.name) } }

    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        var code = rawValue
        fields.code("kind", &code) { Self.words }
        if let known = ActivityKind(rawValue: code) { self = known } else { fields.reject() }
    }
}

extension Activity: FieldList {
    static var blank: Activity { Activity(time: 0, kind: .reclaim, task: .blank, durationNs: nil) }

    /// `duration` counts only with `phase` end.
    @inline(__always)
    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        kind.visit(&fields)
        var phase: UInt8 = durationNs == nil ? 0 : 1
        fields.code("phase", &phase) { [(0, "begin"), (1, "end")] }
        if phase > 1 { fields.reject() }
        var duration = durationNs ?? 0
        fields.number("duration", &duration)
        durationNs = phase == 0 ? nil : duration
        fields.number("pages", &pages)
        task.visit(&fields)
    }
}

/// A path, the type of its file system, and how the path leads to the file.
struct FileName: FieldList {
    /// Of the recording: format 1 has no state.
    var format: Int
    var file = FileID(device: 0, inode: 0)
    var path = ""
    var fileSystem = ""
    var state: FileState?

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("dev", &file.device)
        fields.number("inode", &file.inode)
        fields.text("path", &path)
        fields.text("fstype", &fileSystem)
        guard format > 1 else { return }
        var code = state?.code ?? 0
        fields.code("state", &code) { [(0, "not-known")] + FileState.allCases.map { ($0.code, $0.rawValue) } }
        state = FileState.allCases.first { $0.code == code }
        if code != 0, state == nil { fields.reject() }
    }
}

extension FileState {
    /// The number in a recording; never given to another state.
    fileprivate var code: UInt8 {
        switch self {
        case .linked: 1
        case .overlay: 2
        case .otherRoot: 3
        case .unreachable: 4
        case .deleted: 5
        case .memfd: 6
        case .sysvShm: 7
        case .sharedAnonymous: 8
        }
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

extension Loss: FieldList {
    static var blank: Loss { Loss(time: 0, stage: .malformed, count: 0) }

    mutating func visit(_ fields: inout some FieldVisitor) {
        fields.number("time", &time)
        var code = stage.code
        fields.code("stage", &code) { Stage.allCases.map { ($0.code, $0.rawValue) } }
        if let known = Stage.allCases.first(where: { $0.code == code }) { stage = known } else { fields.reject() }
        fields.number("count", &count)
    }
}

extension Loss.Stage {
    /// The number in a recording; never given to another stage.
    var code: UInt8 {
        switch self {
        case .ringLookup: 1
        case .ringProgress: 2
        case .ringDetach: 3
        case .ringActivity: 4
        case .lookupTable: 5
        case .operationTable: 6
        case .slotCollision: 7
        case .slotOverwritten: 8
        case .returnMissed: 9
        case .lookupMissed: 10
        case .observationMissed: 11
        case .scopeCollision: 12
        case .programMissed: 13
        case .delivery: 14
        case .malformed: 15
        case .correlator: 16
        case .recording: 17
        case .ftraceBuffer: 18
        }
    }
}

/// What was counted for one kind of operation; these come ahead of the `totals` to which they belong.
struct OneActivity: FieldList {
    var kind = ActivityKind.reclaim
    var totals = Totals.ActivityTotals(operations: 0, pages: 0, durationNs: 0)

    mutating func visit(_ fields: inout some FieldVisitor) {
        kind.visit(&fields)
        fields.number("operations", &totals.operations)
        fields.number("pages", &totals.pages)
        fields.number("duration", &totals.durationNs)
    }
}

extension Totals: FieldList {
    /// Everything but the activities. 2^64 − 1 stands for a number of lookups that is not known, and
    /// `map_bytes` of 0 for a cost that is not.
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
