// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// What a run means, in sentences.
@Suite("Conclusions") struct ConclusionTests {
    private static let names: [Event] = [
        .name(Name(subject: .cgroup(77), text: "/system.slice/orders.service")),
        .name(Name(subject: .cgroup(78), text: "/system.slice/backup.service")),
        .name(Name(subject: .file(.data), text: "/srv/state", detail: "ext4")),
    ]

    /// The conclusions of a run, as a consumer of events draws them.
    private static func conclusions(
        _ events: [Event], by grouping: WorkloadGrouping = .workload
    ) -> Conclusions {
        var (correlator, known) = (Correlator(keepsProcesses: grouping == .pid), Names())
        for event in events {
            if case .name(let name) = event { known.learn(name) }
            _ = correlator.take(event)
        }
        let loops = correlator.loops.all.map(\.finding)
        return Conclusions(
            from: correlator.summary, loops: loops, by: grouping,
            in: Conclusions.Circumstances(names: known, losses: correlator.losses))
    }

    private static func direct(_ time: UInt64, culprit: TaskIdentity = .culprit) -> [Event] {
        [
            .detach(
                .sample {
                    ($0.time, $0.landmarks, $0.hole) = (time, [.invalidate2], nil)
                    ($0.scope, $0.culprit) = (.directIOInvalidation, culprit)
                }),
            .lookup(.sample(page: .sample { $0.detachTime = time }) { ($0.time, $0.start) = (time + 400, time - 100) }),
        ]
    }

    @Test("the sentence of a spurious failure names victim, culprit, file, certainty, remedy and evidence")
    func spurious() throws {
        let events = Self.names + (1...254).flatMap { Self.direct($0 * 1000) }
        let conclusions = Self.conclusions(events)
        #expect(conclusions.list.count == 1)
        let one = try #require(conclusions.list.first)
        #expect(
            one.sentence == "Kernel, not program: 254 futex calls of orders.service failed with EFAULT for a valid "
                + "address, because backup.service invalidated cached pages of /srv/state, as a write with O_DIRECT "
                + "does (exact).")
        #expect(one.remedy?.hasPrefix("write that file through the page cache") == true)
        #expect(one.evidence == "Evidence complete.")
        #expect(one.isComplete && one.verdict == .kernel && one.lookups == 254)
    }

    @Test("jobs that fork are one culprit by workload and by name, and several by process")
    func forks() {
        let events =
            Self.names
            + (1...9).flatMap { number -> [Event] in
                let pid = UInt32(number) + 500
                return Self.direct(
                    UInt64(number) * 1000,
                    culprit: TaskIdentity(pid: pid, tid: pid, comm: Comm("job"), cgroup: 78))
            }
        #expect(Self.conclusions(events).list.map(\.culprit) == ["backup.service"])
        #expect(Self.conclusions(events, by: .comm).list.map(\.culprit) == ["job"])
        let byProcess = Self.conclusions(events, by: .pid)
        #expect(byProcess.list.map(\.culprit) == (501...505).map { "job/\($0)" })
        #expect(byProcess.omitted == 4)
    }

    @Test("a culprit of the victim's name is not called the victim itself")
    func sameName() {
        let other = TaskIdentity(pid: 999, tid: 999, comm: Comm("app"), cgroup: 77)
        let one = Self.conclusions(Self.names + Self.direct(1_000_000, culprit: other)).list[0]
        #expect(one.sentence.contains("because a task of orders.service invalidated cached pages of /srv/state"))
    }

    @Test("the most harmful comes first: loops, spurious failures, what is not decided, failures, delays")
    func order() {
        let events =
            Self.names + Self.direct(1_000_000) + [
                .lookup(.sample(page: .zero()) { $0.time = 2_000_000 }),
                .lookup(.sample(page: .sample { $0.slot = .empty }) { $0.time = 2_500_000 }),
                .detach(.sample { ($0.time, $0.landmarks, $0.fileSize, $0.hole) = (3_000_000, [.setSize], 0, nil) }),
                .lookup(.sample(page: .sample { $0.detachTime = 3_000_000 }) { $0.time = 3_000_400 }),
                .progress(.looping(passes: 4096, durationNs: 2_500_000_000, tid: 99)),
            ]
        let list = Self.conclusions(events).list
        #expect(list.map(\.result) == [.looping, .spurious, .undecided, .failed, .failed])
        #expect(list.map(\.verdict) == [.kernel, .kernel, .undecided, .program, .program])
        #expect(list[0].sentence.contains("has not returned (up to 4096 passes, 2.5 s)"))
        #expect(list[3].sentence.hasSuffix("truncated /srv/state (exact) and the file no longer reaches the address."))
        #expect(list[4].sentence.contains("memory that was never written"))
    }

    @Test("a lookup that only succeeded late is no failure; one that only retried has no culprit")
    func harmless() throws {
        let retried = Self.conclusions([
            .lookup(
                .sample(page: nil) {
                    $0.succeed(inPass: 3)
                    ($0.observations, $0.retries.mappingChanged) = (0, 2)
                })
        ])
        #expect(retried.list.map(\.verdict) == [.harmless])
        #expect(
            retried.list[0].sentence
                == "No failure: 1 futex call of app retried inside the kernel and succeeded, because the mapping of "
                + "the page changed meanwhile.")
        #expect(retried.list[0].remedy == nil)
    }

    @Test("what is incomplete says so, and so does a run that lost anything")
    func incomplete() {
        let loss = Event.lost(Loss(time: 0, stage: .slotOverwritten, count: 17))
        let unknown = Event.lookup(.sample(page: .sample { $0.slot = .otherPage }))
        let undecided = Self.conclusions(Self.names + [loss, unknown]).list[0]
        #expect(!undecided.isComplete)
        #expect(
            undecided.evidence
                == "Evidence incomplete: that of 1 of them may be among the events lost (17 at slot-overwritten).")
        #expect(undecided.sentence.contains("is unknown: the record of the removal was overwritten"))
        let exact = Self.conclusions(Self.names + [loss] + Self.direct(1_000_000)).list[0]
        #expect(!exact.isComplete)
        #expect(exact.evidence.hasPrefix("Evidence complete for these calls; there may be more"))
    }

    @Test("a run without findings says what was watched, for how long, and what was not")
    func nothing() {
        var totals = Totals()
        (totals.durationNs, totals.observations) = (90_300_000_000, 172)
        let probe = ProbeReport(role: "collapse", function: nil, hook: nil, isRequired: false, note: nil)
        func sentence(_ run: RunInfo, filters: String = "", losses: [Loss.Stage: UInt64] = [:]) -> Conclusion {
            Conclusions(
                from: Summary(),
                in: .init(names: Names(), run: run, totals: totals, losses: losses, filters: filters)
            ).list[0]
        }
        let plain = sentence(RunInfo(probes: [probe]))
        #expect(plain.verdict == .nothing)
        #expect(
            plain.sentence == "No finding: no futex call met a page without a mapping in 90.3 s. Watched: every shared "
                + "futex call. Not watched: private futexes, and what needs the missing probes collapse.")
        #expect(sentence(RunInfo(filters: "-n app")).sentence.contains("Watched: futex calls that match -n app."))
        // What a filter hides is not denied.
        #expect(sentence(RunInfo(), filters: "--cause reclaim").sentence.contains("the whole run has 172 observations"))
        #expect(!sentence(RunInfo(), losses: [.ringLookup: 3]).isComplete)
    }

    @Test("every cause has words for every result", arguments: Cause.allCases)
    func words(cause: Cause) {
        for isNeighbour in [false, true] {
            #expect(cause.action(on: "/f", isNeighbour: isNeighbour).contains("/f"))
        }
        for result in Conclusion.Result.allCases {
            let remedy = cause.remedy(for: result, culprit: "c")
            #expect(!remedy.isEmpty && !remedy.hasSuffix("."))
            #expect(remedy.first?.isLowercase == true)
        }
    }

    @Test("every reason for an unknown cause has words", arguments: UnknownReason.allCases)
    func reasons(reason: UnknownReason) { #expect(!reason.clause.isEmpty) }

    @Test("an inode number that names another file later is another file")
    func reuse() {
        let events =
            Self.names + Self.direct(1_000_000) + Self.direct(2_000_000)
            + [.name(Name(subject: .file(.data), text: "/srv/other", detail: "ext4"))] + Self.direct(3_000_000)
            + [.name(Name(subject: .file(.data), text: "/srv/other", detail: "ext4", fileState: .deleted))]
            + Self.direct(4_000_000) + Self.direct(5_000_000)
        var correlator = Correlator()
        for event in events { _ = correlator.take(event) }
        let files = correlator.summary.files
        #expect(files.count == 2)
        #expect(files[FileKey(file: .data)]?.asVictim == 2)
        #expect(files[FileKey(file: .data, generation: 1)]?.asVictim == 3)
        #expect(correlator.summary.path(of: FileKey(file: .data), names: Names()) == "/srv/state")
        let one = Self.conclusions(events).list[0]
        #expect(one.files == 2)
        #expect(one.sentence.contains("cached pages of /srv/other and 1 other file,"))
    }

    @Test("parties beyond the limit are counted")
    func limit() {
        var correlator = Correlator(keepsProcesses: true)
        for number in 0..<Encounters.rowLimit + 3 {
            _ = correlator.take(.lookup(.sample(page: .zero()) { $0.victim.pid = UInt32(number + 1) }))
        }
        #expect(correlator.summary.encounters.rows.count == Encounters.rowLimit)
        #expect(correlator.summary.encounters.beyondLimit == 3)
    }
}
