// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// Which findings a snapshot is written for.
@Suite("Triggers") struct TriggerTests {
    private static func trigger(_ conditions: Trigger.Condition...) -> Trigger {
        Trigger(text: "", conditions: conditions)
    }

    private static func finding(_ events: Event...) throws -> Finding {
        var correlator = Correlator()
        return try #require(events.compactMap { correlator.take($0) }.last)
    }

    /// Spurious, by a hole, in one pass of some ten microseconds.
    private static func spurious() throws -> Finding { try finding(.detach(.sample()), .lookup(.sample())) }

    @Test(
        "each condition holds for what it names",
        arguments: [
            .spurious, .failed, .cause(.holePunch), .result(-14), .duration(10_423), .passes(1),
        ] as [Trigger.Condition])
    func holds(condition: Trigger.Condition) throws {
        #expect(Self.trigger(condition).holds(for: try Self.spurious()))
    }

    @Test(
        "each condition fails for everything else",
        arguments: [.loop, .cause(.truncate), .result(0), .duration(10_424), .passes(2)] as [Trigger.Condition])
    func holdsNot(condition: Trigger.Condition) throws {
        #expect(!Self.trigger(condition).holds(for: try Self.spurious()))
    }

    @Test("the condition loop holds until the loop ends")
    func loop() throws {
        let loop = try Self.finding(.progress(.looping(passes: 4096, durationNs: 84_000_000)))
        #expect(Self.trigger(.loop).holds(for: loop))
        #expect(Self.trigger(.loop, .passes(4096), .cause(.zeroPage)).holds(for: loop))
        #expect(!Self.trigger(.loop, .spurious).holds(for: loop))
        #expect(!Self.trigger(.failed).holds(for: loop))
    }

    @Test("all conditions of one trigger must hold")
    func all() throws {
        let finding = try Self.spurious()
        #expect(Self.trigger(.spurious, .cause(.holePunch)).holds(for: finding))
        #expect(!Self.trigger(.spurious, .cause(.truncate)).holds(for: finding))
    }

    @Test("a condition on what the sentinel does not see never holds, and requires full depth")
    func depth() throws {
        let inside = try Self.finding(.detach(.sample()), .lookup(.inside()))
        #expect(Self.trigger(.spurious).holds(for: inside))
        #expect(!Self.trigger(.passes(0)).holds(for: inside))
        #expect(!Self.trigger(.duration(1)).holds(for: inside))
        #expect(Self.trigger(.spurious, .duration(1)).needsFullDepth)
        #expect(Self.trigger(.loop).needsFullDepth)
        #expect(!Self.trigger(.spurious, .failed).needsFullDepth)
    }
}
