// SPDX-License-Identifier: Apache-2.0

// The filters on victims and lookups. `trace`, `record` and `serve` apply them in the kernel, `report` and `export` to
// recorded events.

internal import ArgumentParser
internal import Events
internal import Presentation

/// The filters on victims and lookups.
struct LookupArguments: ParsableArguments {
    // MARK: Which victims

    @Option(name: .shortAndLong, help: "Only this process.", transform: wholeNumber)
    var pid: UInt32?

    @Option(name: .shortAndLong, help: "Only this thread.", transform: wholeNumber)
    var tid: UInt32?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("Only threads with this name (15 bytes at most).", valueName: "name"))
    var comm: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Only tasks in this control group or below it.", valueName: "path"))
    var cgroup: String?

    @Option(name: .shortAndLong, help: "Only tasks of this user.", transform: wholeNumber)
    var uid: UInt32?

    // MARK: Which lookups

    @Option(
        help: ArgumentHelp("Only lookups with at least N passes (default: 0).", valueName: "n"),
        transform: wholeNumber)
    var minPasses: UInt64 = 0

    @Option(
        help: ArgumentHelp("Only lookups that took at least TIME, such as 500us or 2ms.", valueName: "time"),
        transform: Span.init)
    var minDuration: Span?

    @Option(
        help: ArgumentHelp("Only lookups with this result: ok, or an error such as EFAULT.", valueName: "result"),
        transform: LookupResult.init)
    var result: LookupResult?

    func validate() throws {
        if let comm, comm.utf8.count > 15 {
            throw ValidationError(
                "cannot match the name '\(comm)': the kernel keeps 15 bytes of a task's name; try -n '\(Comm(comm).text)'"
            )
        }
    }

    /// The filter of a capture and of an analysis.
    var filter: LookupFilter {
        var filter = LookupFilter()
        (filter.pid, filter.tid, filter.uid) = (pid, tid, uid)
        (filter.comm, filter.cgroup) = (comm.map { Comm($0) }, cgroup)
        (filter.minPasses, filter.minDurationNs) = (minPasses, minDuration?.ns ?? 0)
        filter.result = result?.number
        return filter
    }

    /// The options as a user types them.
    var words: [String] {
        let words: [(String, String?)] = [
            ("-p", pid.map { "\($0)" }), ("-t", tid.map { "\($0)" }), ("-n", comm), ("-c", cgroup),
            ("-u", uid.map { "\($0)" }), ("--min-passes", minPasses > 0 ? "\(minPasses)" : nil),
            ("--min-duration", minDuration.map { "\($0.ns)ns" }),
            ("--result", result.map { ErrorNumber.name(ofResult: $0.number) }),
        ]
        return words.compactMap { word, value in value.map { "\(word) \($0)" } }
    }
}
