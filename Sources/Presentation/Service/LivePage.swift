// SPDX-License-Identifier: Apache-2.0

// A run in progress as one page: the latest findings, the summary, the probes and the losses. The page is complete
// without its script. The script fetches the page again at intervals and replaces its main part, so that only this file
// decides what is shown and how it is escaped.

import Correlation
import Events

/// The page at one moment.
public struct LivePage: Sendable {
    private let state: RunState
    private let version: String

    public init(_ state: RunState, version: String) { (self.state, self.version) = (state, version) }

    /// What a browser may load and run: this page's own style and script, which have the nonce, and the page again.
    public static func policy(nonce: String) -> String {
        "default-src 'none'; style-src 'nonce-\(nonce)'; script-src 'nonce-\(nonce)'; connect-src 'self'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }

    /// - Parameter nonce: a new one for each answer, of digits and letters.
    public func bytes(nonce: String) -> [UInt8] {
        var page = HTMLWriter()
        page.element("html", ["lang": "en"]) {
            $0.element("head") { head(nonce: nonce, &$0) }
            $0.element("body") { body in
                ReportHTML.hatches(&body)
                body.element("header") { header(&$0) }
                body.element("main") {
                    main(&$0)
                    $0.writeGlossary()
                }
                body.element("footer") {
                    $0.element("p") {
                        $0.text("futexscope \(version). Numbers for a monitoring system are at ")
                        $0.element("a", ["href": "metrics"], "metrics")
                        $0.text(", the latest findings as JSON Lines at ")
                        $0.element("a", ["href": "findings"], "findings")
                        $0.text(".")
                    }
                }
            }
        }
        return page.bytes
    }

    // MARK: Frame

    private func head(nonce: String, _ page: inout HTMLWriter) {
        page.void("meta", ["charset": "utf-8"])
        page.void("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        page.void("meta", ["name": "color-scheme", "content": "light dark"])
        page.element("noscript") { $0.void("meta", ["http-equiv": "refresh", "content": "5"]) }
        page.element("title", "futexscope" + (report.run.host.map { ": \($0)" } ?? ""))
        page.style(ReportStyle.sheet, nonce: nonce)
        page.style(Self.sheet, nonce: nonce)
        page.script(Self.script, nonce: nonce)
    }

    private func header(_ page: inout HTMLWriter) {
        page.element("h1") {
            $0.text("Findings of get_futex_key() ")
            $0.element("span", ["id": "state", "class": "note"], "state when this page was loaded")
        }
        page.write(counters: origin)
    }

    private var report: RunReport { state.report }

    private var facts: ReportFacts { ReportFacts(report, legend: state.legend, origin: ReportOrigin(source: "")) }

    private var origin: [(name: String, value: String)] {
        let (run, totals) = (report.run, report.totals)
        let host = [run.host, run.kernelRelease.map { "kernel \($0)" }].compactMap { $0 }
        var rows = [("host", host.isEmpty ? "not known" : host.joined(separator: ", "))]
        rows.append(
            (
                "depth",
                totals.followsLookups
                    ? "full: every shared lookup is followed" : "sentinel: lookups that met a page without a mapping"
            ))
        rows.append(("victims", run.filters.isEmpty ? "all" : run.filters))
        return rows
    }

    // MARK: What changes

    private func main(_ page: inout HTMLWriter) {
        if let blindness = state.blindness {
            page.element("p", ["class": "warning"]) {
                $0.element("strong", "Blind: ")
                $0.foreign(blindness)
            }
        }
        page.write(report.conclusions(legend: state.legend, loops: state.loops))
        figures(&page)
        page.element("p", ["class": "note"]) {
            let begin = report.totals.time &- report.totals.durationNs
            $0.text(
                "\(facts.instant(report.totals.time)), traced for \(ShortNumber.duration(report.totals.durationNs)) "
                    + "since \(facts.instant(begin)).")
        }
        if !state.loops.isEmpty { page.section("Looping now") { $0.write(loops, withCaption: false) } }
        if !report.summary.encounters.rows.isEmpty {
            page.section("Who hit whom") {
                $0.write(report.pairs(limit: 20, legend: state.legend).withoutSubjects, withCaption: false)
            }
        }
        rates(&page)
        if !report.summary.causes.isEmpty {
            for rule in Rule.allCases { page.explain(rule.rawValue) }
            page.section("Causes") { section in
                section.element("div", ["class": "columns"]) { columns in
                    columns.element("div") { $0.write(report.causes.withoutSubjects) }
                    columns.element("div") { $0.write(report.verdicts) }
                }
            }
        }
        page.section("Findings") {
            if state.latest.isEmpty {
                $0.element("p", "\(report.noLookup) so far.")
            } else {
                $0.element(
                    "p", ["class": "note"],
                    "The newest first; \(counted(report.summary.findings, "finding")) so far. EFAULT!: the file still backs "
                        + "the address. ? after a cause: inferred; > after it: the hole was in a neighbour page.")
                $0.element("div", ["class": "findings"]) {
                    $0.write(facts.findings(state.latest).withoutSubjects, withCaption: false)
                }
            }
        }
        page.section("What was counted, and what is missing") { section in
            section.write(
                counters: (report.counters.dropFirst() + report.missing).filter { $0.name != "not attached" })
            section.write(report.activities)
        }
        page.section("What is attached") { $0.write(probes, withCaption: false) }
    }

    private func rates(_ page: inout HTMLWriter) {
        let hour = state.rates.hour(until: report.totals.time)
        guard hour.contains(where: { $0.total > 0 }) else { return }
        page.section("The last hour") {
            let causes = RecentRates.causes(of: hour)
            let others: [(String, String)] = hour.contains { $0.onlyRetried > 0 } ? [("none", "only retried")] : []
            ReportHTML.legend(causes.map { ($0.style, $0.rawValue) } + others, &$0)
            let sum = hour.reduce(0 as UInt64) { $0 + $1.total }
            RecentRates.picture(of: hour).write(
                id: "rates", title: "Findings of the last hour by cause",
                description: "\(counted(sum, "finding")) in bins of 30 seconds; the last bin is not over.", into: &$0)
        }
    }

    private func figures(_ page: inout HTMLWriter) {
        let (all, lost) = (report.summary.allCauses, report.lostStages.reduce(0 as UInt64) { $0 &+ $1.count })
        let figures: [(String, UInt64)] = [
            ("observations", report.totals.observations), ("failed", all.failed),
            ("failed spuriously", all.spurious), ("looping now", UInt64(state.loops.count)),
            ("of unknown cause", report.summary.causes[.unknown]?.lookups ?? 0), ("events lost", lost),
        ]
        page.write(figures: figures)
    }

    private var loops: ReportTable {
        ReportTable(
            caption: "Looping now",
            columns: [
                .name("victim", nil), .number("passes"), .number("for"), .name("cause", nil), .name("culprit", nil),
            ],
            rows: state.loops.map { loop in
                let (victim, culprit) = (loop.finding.lookup.victim, loop.finding.detach?.culprit)
                let now = report.totals.time
                return [
                    .process(Summary.ProcessKey(pid: victim.pid, comm: victim.comm)),
                    .own(ShortNumber.count(loop.passes)),
                    .own(ShortNumber.duration(now > loop.begin ? now - loop.begin : 0)),
                    .own(loop.finding.explainedCause?.rawValue ?? "-"),
                    .process(culprit.map { Summary.ProcessKey(pid: $0.pid, comm: $0.comm) }),
                ]
            })
    }

    private var probes: ReportTable {
        ReportTable(
            caption: "Probes",
            columns: [.name("probe", nil), .name("hook", nil), .name("function", nil), .name("", nil)],
            rows: report.run.probes.map { probe in
                [
                    .own(probe.role), probe.hook.map { .own($0.rawValue) } ?? .mark("not attached"),
                    .foreign(probe.function ?? "-"), .foreign(probe.note ?? ""),
                ]
            })
    }

    // MARK: Style and script

    private static let sheet: StaticString = """

        #state { font-weight: 400; white-space: nowrap; }
        #state.gone { color: var(--vermilion); }
        main > .note { margin-top: .75rem; }
        .findings td.task { white-space: nowrap; }

        """

    /// Nothing is fetched while the page is not visible, or while text is selected.
    private static let script: StaticString = """

        addEventListener("DOMContentLoaded", () => {
          const main = document.querySelector("main"), state = document.querySelector("#state");
          const show = (text, isGone) => { state.textContent = text; state.classList.toggle("gone", isGone); };
          let heard = new Date();
          async function renew() {
            if (!document.hidden && getSelection().isCollapsed) {
              try {
                const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(8000) });
                if (!answer.ok) throw new Error(answer.status);
                const page = new DOMParser().parseFromString(await answer.text(), "text/html");
                main.replaceChildren(...page.querySelector("main").childNodes);
                heard = new Date();
                show("live", false);
              } catch {
                show("no answer since " + heard.toLocaleTimeString(), true);
              }
            }
            setTimeout(renew, 2000);
          }
          show("live", false);
          setTimeout(renew, 2000);
        });

        """
}
