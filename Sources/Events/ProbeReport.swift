// SPDX-License-Identifier: Apache-2.0

// The probes of a run, with the hook that each got. They are in every report, so that a reader knows what could be
// seen at all.

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
        case .callsite: 1
        case .fentry: 1
        case .kprobeMulti: 1
        case .kprobe: 1
        case .tpBTF: 1
        case .rawTracepoint: 1
        }
    }
}

/// What became of one probe.
public struct ProbeReport: Sendable, Equatable {
    /// The role that the function plays, as `doctor` lists it.
    public var role: String
    /// The kernel function or tracepoint, nil when the kernel has none for this role.
    public var function: String?
    /// Nil when it is not attached.
    public var hook: Hook?
    /// Nothing can be seen without it.
    public var isRequired: Bool
    /// Why it is missing or on a lower rung, and which findings are missing without it.
    public var note: String?

    public init(role: String, function: String?, hook: Hook?, isRequired: Bool, note: String?) {
        self.role = role
        self.function = function
        self.hook = hook
        self.isRequired = isRequired
        self.note = note
    }
}
