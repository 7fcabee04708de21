// SPDX-License-Identifier: Apache-2.0

// Where events come from: the host as a tracer sees it, and the probes with the hook that each got. They
// go into every report, so that a reader can tell what could be seen at all.

/// How a probe is attached. Raw values are the names in all output. Part of the recording format; see `RecordedWord`.
public enum Hook: String, RecordedWord {
    /// A kprobe on the call instructions inside the function: it runs only when they are reached.
    case callsite
    case fentry
    /// Together with all others on this rung: one link for the entries, one for the returns.
    case kprobeMulti = "kprobe.multi"
    case kprobe
    case tpBTF = "tp_btf"
    case rawTracepoint = "raw_tracepoint"

    public var format: Int {
        switch self {
        case .callsite, .fentry, .kprobeMulti, .kprobe, .tpBTF, .rawTracepoint: 1
        }
    }
}

/// What became of one probe.
public struct ProbeReport: Sendable, Equatable {
    /// The role, as in the table below.
    public var role: String
    /// The kernel function or tracepoint, nil when the kernel has none for this role.
    public var function: String?
    /// Nil when it is not attached.
    public var hook: Hook?
    /// Nothing can be seen without it.
    public var isRequired: Bool
    /// Why it is missing or on a lower rung, and what is off without it.
    public var note: String?

    public init(role: String, function: String?, hook: Hook?, isRequired: Bool, note: String?) {
        self.role = role
        self.function = function
        self.hook = hook
        self.isRequired = isRequired
        self.note = note
    }
}

/// The host as a tracer sees it.
public struct HostReport: Sendable, Equatable {
    /// One thing that was looked at.
    public struct Check: Sendable, Equatable {
        public var name: String
        public var value: String
        public var isFine: Bool
        /// One line, only where something is missing.
        public var advice: String?

        public init(name: String, value: String, isFine: Bool, advice: String?) {
            self.name = name
            self.value = value
            self.isFine = isFine
            self.advice = advice
        }
    }

    public var kernelRelease: String
    public var checks: [Check]
    /// Which refusal it is, and what to do; nil when tracing is permitted.
    public var refusal: String?

    public init(kernelRelease: String, checks: [Check], refusal: String?) {
        self.kernelRelease = kernelRelease
        self.checks = checks
        self.refusal = refusal
    }
}
