// SPDX-License-Identifier: Apache-2.0

// Which live source a run gets, and what it would attach on this host. The commands go through here and know no
// implementation, so that another source can stand in.

internal import Capture
internal import Events

/// The live sources of this program.
enum LiveSources {
    /// Attaches everything.
    static func open(_ options: CaptureOptions) throws(CaptureError) -> any LiveSource {
        try AttachWatch.during { () throws(CaptureError) in try LiveCapture(options: options) }
    }

    /// Attaches as `open` would and detaches at once.
    static func plan(_ options: CaptureOptions) throws(CaptureError) -> [ProbeReport] {
        try AttachWatch.during { () throws(CaptureError) in try LiveCapture.plan(options: options) }
    }

    /// What this host permits.
    static func host() -> HostReport { HostReport.read() }
}
