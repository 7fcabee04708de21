// SPDX-License-Identifier: Apache-2.0

// Where a page's file is, and whose work its tasks do: on kernels that keep the path of an overlay beside the file (6.8
// and later), and on one that does not.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct PlacesTests {
    static let guests =
        Guests.areWanted
        ? Kernels.matrix(short: ["6.1", "6.12"]).map {
            Guest(kernel: $0, mode: .sentinel, scenario: "places", program: "nameless")
        } : []
    /// Each trace with the state that its findings' file must have, and the path where that says something.
    static let states: [(name: String, state: String, path: String?)] = [
        ("linked", "linked", nil), ("deleted", "deleted", nil), ("named", "linked", "/mnt/tmpfs/a file (deleted)"),
        ("unreachable", "unreachable", nil), ("other-root", "other-root", nil), ("overlay", "overlay", nil),
        ("sysv", "sysv-shm", "/SYSV0000002a"), ("anonymous", "shared-anonymous", "/dev/zero"),
        ("memory", "memfd", "/memfd:a name"),
    ]

    @Test("each file is said to be where it is", arguments: guests)
    func states(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for (name, state, path) in Self.states {
            let pages = try run.trace(name).lookups.compactMap { $0.object("page") }
            #expect(!pages.isEmpty, "\(name)")
            // The provocation removes its file at the end.
            #expect(pages.first?.text("file_state") == state, "\(name)")
            let paths = Set(pages.compactMap { $0.text("path") })
            #expect(paths.count == 1, "\(name)")
            #expect(
                paths.allSatisfy { $0 == path || path == nil && !$0.hasSuffix("(deleted)") },
                "\(name): \(paths)")
        }
    }

    @Test("a control group's path says whose work it is, of victim and culprit", arguments: guests)
    func workloads(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let id = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d"
        for (name, unit, container, pod) in [
            ("sysv", "cri-containerd-\(id).scope", id, "74c13223-5a00-11e9-b385-42010a80018d"),
            ("anonymous", "docker-\(id).scope", id, nil), ("memory", "app.service", nil, nil),
        ] as [(String, String, String?, String?)] {
            for lookup in try run.trace(name).lookups {
                for task in [lookup, try #require(lookup.object("detach"))] {
                    #expect(task.text("unit") == unit, "\(name)")
                    #expect(task.text("container") == container, "\(name)")
                    #expect(task.text("pod") == pod, "\(name)")
                }
            }
        }
    }

    @Test("the detach of a file that was never seen before has its path too", arguments: guests)
    func firstDetach(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let rows = try Host.run(
            GuestRuns.binary.path, ["export", "-f", "json", "--type", "detaches", run.recording("linked")])
        let lines = String(decoding: rows.output, as: UTF8.self).split(separator: "\n")
        let first = try JSONObject(line: try #require(lines.first))
        #expect(first.object("page")?.text("path")?.hasPrefix("/mnt/tmpfs/futexscope-provoke-") == true)
    }

    @Test("a replay says the same", arguments: guests)
    func replay(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        for (name, _, _) in Self.states {
            let live = try Data(contentsOf: run.directory.appending(path: name + ".json"))
            let replayed = try Host.run(GuestRuns.binary.path, ["report", "-f", "json", run.recording(name)])
            #expect(replayed.output.starts(with: live), "\(name)")
        }
    }
}
