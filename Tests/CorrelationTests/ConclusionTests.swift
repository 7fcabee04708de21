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

    private static func finding(_ lookup: Lookup) throws -> Finding {
        var correlator = Correlator()
        let finding = correlator.take(.lookup(lookup))
        return try #require(finding)
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

    @Test("two tasks of one unit have their own names")
    func sameUnit() {
        let other = TaskIdentity(pid: 999, tid: 999, comm: Comm("dd"), cgroup: 77)
        let one = Self.conclusions(Self.names + Self.direct(1_000_000, culprit: other)).list[0]
        #expect(one.sentence.contains("of app in orders.service failed"), "\(one.sentence)")
        #expect(one.sentence.contains("because dd in orders.service invalidated"), "\(one.sentence)")
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

    @Test("a lookup that retried is not said to have succeeded where its end was not seen")
    func unended() throws {
        func sentences(_ events: [Event]) -> [String] { Self.conclusions(events).list.map(\.sentence) }
        func wentBack(_ change: (inout Lookup) -> Void = { _ in }) -> Event {
            var lookup = Lookup.goingBack(rounds: 1)
            change(&lookup)
            return .lookup(lookup)
        }
        let mapped = wentBack { ($0.observations, $0.page) = (0, nil) }
        #expect(
            sentences([mapped]) == [
                "No failure seen: a futex call of app retried inside the kernel, because the mapping of the page "
                    + "changed meanwhile; how it ended is not seen at the default depth."
            ])
        let swapped = Event.detach(.sample { ($0.via, $0.landmarks, $0.hole) = (.swapOut, [], nil) })
        let three = sentences([swapped, wentBack(), wentBack(), wentBack()])
        #expect(three.count == 1)
        let first = try #require(three.first)
        #expect(
            first.hasPrefix(
                "No failure seen: futex calls of app lost the mapping of their page meanwhile and retried 3 times, "
                    + "because"),
            "\(first)")
        #expect(first.hasSuffix("; how they ended is not seen at the default depth."), "\(first)")
        let ended = Event.lookup(
            .sample(page: nil) {
                $0.succeed(inPass: 3)
                ($0.observations, $0.retries.mappingChanged) = (0, 2)
            })
        let both = try #require(sentences([ended, mapped, mapped]).first)
        #expect(
            both.hasPrefix(
                "No failure seen: 1 futex call of app retried inside the kernel and succeeded, others retried 2 times, "
                    + "because the mapping"), "\(both)")
        #expect(both.hasSuffix("; how the others ended is not seen at the default depth."), "\(both)")
    }

    @Test("what is incomplete says so, and so does a run that lost anything")
    func incomplete() {
        let loss = Event.lost(Loss(time: 0, stage: .slotOverwritten, count: 17))
        let unknown = Event.lookup(.sample(page: .sample { $0.slot = .otherPage }))
        let undecided = Self.conclusions(Self.names + [loss, unknown]).list[0]
        #expect(!undecided.isComplete)
        #expect(
            undecided.evidence
                == "Evidence incomplete: that of this call may be among the events lost (17 at slot-overwritten).")
        #expect(undecided.sentence.contains("is unknown: the stored detach of the page was overwritten"))
        let exact = Self.conclusions(Self.names + [loss] + Self.direct(1_000_000)).list[0]
        #expect(!exact.isComplete)
        #expect(exact.evidence.hasPrefix("Evidence complete for these calls; other calls may be missing here"))
    }

    @Test("a run without findings says what was watched, for how long, and what was not")
    func nothing() {
        var totals = Totals()
        (totals.durationNs, totals.observations) = (90_300_000_000, 172)
        let probe = ProbeReport(role: "collapse", function: nil, hook: nil, isRequired: false, note: nil)
        func sentence(
            _ run: RunInfo, filters: String = "", losses: [Loss.Stage: UInt64] = [:], hidden: [String] = []
        ) -> Conclusion {
            Conclusions(
                from: Summary(),
                in: .init(names: Names(), run: run, totals: totals, losses: losses, hidden: hidden, filters: filters)
            ).list[0]
        }
        let plain = sentence(RunInfo(probes: [probe]))
        #expect(plain.verdict == .nothing)
        #expect(
            plain.sentence == "No finding: no futex call met a page without a mapping in 90.3 s. Watched: every shared "
                + "futex call. Not watched: private futexes, and what needs the missing probes collapse.")
        let filtered = sentence(RunInfo(filters: "-n app")).sentence
        #expect(filtered.hasPrefix("No finding: no futex call that matches -n app met a page"), "\(filtered)")
        #expect(filtered.contains("Watched: these calls alone (a filter that fits no task finds nothing either)."))
        // What a filter hides is not denied.
        #expect(sentence(RunInfo(), filters: "--cause reclaim").sentence.contains("the whole run has 172 observations"))
        let lossy = sentence(RunInfo(), losses: [.ringLookup: 3])
        #expect(!lossy.isComplete && lossy.sentence.contains("no futex call was seen to meet a page"))
        totals.observations = 0
        let hidden = sentence(RunInfo(), hidden: ["there is no pin of a page"])
        #expect(hidden.sentence.hasPrefix("No finding: whether a futex call met a page without a mapping could not be"))
        #expect(hidden.evidence == "Evidence incomplete: there is no pin of a page." && !hidden.isComplete)
    }

    @Test("every cause has a sentence for every result", arguments: Cause.allCases)
    func words(cause: Cause) {
        for isNeighbour in [false, true] {
            #expect(cause.action(on: "/f", isNeighbour: isNeighbour).contains("/f"))
        }
        for result in Conclusion.Result.allCases {
            let reason: UnknownReason? = cause == .unknown ? .noDetachSeen : nil
            let remedy = cause.remedy(for: result, reason: reason, culprit: "c")
            #expect(remedy?.hasSuffix(".") == false)
            #expect(remedy?.first?.isLowercase == true)
        }
    }

    @Test("every reason for an unknown cause has words", arguments: UnknownReason.allCases)
    func reasons(reason: UnknownReason) {
        #expect(!reason.clause.isEmpty)
        // What cannot be known has no advice.
        let remedy = Cause.unknown.remedy(for: .undecided, reason: reason, culprit: "c")
        #expect((remedy == nil) == (reason == .notObserved))
        // Each depth stores detaches, so that the other one would not find one that was missed.
        #expect(remedy?.contains("--full") != true || reason == .areaUnreadable)
    }

    @Test("a loop may have ended where ends were lost", arguments: [nil, .ringLookup, .ringName] as [Loss.Stage?])
    func loopWithLosses(stage: Loss.Stage?) {
        let events = [Event.progress(.looping(passes: 4096, durationNs: 2_500_000_000))]
        let one = Self.conclusions(events + (stage.map { [.lost(Loss(time: 1, stage: $0, count: 1))] } ?? [])).list[0]
        let mayHaveEnded = stage == .ringLookup
        #expect(one.result == .looping && one.verdict == (mayHaveEnded ? .undecided : .kernel))
        #expect(one.sentence.contains("was not seen to return") == mayHaveEnded)
        #expect(one.sentence.contains("has not returned") == !mayHaveEnded)
    }

    @Test("the other depth is no advice where lookups were followed", arguments: [true, false])
    func adviceByDepth(isTimed: Bool) throws {
        let page = PageFacts.sample { ($0.facts, $0.slot) = ([.nullAtPin], .empty) }
        let lookup = Lookup.sample(page: page) { if !isTimed { $0.flags.remove(.timed) } }
        let finding = try Self.finding(lookup)
        #expect(finding.unknownReason == .areaUnreadable)
        let remedy = Conclusions.conclusion(of: finding, names: Names()).remedy
        #expect((remedy?.contains("--full") == true) == !isTimed, "\(remedy ?? "none")")
    }

    @Test("the conclusion of one finding names processes where tables do")
    func byProcess() throws {
        let finding = try Self.finding(.sample())
        let one = Conclusions.conclusion(of: finding, names: Names(), by: .pid)
        #expect(one.victim == "app/\(finding.lookup.victim.pid)")
    }

    @Test("where the file does not reach the address, that is said and mended, whatever removed the page")
    func beyondEnd() {
        let short = PageFacts.sample { ($0.slot, $0.fileSize) = (.empty, 4096) }
        let one = Self.conclusions(Self.names + [.lookup(.sample(page: short))]).list[0]
        #expect(one.verdict == .program && one.cause == .unknown)
        #expect(
            one.sentence.contains("; the file does not reach the address, and what removed the mapping of the page is"))
        #expect(one.remedy == "do not shorten that file while it is in use, or map it again after it was extended")
        let hole = Cause.holePunch.remedy(for: .failed, reason: nil, culprit: "c")
        #expect(hole == one.remedy)
        #expect(Cause.zeroPage.remedy(for: .failed, reason: nil, culprit: "c")?.contains("FUTEX_PRIVATE_FLAG") == true)
    }

    @Test("a lookup that found the next mapping of its page is not said to have met a page without one")
    func metOnlyTheDetach() {
        let retried = Event.lookup(
            .sample {
                $0.succeed(inPass: 2)
                ($0.observations, $0.retries.mappingChanged) = (0, 1)
            })
        let one = Self.conclusions(Self.names + [.detach(.sample()), retried]).list[0]
        #expect(one.verdict == .harmless && one.cause == .holePunch)
        #expect(one.sentence.contains("lost the mapping of its page meanwhile and succeeded"), "\(one.sentence)")
    }

    @Test("what a filter hides is not denied where the run has no counters")
    func noCounters() {
        let one = Conclusions(from: Summary(), in: .init(filters: "-n nobody")).list[0].sentence
        #expect(one.hasPrefix("No finding: none matches -n nobody. Watched:"), "\(one)")
    }

    @Test("a run without findings in which calls failed for another reason says so")
    func otherFailures() {
        var totals = Totals()
        totals.durationNs = 2_000_000_000
        var correlator = Correlator()
        for _ in 0..<2 { _ = correlator.take(.lookup(.faulted())) }
        let one = Conclusions(from: correlator.summary, in: .init(totals: totals)).list[0]
        #expect(one.verdict == .nothing)
        #expect(
            one.sentence
                == "No finding: no futex call met a page without a mapping in 2.0 s. But 2 futex calls failed with "
                + "EFAULT for another reason: beyond-end-of-file. Watched: every shared futex call. Not watched: private "
                + "futexes.")
    }

    @Test("a file without a path is named by words, and by its number in the field")
    func numberOfFile() {
        let one = Self.conclusions(Self.direct(1_000_000)).list[0]
        #expect(one.file == "253:0:12")
        #expect(one.sentence.contains("cached pages of inode 12 of device 253:0, as"), "\(one.sentence)")
    }

    @Test("one of a thing is not called by its plural")
    func plurals() {
        var totals = Totals()
        totals.observations = 1
        let nothing = Conclusions(from: Summary(), in: .init(totals: totals, filters: "-n app")).list[0].sentence
        #expect(nothing.contains("the whole run has 1 observation."))
        let loop = Self.conclusions([.progress(.looping(passes: 1, durationNs: 2_500_000_000))]).list[0].sentence
        #expect(loop.contains("(up to 1 pass, 2.5 s)"), "\(loop)")
    }

    @Test("what is incomplete is not more than what the sentence is about")
    func incompleteOfSome() {
        let loss = Event.lost(Loss(time: 0, stage: .slotOverwritten, count: 17))
        func unknown(_ time: UInt64, _ change: (inout Lookup) -> Void = { _ in }) -> Event {
            .lookup(
                .sample(page: .sample { $0.slot = .otherPage }) {
                    $0.time = time
                    change(&$0)
                })
        }
        let late = (1...5).map { unknown(UInt64($0) * 10) { $0.succeed(inPass: 2) } }
        let list = Self.conclusions(Self.names + [loss, unknown(1), unknown(2)] + late).list
        #expect(list.map(\.lookups) == [2, 5])
        #expect(list[0].evidence.hasPrefix("Evidence incomplete: that of these calls may be"), "\(list[0].evidence)")
    }

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

    @Test("a file whose name did not come has no path, and is not the file that had the number before")
    func unnamed() {
        let nameless = Event.name(Name(subject: .file(.data), text: ""))
        let events = Self.names + Self.direct(1_000_000) + [nameless] + Self.direct(2_000_000)
        var correlator = Correlator()
        for event in events { _ = correlator.take(event) }
        let files = correlator.summary.files
        #expect(files[FileKey(file: .data)]?.asVictim == 1)
        #expect(files[FileKey(file: .data, generation: 1)]?.asVictim == 1)
        var names = Names()
        for case .name(let name) in events { names.learn(name) }
        #expect(names.path(of: .data) == nil)
        #expect(correlator.summary.path(of: FileKey(file: .data, generation: 1), names: names) == nil)
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
