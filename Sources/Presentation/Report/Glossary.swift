// SPDX-License-Identifier: Apache-2.0

// What the words and numbers of a page mean, each once: the titles of columns, the names of figures and counters, causes,
// rules, results. A page shows the meaning of a title where the pointer is on it, and the meanings of all titles that it
// has in its last section. A test finds a number that has no meaning here.

import Correlation

/// The meanings of titles.
enum Glossary {
    /// In the order in which a page shows them.
    static let entries: [(title: String, meaning: String)] =
        general + columns + counters
        + Cause.allCases.map { ($0.rawValue, $0.meaning) }
        + Rule.allCases.map { ($0.rawValue, "a rule, \($0.kernels): \($0.meaning)") }

    /// Words that other meanings need.
    static let always = ["lookup", "pass", "observations", "findings", "observed lookups", "detach"]

    private static let meanings = Dictionary(uniqueKeysWithValues: entries.map { ($0.title, $0.meaning) })

    /// Nil where the title says all.
    static func meaning(of title: String) -> String? { meanings[title] }

    private static let general: [(title: String, meaning: String)] = [
        ("lookup", "one call of get_futex_key() in the kernel for a futex in shared memory, from entry to return"),
        ("pass", "one run of a lookup through the code that finds the page; a retry begins another pass"),
        (
            "observations",
            "passes in which the page, once locked, had no mapping. Tables count those of the findings; figures and "
                + "counters have the kernel's own count of the whole run"
        ),
        (
            "findings",
            "lookups with at least one observation, and lookups that only retried; a loop that goes on counts once"
        ),
        ("with an observation", "findings with at least one observation: these have verdicts of the rules"),
        (
            "observed lookups",
            "findings with a cause: they have an observation, or the detach of their page was seen"
        ),
        ("detach", "the moment in which a page lost its mapping, by the work of a culprit"),
        ("failed", "those of the lookups counted beside it that returned an error, such as EFAULT"),
        (
            "failed spuriously",
            "failed although the file still backed the address: a repeated call would have succeeded"
        ),
        (
            "spurious",
            "those of the failures that happened although the file still backed the address: a repeated call would have succeeded"
        ),
        ("still looping", "lookups that had not returned when the run ended"),
        ("looping now", "lookups that have not returned and still retry"),
        ("looping", "lookups that had not returned when the run ended"),
        ("of unknown cause", "observed lookups of which it is not known what took the mapping of the page"),
        ("events lost", "events that are missing here, at all stages together; the line lost has each stage"),
    ]

    private static let columns: [(title: String, meaning: String)] = [
        ("lookups", "observed lookups that the row is about: findings with a cause"),
        ("calls", "futex calls that failed with EFAULT without an observation, for what was at their address"),
        ("as victim", "findings whose lookup was one of its tasks"),
        ("as culprit", "findings whose page was detached by one of its tasks"),
        ("from", "the begin of an interval of time; the row counts the observed lookups that ended in it"),
        ("time UTC", "when the lookup returned; at the default depth, when it met the page"),
        ("time", "when the lookup returned; at the default depth, when it met the page"),
        ("passes", "passes of the lookup"),
        ("took", "from the entry of the lookup to its return"),
        ("for", "from the entry of the lookup until now"),
        ("duration", "from the entry of the lookup to its return"),
        ("age", "from the detach of the page to the end of the lookup; at the default depth, to the observation"),
        ("result", "what the lookup returned; ! marks a spurious failure"),
        (
            "rules",
            "what each rule would have returned, one letter for each of "
                + Rule.allCases.map(\.rawValue).joined(separator: ", ") + ": s succeeds, f fails, l loops, ? not known"
        ),
        ("succeeds", "findings with an observation for which the rule would have returned a key"),
        ("fails", "findings with an observation for which the rule would have returned an error"),
        ("loops", "findings with an observation for which the rule would have retried without end"),
        ("part", "of all findings of the table"),
        ("operations", "operations of this kind, by any task of the host, counted in the kernel when they ended"),
        (
            "pages",
            "base pages that these operations took out of the page cache, whether somebody held them or not; - where they are not counted"
        ),
        ("total time", "the durations of these operations added up; several can be in progress at once"),
        ("seen", "operations of this kind that the source reported one by one"),
        ("busy", "the time in which at least one operation of this kind was in progress"),
        ("share", "of the run: the chance that a lookup of the observed lengths overlaps such an operation"),
        (
            "during",
            "the kind of operation; lookups beside it are the observed lookups that overlapped one of this kind"
        ),
        ("by chance", "how many would overlap if lookups and operations were independent, ± one standard deviation"),
        ("ratio", "lookups that overlap, divided by those expected by chance: about 1 is chance"),
        ("caused", "observed lookups whose cause is this kind of operation, without regard to time"),
        ("in 1s", "observed lookups for each second of the time that counts as during"),
        ("else in 1s", "observed lookups for each second of the rest of the run"),
        ("incomplete", "findings whose evidence may be among the events lost"),
    ]

    private static let counters: [(title: String, meaning: String)] = [
        ("traced", "from the attachment of all probes to the last reading of the counters"),
        ("shared lookups", "lookups that the filters of the capture let through; counted with --full only"),
        (
            "retries",
            "how often a lookup went back for another pass: swizzled (the page had moved to the swap cache or to a mapping), "
                + "mapping-changed, no-host, no-mapping (the mapping changed while it was read)"
        ),
        (
            "failures",
            "lookups that failed, counted in the kernel: unmapped (an observation in the last pass), pin (no page could be "
                + "pinned), read-only (an anonymous page of a read-only area), other"
        ),
        ("counters", "what the kernel side counted; it knows the filters of the capture alone"),
        ("captured", "the filters of the capture"),
        ("lost", "events that are missing, and where they were lost"),
        ("own cost", "memory of the tables in the kernel; CPU time of the programs of futexscope where it was counted"),
        ("not attached", "probes that cannot be set on this kernel, and what is therefore not seen"),
        ("left out", "parts of the input that could not be read"),
    ]
}
