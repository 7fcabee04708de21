// The JSON lines of an export that are not findings: detaches and activities, with the keys of the CSV
// columns, nested as they are in findings.

import Correlation
import Events

extension JSONWriter {
    mutating func write(_ detach: Detach, legend: Legend) {
        let file = detach.file.isNone ? nil : detach.file
        let (cause, confidence) = detach.explanation
        text("type", "detach")
        write(time: detach.time, clock: legend.clock)
        object("page") {
            $0.text("id", legend.id(of: detach.page))
            $0.text("dev", file.map(Legend.device(of:)))
            $0.number("inode", file?.inode)
            $0.number("index", detach.index)
            $0.text("path", file.flatMap(legend.names.path(of:)))
            $0.text("fstype", file.flatMap(legend.names.fileSystem(of:)))
            $0.text("file_state", file.flatMap(legend.names.state(of:))?.rawValue)
        }
        number("file_size_bytes", detach.fileSize)
        number("pages", UInt64(detach.pages))
        signed("references", Int64(detach.references))
        text("via", detach.via.name)
        text("scope", detach.scope?.name)
        if let hole = detach.hole {
            object("hole") {
                $0.number("start_bytes", hole.lowerBound)
                $0.number("end_bytes", hole.upperBound)
            }
        } else {
            null("hole")
        }
        text("cause", cause.rawValue)
        text("confidence", confidence.rawValue)
        write(detach.culprit, legend: legend)
        texts("landmarks", detach.landmarks.names)
        write(legend.names.workload(detach.culprit.cgroup))
    }

    mutating func write(_ activity: Activity, legend: Legend) {
        text("type", "activity")
        write(time: activity.time, clock: legend.clock)
        text("begin_time_ns", String(legend.clock.epochNs(activity.begin)))
        text("kind", activity.kind.name)
        text("phase", activity.phase)
        number("duration_ns", activity.durationNs)
        number("pages", activity.pages)
        write(activity.task, legend: legend)
        write(legend.names.workload(activity.task.cgroup))
    }

    /// RFC 3339, and nanoseconds since 1970; nil when the time is not known.
    mutating func write(time: UInt64?, clock: WallClock) {
        text("time", time.map(clock.timestamp))
        text("time_ns", time.map { String(clock.epochNs($0)) })
    }

    mutating func write(_ task: TaskIdentity, legend: Legend) {
        number("pid", UInt64(task.pid))
        number("tid", UInt64(task.tid))
        text("comm", task.comm.text)
        text("cgroup", legend.names.cgroup(task.cgroup))
    }

    /// What a control group's path says of the work in it; no key for what it does not say.
    mutating func write(_ workload: Workload?) {
        if let unit = workload?.unit { text("unit", unit) }
        if let container = workload?.container { text("container", container) }
        if let pod = workload?.pod { text("pod", pod) }
    }
}
