// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Pipeline
import Foundation
import Testing

@testable import Presentation

/// What a golden file does not show: limits, single values, the stream around the formats.
@Suite("Formats") struct FormatTests {
    // MARK: What is not known

    @Test("what needs a lookup's entry and return is absent, in each format")
    func fromInside() {
        let detach = Event.detach(.sample { ($0.landmarks, $0.hole) = ([.invalidate2], nil) })
        let failed = Event.lookup(.inside { $0.flags.remove(.write) })
        let wentBack = Event.lookup(.goingBack(rounds: 1))
        let json = Story.bytes(JSONLines(), detach, failed, wentBack, .lookup(.inside { $0.address = 0 }))
            .split(separator: "\n")
        for line in json.prefix(3) {
            #expect(line.contains(#""passes":null,"duration_ns":null"#))
            #expect(line.contains(#""lock_waits":null"#))
        }
        #expect(json[0].contains(#""uaddr":"0x7f1234567000","access":"read""#))
        #expect(json[0].contains(#""result":"EFAULT","outcome":"failed""#))
        #expect(json[1].contains(#""result":null,"outcome":"retried","retries":[{"reason":"swizzled","count":1}]"#))
        #expect(json[2].contains(#""uaddr":null,"access":null"#))
        let csv = Story.bytes(CSV(), detach, failed).split(separator: "\r\n")
        #expect(csv[1].contains("0x7f1234567000,read,,,EFAULT,failed,0,,,,"))
        let table = Story.bytes(Table(width: 80, colour: false), detach, failed)
        #expect(table.contains("   -      - EFAULT! direct-io"), "\(table)")
    }

    @Test("counts that need entry and return are not shown as nothing")
    func totalsFromInside() {
        var totals = Totals()
        (totals.observations, totals.failedUnmapped, totals.retries.swizzled) = (3, 2, 1)
        func end(_ format: any FindingFormat) -> (bytes: String, summary: String?) {
            var stream = FindingStream(format: format, correlator: Correlator(), run: Story.run)
            _ = stream.take([.totals(totals)])
            let report = stream.end()
            let bytes = String(decoding: stream.takeBytes(), as: UTF8.self)
            return (bytes, stream.summaryText(report, width: 80, colour: false))
        }
        let json = end(JSONLines()).bytes
        #expect(json.contains(#""lookups":null,"observations":3"#))
        #expect(json.contains(#"{"swizzled":1,"mapping-changed":null,"no-host":null,"no-mapping":null}"#))
        #expect(json.contains(#""failed":{"unmapped":2,"pin":null,"read_only":null,"other":null}"#))
        let text = end(CSV()).summary ?? ""
        #expect(text.contains("shared lookups  not counted"))
        #expect(text.contains("swizzled 1; others not counted"))
        #expect(text.contains("2 unmapped; others not counted"))
        totals.lookups = 7
        #expect(end(CSV()).summary?.contains("2 unmapped, 0 pin, 0 read-only, 0 other") == true)
    }

    // MARK: Numbers and times

    @Test(
        "RFC 3339 with nanoseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (951_868_799_999_999_999, "2000-02-29T23:59:59.999999999Z"),
            (951_868_800_000_000_000, "2000-03-01T00:00:00.000000000Z"),
            (1_709_164_800_000_000_001, "2024-02-29T00:00:00.000000001Z"),
            (1_795_399_200_123_456_789, "2026-11-23T02:00:00.123456789Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (Int64.max, "2262-04-11T23:47:16.854775807Z"),
        ] as [(Int64, String)])
    func timestamps(epochNs: Int64, text: String) {
        #expect(WallClock(offsetNs: epochNs).timestamp(0) == text)
    }

    @Test("dates agree with the calendar of the system, day by day")
    func calendar() {
        let style = Date.ISO8601FormatStyle()
        for day in stride(from: -200_000, through: 100_000, by: 97) {
            // Within 292 years of 1970, which is what 64 bits of nanoseconds hold.
            let seconds = Int64(day) * 86_400
            let (ns, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            guard !overflow else { continue }
            let expected = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(style)
            #expect(WallClock(offsetNs: ns).timestamp(0).prefix(19) + "Z" == expected)
        }
    }

    @Test("the offset is added to the kernel's time")
    func offset() {
        #expect(Story.clock.timestamp(1_500_000_000) == "2026-11-23T02:00:01.500000000Z")
        #expect(Story.clock.timeOfDay(90_061_234_000_000, milliseconds: true) == "03:01:01.234")
        #expect(Story.clock.timeOfDay(90_061_234_000_000, milliseconds: false) == "03:01:01")
    }

    @Test(
        "short times and counts are cut, never rounded up",
        arguments: [
            (0, "0ns", "0"), (999, "999ns", "999"), (1000, "1.00us", "1000"), (10_423, "10.4us", "10423"),
            (99_999, "99.9us", "99999"), (999_999, "999us", "999k"), (1_048_576, "1.04ms", "1.04M"),
            (59_999_999_999, "59.9s", "59.9G"), (3_600_000_000_000, "3600s", "3.60T"),
        ] as [(UInt64, String, String)])
    func shortNumbers(value: UInt64, duration: String, count: String) {
        #expect(ShortNumber.duration(value) == duration)
        #expect(ShortNumber.count(value) == count)
    }

    @Test("results have names both ways")
    func results() {
        #expect(ErrorNumber.name(ofResult: 0) == "ok")
        #expect(ErrorNumber.name(ofResult: -14) == "EFAULT")
        #expect(ErrorNumber.name(ofResult: -1234) == "errno-1234")
        #expect(ErrorNumber.result(named: "efault") == -14)
        #expect(ErrorNumber.result(named: "ok") == 0)
        #expect(ErrorNumber.result(named: "14") == -14)
        #expect(ErrorNumber.result(named: "errno-1234") == -1234)
        #expect(ErrorNumber.result(named: "EFOO") == nil)
        #expect(ErrorNumber.result(named: "-14") == nil)
        #expect(ErrorNumber.result(named: "4096") == nil)
    }

    // MARK: JSON

    @Test("numbers are numbers up to 2^53 and strings beyond")
    func bigNumbers() {
        let limit: UInt64 = 1 << 53
        #expect(
            Story.bytes(JSONLines(), .lookup(.sample { $0.passes = limit })).contains(#""passes":9007199254740992,"#))
        #expect(
            Story.bytes(JSONLines(), .lookup(.sample { $0.passes = limit + 1 })).contains(
                #""passes":"9007199254740993","#))
    }

    @Test("times that are counts are no dates, seconds or nanoseconds")
    func counts() {
        var run = RunInfo(wallClockOffsetNs: 1_795_399_200_000_000_000)
        #expect(WallClock(of: run).timeOfDay(6_263_335, milliseconds: true) == "02:00:00.006")
        run.hasCountsForTimes = true
        #expect(WallClock(of: run).timeOfDay(6_263_335, milliseconds: true) == "6263335")
        let loss = Loss(time: 6_263_335, stage: .ftraceBuffer, count: 2)
        func text(_ format: some FindingFormat) -> String {
            var (format, bytes) = (format, [UInt8]())
            format.write(loss, legend: Legend(of: run), into: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(text(JSONLines(rows: [.losses])).contains(#""time":null,"time_ns":null,"#))
        #expect(text(CSV(rows: .losses)).hasPrefix(",,ftrace-buffer,2,"))
    }

    @Test("every line is JSON, its type first")
    func parses() throws {
        let lines = Story.bytes(JSONLines()).split(separator: UInt8(ascii: "\n"))
        var types: [String] = []
        for line in lines {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            let type = try #require(object["type"] as? String)
            #expect(String(decoding: line, as: UTF8.self).hasPrefix(#"{"type":"\#(type)""#))
            types.append(type)
        }
        #expect(Set(types) == ["lookup", "progress", "lost", "summary"])
        #expect(types.last == "summary")
    }

    @Test("CSV and JSON say the same")
    func sameFacts() throws {
        let rows = String(decoding: Story.bytes(CSV()), as: UTF8.self).components(separatedBy: "\r\n").dropLast()
        let lines = Story.bytes(JSONLines()).split(separator: UInt8(ascii: "\n"))
        let objects = try lines.compactMap { try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any] }
            .filter { ["lookup", "progress"].contains($0["type"] as? String) }
        #expect(rows.count == objects.count + 1)
        let header = try #require(HostileTextTests.fields(rows[0]))
        #expect(header == CSV.columns)
        for (row, object) in zip(rows.dropFirst(), objects) {
            let fields = Dictionary(uniqueKeysWithValues: zip(header, try #require(HostileTextTests.fields(row))))
            #expect(fields.count == CSV.columns.count)
            for key in header where !key.hasPrefix("retries_") {
                #expect(fields[key] == Self.text(object, key), "\(key)")
            }
            let retries = object["retries"] as? [[String: Any]] ?? []
            for reason in RetryReason.allCases {
                let count = retries.first { $0["reason"] as? String == reason.rawValue }?["count"] as? Int ?? 0
                // Without a lookup's entry only one of them is counted.
                let isCounted = reason == .swizzled || !(object["passes"] is NSNull)
                let field = fields["retries_" + reason.rawValue.replacing("-", with: "_")]
                #expect(field == (isCounted ? "\(count)" : ""))
            }
        }
    }

    /// A value by its flattened key, as CSV would write it.
    private static func text(_ object: [String: Any], _ key: String) -> String {
        var value = object[key]
        for parent in ["page", "detach", "verdicts"] where key.hasPrefix(parent + "_") {
            let name = String(key.dropFirst(parent.count + 1))
            value = (object[parent] as? [String: Any])?[parent == "verdicts" ? name.replacing("_", with: "-") : name]
        }
        return switch value {
        case let texts as [String]: texts.joined(separator: ";")
        case let text as String: text
        case let number as NSNumber where isBoolean(number): number.boolValue ? "true" : "false"
        case let number as NSNumber: number.stringValue
        default: key == "incomplete" ? "false" : ""
        }
    }

    private static func isBoolean(_ number: NSNumber) -> Bool {
        // A static string that belongs to the type.
        unsafe String(cString: number.objCType) == "c"
    }

    // MARK: Pages and names

    @Test("a page is opaque unless addresses are asked for")
    func pages() {
        let page = PageID(rawValue: 0xffff_ea00_0001_2340)
        #expect(Legend(of: RunInfo()).id(of: page) == "p-ffffea0000012340")
        #expect(Legend(of: RunInfo(showsKernelAddresses: true)).id(of: page) == "0xffffea0000012340")
        #expect(Legend(of: RunInfo()).id(of: PageID(rawValue: 0x3f)) == "p-000000000000003f")
        #expect(Legend(of: RunInfo()).id(of: PageID(rawValue: 0)) == nil)
    }

    @Test("names are learnt anew when they change, and forgotten from the oldest on")
    func names() {
        var names = Names()
        func file(_ inode: UInt64) -> FileID { FileID(device: 1, inode: inode) }
        names.learn(Name(subject: .file(file(0)), text: "/old"))
        names.learn(Name(subject: .file(file(0)), text: "/new", detail: "xfs"))
        #expect(names.path(of: file(0)) == "/new")
        #expect(names.file(file(0))?.fileSystem == "xfs")
        for inode in 1...UInt64(Names.limit) { names.learn(Name(subject: .file(file(inode)), text: "/f\(inode)")) }
        #expect(names.path(of: file(0)) == nil)
        #expect(names.path(of: file(1)) == "/f1")
        #expect(names.path(of: file(UInt64(Names.limit))) == "/f\(Names.limit)")
    }

    @Test("dropping a name early does not change other names")
    func forgotten() {
        func file(_ inode: UInt64) -> Name.Subject { .file(FileID(device: 1, inode: inode)) }
        func inodes(_ names: Names) -> [UInt64] { names.all.compactMap { UInt64($0.text) } }
        var names = Names(limit: 4)
        // The two oldest of six are gone, so that the ring has turned.
        for inode in UInt64(0)..<6 { names.learn(Name(subject: file(inode), text: "\(inode)")) }
        names.forget(file(3))
        names.forget(file(1))
        #expect(inodes(names) == [2, 4, 5])
        #expect(names.learn(Name(subject: file(6), text: "6")) == nil)
        #expect(names.learn(Name(subject: file(7), text: "7")) == file(2))
        #expect(names.learn(Name(subject: file(8), text: "8")) == file(4))
        #expect(Set(inodes(names)) == [5, 6, 7, 8])
        names.learn(Name(subject: .cgroup(1), text: "/system.slice/a.service"))
        #expect(names.workload(1)?.unit == "a.service")
        names.forget(.cgroup(1))
        #expect(names.workload(1) == nil)
        #expect(names.cgroup(1) == nil)
    }

    // MARK: Stream

    @Test("a stream ends after N findings; progress is not counted")
    func limit() {
        var stream = FindingStream(
            format: JSONLines(), correlator: Correlator(), run: Story.run, limit: 2)
        let wantsSecond = stream.take([.progress(.looping(passes: 64, durationNs: 1)), .lookup(.sample())])
        let wantsFourth = stream.take([.lookup(.sample()), .lookup(.sample())])
        #expect((wantsSecond, wantsFourth) == (true, false))
        let (written, left) = (stream.takeBytes(), stream.takeBytes())
        #expect(written.filter { $0 == UInt8(ascii: "\n") }.count == 3)
        #expect(left.isEmpty)
    }

    @Test("losses and totals are taken even when no more lookups are wanted")
    func afterTheLimit() {
        var stream = FindingStream(format: JSONLines(), correlator: Correlator(), run: Story.run, limit: 1)
        _ = stream.take([
            .lookup(.sample()), .lookup(.sample()), .lost(Loss(time: 0, stage: .delivery, count: 2)),
            .totals(Story.totals),
        ])
        let report = stream.end()
        #expect(report.summary.findings == 1)
        #expect(report.losses == [.delivery: 2])
        #expect(report.totals == Story.totals)
    }

    @Test("what has no place in CSV is reported separately")
    func beside() {
        var stream = FindingStream(format: CSV(), correlator: Correlator(), run: Story.run)
        let events: [Event] = [.lost(Loss(time: 0, stage: .delivery, count: 1)), .totals(Story.totals)]
        _ = stream.take(events)
        #expect(stream.textOfLosses(in: events) == ["1 lost at delivery: sent by the kernel side and not delivered"])
        let report = stream.end()
        #expect(stream.summaryText(report, width: 80, colour: false)?.contains("shared lookups") == true)
        let rows = stream.takeBytes()
        #expect(String(decoding: rows, as: UTF8.self) == CSV.columns.joined(separator: ",") + "\r\n")
    }

    @Test("the header comes again when the terminal changes its width, and only then")
    func resize() {
        var stream = FindingStream(
            format: Table(width: 80, colour: false), correlator: Correlator(), run: Story.run)
        let first = stream.takeBytes()
        stream.resize(to: 80)
        let same = stream.takeBytes()
        stream.resize(to: 120)
        let wider = stream.takeBytes()
        #expect(same.isEmpty)
        #expect(wider.count > first.count)
    }

    @Test("no line of a table is wider than its terminal, at any width", arguments: 80...240)
    func widths(width: Int) {
        let lines = String(decoding: Story.bytes(Table(width: width, colour: false)), as: UTF8.self).split(
            separator: "\n")
        for line in lines { #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width) }
    }

    @Test("findings that differ only in time are folded, once a second and when no event comes; the numbers add up")
    func fold() {
        func lines(_ times: [UInt64], isTimed: Bool = false) -> [Substring] {
            var stream = FindingStream(
                format: Table(width: 80, colour: false, isTimed: isTimed), correlator: Correlator(), run: Story.run)
            _ = stream.takeBytes()
            for time in times { stream.take(.inside(page: .zero()) { $0.time = time }, isProgress: false) }
            stream.idle()
            return String(decoding: stream.takeBytes(), as: UTF8.self).split(separator: "\n")
        }
        let second: UInt64 = 1_000_000_000
        let few = lines((1...190).map { $0 * 1_000_000 })
        #expect(few.count == 2)
        #expect(few.last == "             ×189 more, 02:00:00.002 to 02:00:00.190")
        let many = lines((0...25).map { second + $0 * second / 10 })
        #expect(many.dropFirst().map { $0.trimmingPrefix { $0 == " " }.prefix(4) } == ["×11 ", "×11 ", "×3 m"])
        #expect(lines([1, 2, 3], isTimed: true).count == 3, "durations differ")
        #expect(lines([7]).count == 1)
    }

    @Test("the table has the columns that were asked for, in their order")
    func columns() {
        let table = Table(width: 80, colour: false, columns: [.cause, .workload, .culpritWorkload, .age])
        let lines = String(decoding: Story.bytes(table), as: UTF8.self).split(separator: "\n")
        #expect(lines[0].hasPrefix("CAUSE"))
        #expect(lines[1].contains("direct-io") && lines[1].contains("app.service") && lines[1].hasSuffix("1.84us"))
        #expect(lines[1].contains("container 34dc0b5e6"))
    }
}
