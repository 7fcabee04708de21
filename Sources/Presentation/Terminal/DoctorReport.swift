// SPDX-License-Identifier: Apache-2.0

// What a host allows and which probes a capture gets there, as text and as JSON. It shows; what is
// looked at, and what it means, is the capture's business.

public import Events

/// The report of `doctor`, and the part of it that a dry run shows.
public struct DoctorReport: Sendable, Equatable {
    public var host: HostReport
    /// Empty when they could not be tried.
    public var probes: [ProbeReport]

    public init(host: HostReport, probes: [ProbeReport]) {
        self.host = host
        self.probes = probes
    }

    /// One object on one line.
    public var json: [UInt8] {
        JSONWriter.line {
            $0.text("type", "doctor")
            $0.flag("permitted", host.refusal == nil)
            $0.text("refusal", host.refusal)
            $0.text("kernel", host.kernelRelease)
            $0.list("checks", host.checks) {
                $0.text("name", $1.name)
                $0.text("value", $1.value)
                $0.flag("fine", $1.isFine)
                $0.text("advice", $1.advice)
            }
            $0.write(probes)
        }
    }

    /// Lines for a reader.
    public func text(colour: Bool) -> String {
        let paint = Paint(isOn: colour)
        var lines = [mark(true, isRefusal: false, paint) + pad("kernel", 18) + TerminalText.escaped(host.kernelRelease)]
        for check in host.checks {
            lines.append(
                mark(check.isFine, isRefusal: isRefusal(check), paint) + pad(check.name, 18)
                    + TerminalText.escaped(check.value))
            if let advice = check.advice { lines.append("      " + TerminalText.escaped(advice)) }
        }
        if !probes.isEmpty { lines += [""] + Self.lines(probes, paint: paint) }
        lines.append("")
        if let refusal = host.refusal {
            lines.append(paint.alarm("This host does not permit tracing: ") + TerminalText.escaped(refusal))
        } else {
            lines.append(paint.good("Tracing is possible.") + " Start with: futexscope trace --result EFAULT")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Probes alone

    /// The probes of a dry run for a reader.
    public static func text(probes: [ProbeReport], colour: Bool) -> String {
        lines(probes, paint: Paint(isOn: colour)).joined(separator: "\n") + "\n"
    }

    /// The probes of a dry run as one object on one line.
    public static func json(probes: [ProbeReport]) -> [UInt8] {
        JSONWriter.line {
            $0.text("type", "probes")
            $0.write(probes)
        }
    }

    private static func lines(_ probes: [ProbeReport], paint: Paint) -> [String] {
        var lines = [paint.header("      " + pad("PROBE", 18) + pad("HOOK", 16) + "FUNCTION")]
        for probe in probes {
            let mark =
                probe.hook == nil
                ? (probe.isRequired ? paint.alarm("FAIL  ") : paint.warning("off   ")) : paint.good("ok    ")
            let hook = pad(probe.hook?.rawValue ?? "-", 16)
            lines.append(mark + pad(probe.role, 18) + hook + TerminalText.escaped(probe.function ?? "-"))
            if let note = probe.note { lines.append("      " + pad("", 18) + TerminalText.escaped(note)) }
        }
        return lines
    }

    /// Whether tracing is refused because of it. The refusal may go on with why ftrace is refused as well.
    private func isRefusal(_ check: HostReport.Check) -> Bool {
        guard let advice = check.advice, let refusal = host.refusal else { return false }
        return refusal.hasPrefix(advice)
    }

    /// What is missing but prevents nothing is a note.
    private func mark(_ isFine: Bool, isRefusal: Bool, _ paint: Paint) -> String {
        isFine ? paint.good("ok    ") : isRefusal ? paint.alarm("FAIL  ") : paint.warning("note  ")
    }
}
