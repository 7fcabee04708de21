// SPDX-License-Identifier: Apache-2.0

// The JSON lines of an export that are not findings: detaches and activities, with the keys of the CSV
// columns, nested as they are in findings.

import Correlation
import Events

extension JSONWriter {
    mutating func write(_ detach: Detach, legend: Legend, timestamps: inout TimestampWriter) {
        let file = detach.file.isNone ? nil : detach.file
        let (cause, confidence) = detach.explanation
        word("type", "detach")
        write(time: detach.time, clock: legend.clock, timestamps: &timestamps)
        object("page") {
            $0.write(detach.page, legend: legend)
            $0.write(deviceOf: file)
            $0.number("inode", file?.inode)
            $0.number("index", detach.index)
            let name = legend.names.file(file)
            $0.text("path", name?.path)
            $0.text("fstype", name?.fileSystem)
            $0.text("file_state", name?.fileState?.rawValue)
        }
        number("file_size_bytes", detach.fileSize)
        number("pages", UInt64(detach.pages))
        signed("page_references", Int64(detach.references))
        word("via", detach.via.name)
        word("scope", detach.scope?.name)
        if let hole = detach.hole {
            object("hole") {
                $0.number("start_bytes", hole.lowerBound)
                $0.number("end_bytes", hole.upperBound)
            }
        } else {
            null("hole")
        }
        word("cause", cause.rawValue)
        word("confidence", confidence.rawValue)
        write(detach.culprit, legend: legend)
        texts("landmarks", detach.landmarks.names)
        write(legend.names.workload(detach.culprit.cgroup))
        write(detach.callPath, legend: legend)
    }

    /// The functions, the outermost first; no key where they are not known.
    mutating func write(_ callPath: CallPathID, legend: Legend) {
        guard let path = legend.names.callPath(callPath) else { return }
        texts("call_path", path.functions.map(String.init))
    }

    mutating func write(_ activity: Activity, legend: Legend, timestamps: inout TimestampWriter) {
        word("type", "activity")
        write(time: activity.time, clock: legend.clock, timestamps: &timestamps)
        write("begin_time_ns", activity.begin, clock: legend.clock)
        word("kind", activity.kind.name)
        word("phase", activity.phase)
        number("duration_ns", activity.durationNs)
        number("pages", activity.pages)
        write(activity.task, legend: legend)
        write(legend.names.workload(activity.task.cgroup))
    }

    /// RFC 3339, and nanoseconds since 1970; nil when the time is not known or is a count.
    mutating func write(time: UInt64?, clock: WallClock, timestamps: inout TimestampWriter) {
        guard let time, !clock.showsCounts else {
            null("time")
            return null("time_ns")
        }
        quoted("time") { timestamps.append(time, clock: clock, to: &$0) }
        write("time_ns", time, clock: clock)
    }

    private mutating func write(_ key: JSONKey, _ time: UInt64, clock: WallClock) {
        if clock.showsCounts { return null(key) }
        quoted(key) { $0.append(signed: clock.epochNs(time)) }
    }

    mutating func write(_ page: PageID, legend: Legend) {
        if page.rawValue == 0 { return null("id") }
        quoted("id") { legend.append(page, to: &$0) }
    }

    mutating func write(deviceOf file: FileID?) {
        guard let file else { return null("dev") }
        quoted("dev") { Legend.append(deviceOf: file, to: &$0) }
    }

    mutating func write(_ task: TaskIdentity, legend: Legend) {
        number("pid", UInt64(task.pid))
        number("tid", UInt64(task.tid))
        text("comm", task.comm)
        text("cgroup", legend.names.cgroup(task.cgroup))
    }

    /// The workload that a control group's path names; a key is absent where the path does not have its value.
    mutating func write(_ workload: Workload?) {
        if let unit = workload?.unit { text("unit", unit) }
        if let container = workload?.container { text("container", container) }
        if let pod = workload?.pod { text("pod", pod) }
    }
}
