// SPDX-License-Identifier: Apache-2.0

// The rules that decide what get_futex_key() does with a page without a mapping: those that kernels had or have, the
// one proposed in December 2011 (`efault`), and an idea of that discussion (`fallback`). docs/rules.md has the source
// of each. A rule is one case here; every output iterates over `Rule.allCases` or `Rule.inFieldOrder`.

import Events

/// What a kernel does with a page that has no mapping. The raw values are the names in all output; the
/// order of the cases is the order in which the rules came up, which is that of tables for a reader.
public enum Rule: String, Sendable, CaseIterable {
    /// The page is not looked at: the key comes from the memory area. VM_IO: EPERM.
    case vma
    /// Retries without end (38d47c1b7075).
    case retry
    /// EFAULT for the zero page, otherwise retries without end (9ea71503a8ed).
    case retryZero = "retry-zero"
    /// EFAULT at once.
    case efault
    /// The key comes from the inode that the memory area names; EFAULT where it names none.
    case fallback
    /// Retries if the page is in the swap cache or has a mapping under its lock, else EFAULT (e6780f7243ed).
    case swizzle

    /// The order of fields in JSON, CSV and other structured output: three fields were there first, and
    /// later ones are added at the end.
    public static let inFieldOrder: [Rule] = [.retry, .efault, .swizzle, .vma, .retryZero, .fallback]

    /// The kernels that had the rule.
    public var kernels: String {
        switch self {
        case .vma: "to 2.6.27"
        case .retry: "2.6.28 to 3.0"
        case .retryZero: "3.1"
        case .efault: "proposed in 2011"
        case .fallback: "idea of 2011"
        case .swizzle: "3.2 to today"
        }
    }

    /// What it does with a page that has no mapping, in one clause.
    public var meaning: String {
        switch self {
        case .vma: "the page is not looked at, the key comes from the memory area"
        case .retry: "retries without end"
        case .retryZero: "EFAULT for the zero page, else retries without end"
        case .efault: "EFAULT at once"
        case .fallback: "the key comes from the file that the memory area names, EFAULT where it names none"
        case .swizzle: "retries if the page is in the swap cache or has a mapping under its lock, else EFAULT"
        }
    }

    /// One letter, for a narrow table.
    public var letter: Character {
        switch self {
        case .vma: "V"
        case .retry: "R"
        case .retryZero: "Z"
        case .efault: "E"
        case .fallback: "F"
        case .swizzle: "S"
        }
    }
}

/// What one rule would have returned for the observation.
public enum RuleResult: String, Sendable, CaseIterable {
    case succeeds
    case fails
    case loops
    case unknown
}

/// What each rule would have returned for one observation.
public struct Verdicts: Sendable, Equatable {
    public var vma: RuleResult
    public var retry: RuleResult
    public var retryZero: RuleResult
    public var efault: RuleResult
    public var fallback: RuleResult
    public var swizzle: RuleResult

    public init(
        vma: RuleResult, retry: RuleResult, retryZero: RuleResult, efault: RuleResult, fallback: RuleResult,
        swizzle: RuleResult
    ) {
        (self.vma, self.retry, self.retryZero) = (vma, retry, retryZero)
        (self.efault, self.fallback, self.swizzle) = (efault, fallback, swizzle)
    }

    public subscript(rule: Rule) -> RuleResult {
        switch rule {
        case .vma: vma
        case .retry: retry
        case .retryZero: retryZero
        case .efault: efault
        case .fallback: fallback
        case .swizzle: swizzle
        }
    }

    /// Whether the rule would have failed although trying again would have found the page: a spurious failure.
    public func isSpurious(under rule: Rule) -> Bool { self[rule] == .fails && retry == .succeeds }
}

// MARK: What the facts say

extension Attribution {
    /// What each rule would have returned for an observation of `page`. `unknown` where the facts that the
    /// rule decides on were not seen.
    func verdicts(for lookup: Lookup, page: PageFacts, detach: Detach?) -> Verdicts {
        let again = tryingAgain(page, detach: detach)
        // The comparison of 3.1 was with the small zero page; the huge one came with 3.8.
        let isSmallZeroPage = cause == .zeroPage && !page.facts.contains(.large)
        // The rule of e6780f7243ed retries for a page in the swap cache or with a new mapping under the lock.
        let swizzled = page.facts.contains(.swapCache) || (lookup.result == 0 && lookup.retries.swizzled > 0)
        let area = AreaEvidence(page, detach: detach)
        return Verdicts(
            vma: vma(area), retry: again, retryZero: isSmallZeroPage ? .fails : again, efault: .fails,
            fallback: fallback(area, page: page), swizzle: swizzled ? again : .fails)
    }

    /// The result of retrying without end: a page that never has a mapping is met for ever, any other page is looked up
    /// again in its file.
    private func tryingAgain(_ page: PageFacts, detach: Detach?) -> RuleResult {
        if cause == .zeroPage || cause == .specialMapping { return .loops }
        return switch isBacked(page, detach: detach) {
        case true?: .succeeds
        case false?: .fails
        case nil: .unknown
        }
    }

    /// What is known of the memory area through which the victim saw the page.
    private enum AreaEvidence {
        /// It maps pages of a file's page cache, or of a DAX file.
        case file
        /// It maps pages that a driver inserted. Which of VM_IO, VM_PFNMAP and VM_MIXEDMAP it has is not recorded.
        case driver
        /// It maps no file.
        case noFile
        case unknown

        init(_ page: PageFacts, detach: Detach?) {
            guard page.facts.contains(.areaKnown) else {
                // The page was in the cache of this file, so the area that it was pinned through maps the file.
                self = detach.map { $0.file.isNone } ?? true ? .unknown : .file
                return
            }
            if page.facts.contains(.areaIsDriver), !page.facts.contains(.dax) {
                self = .driver
            } else {
                self = page.facts.contains(.areaHasFile) ? .file : .noFile
            }
        }
    }

    /// Before 2.6.28 a key was made of the area alone, whatever it maps; only VM_IO was refused.
    private func vma(_ area: AreaEvidence) -> RuleResult {
        switch area {
        case .file, .noFile: .succeeds
        case .driver, .unknown: .unknown
        }
    }

    /// Pages that a driver inserted may share one anonymous inode with those of other objects, so that the
    /// inode does not identify them; the zero page in a private mapping of /dev/zero is not that file's page.
    private func fallback(_ area: AreaEvidence, page: PageFacts) -> RuleResult {
        switch area {
        case .file: kind == .zero && !page.facts.contains(.dax) ? .fails : .succeeds
        case .driver, .noFile: .fails
        case .unknown: .unknown
        }
    }
}
