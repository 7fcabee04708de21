// SPDX-License-Identifier: Apache-2.0

// Which live source a run gets, and what it would attach on this host. The commands go through here and know no
// implementation. A host that refuses BPF may permit ftrace, which shows less; what is used, and why, is reported.

internal import Capture
internal import Events
internal import Ftrace
internal import FtraceCapture

/// The live sources of this program.
enum LiveSources {
    /// A source, or what it would attach.
    struct Choice<Result> {
        var result: Result
        /// ftrace is used in place of BPF.
        var isSubstitute = false
        /// How ftrace knows where the kernel's fields lie; nil with BPF.
        var layout: KernelFacts.Layout.Source?
        /// One line each: that ftrace is used in place of BPF, and which leftovers of earlier runs were removed.
        var notes: [String] = []
    }

    /// Attaches everything.
    static func open(_ options: CaptureOptions) throws(CaptureError) -> Choice<any LiveSource> {
        var removed: [String] = []
        var layout: KernelFacts.Layout.Source?
        var choice = try choose(options.source) { () throws(CaptureError) -> any LiveSource in
            try LiveCapture(options: options)
        } orFtrace: { () throws(CaptureError) in
            let source = try FtraceCapture(
                options: options,
                readFacts: { () throws(CaptureError) in try facts(forCapture: true, &layout) },
                findSubstitute: KernelFacts.findLookupSubstitute)
            removed = source.removedLeftovers
            return source
        }
        choice.layout = layout
        if layout == .measured {
            choice.notes.append("this kernel has no BTF, and where its fields lie was measured")
        }
        choice.notes += removed
        return choice
    }

    /// Attaches as `open` would and detaches at once.
    static func plan(_ options: CaptureOptions) throws(CaptureError) -> Choice<[ProbeReport]> {
        var layout: KernelFacts.Layout.Source?
        var choice = try choose(options.source) { () throws(CaptureError) in
            try LiveCapture.plan(options: options)
        } orFtrace: { () throws(CaptureError) in
            try FtraceCapture.plan(
                options: options, readFacts: { () throws(CaptureError) in try facts(forCapture: true, &layout) })
        }
        choice.layout = layout
        return choice
    }

    /// What this host permits.
    static func host() -> HostReport { HostReport.read() }

    /// What ftrace has to know of the running kernel; `layout` gets how its layout is known.
    private static func facts(
        forCapture: Bool, _ layout: inout KernelFacts.Layout.Source?
    ) throws(CaptureError) -> KernelFacts {
        let facts = try KernelFacts.read(forCapture: forCapture, measureLayout: LayoutMeasurement.measure)
        layout = facts.layout.source
        return facts
    }

    /// What a recipe for ftrace depends on.
    static func recipeFacts() throws(CaptureError) -> KernelFacts {
        var layout: KernelFacts.Layout.Source?
        return try facts(forCapture: false, &layout)
    }

    private static func choose<Result>(
        _ source: CaptureSource, bpf: () throws(CaptureError) -> Result,
        orFtrace ftrace: () throws(CaptureError) -> Result
    ) throws(CaptureError) -> Choice<Result> {
        if source == .ftrace { return Choice(result: try AttachWatch.during(ftrace)) }
        do throws(CaptureError) {
            return Choice(result: try AttachWatch.during(bpf))
        } catch {
            guard source == .auto, error.exitCode == 77 else { throw error }
            return Choice(
                result: try instead(of: error, ftrace), isSubstitute: true,
                notes: ["BPF is not permitted here, and ftrace is used: \(error.message)"])
        }
    }

    /// With ftrace, or with both reasons where it is refused as well.
    private static func instead<Result>(
        of refusal: CaptureError, _ ftrace: () throws(CaptureError) -> Result
    ) throws(CaptureError) -> Result {
        do throws(CaptureError) {
            return try AttachWatch.during(ftrace)
        } catch {
            throw CaptureError(
                message: "\(refusal.message); and without BPF: \(error.message)", exitCode: refusal.exitCode)
        }
    }
}
