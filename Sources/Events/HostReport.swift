// SPDX-License-Identifier: Apache-2.0

// The host as a tracer sees it: what was checked, and whether tracing is permitted.

/// The host as a tracer sees it.
public struct HostReport: Sendable, Equatable {
    /// One thing that was checked.
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
