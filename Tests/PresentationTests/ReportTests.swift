import Correlation
import EventSamples
import Events
import Foundation
import Golden
import Testing

@testable import Presentation

/// A run that is over, in the three formats of a report.
@Suite("Reports") struct ReportTests {
    @Test("text", arguments: [80, 120])
    func text(width: Int) throws {
        let bytes = Story.reported(ReportText(width: width, colour: false, origin: Story.origin))
        #expect(try difference(of: bytes, from: "report-\(width).txt") == nil)
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            #expect(line.unicodeScalars.reduce(0) { $0 + $1.columns } < width, "\(line)")
        }
    }

    @Test("JSON Lines") func json() throws {
        #expect(try difference(of: Story.reported(JSONLines(origin: Story.origin)), from: "report.jsonl") == nil)
    }
}
