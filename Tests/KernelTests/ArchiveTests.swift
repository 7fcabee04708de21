// SPDX-License-Identifier: Apache-2.0

// The choice of Debian packages for a guest's kernel, from an archive whose contents are given: what apt-cache
// would print stands in a table.

import Foundation
import Testing

@Suite struct ArchiveTests {
    /// Runs `words` of vm/lib.sh against an archive: one line for each package, "NAME VERSION [DEPENDS]".
    private func run(_ words: String, archive: String) throws -> (status: Int32, output: String, error: String) {
        let directory = FileManager.default.temporaryDirectory.appending(path: "futexscope-archive-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try archive.write(to: directory.appending(path: "packages"), atomically: true, encoding: .utf8)
        let program = directory.appending(path: "apt-cache")
        try """
        #!/bin/bash
        # apt-cache -c CONFIG madison NAME | show NAME=VERSION
        cd "$(dirname "$0")"
        case $3 in
        madison) awk -v n="$4" '$1 == n { print $1 " | " $2 " | archive" }' packages | sed 's/ | / | /' ;;
        show) awk -v n="${4%%=*}" -v v="${4#*=}" '$1 == n && $2 == v { $1 = $2 = ""; print "Depends:" $0 }' packages ;;
        esac
        """.write(to: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
        let library = GuestRuns.root.appending(path: "vm/lib.sh").path
        let script = """
            PATH=\(directory.path):$PATH
            . \(library)
            apt_conf=none
            \(words)
            """
        let result = try Host.run("bash", ["-c", script])
        return (result.status, String(decoding: result.output, as: UTF8.self), result.error)
    }

    private static let twoUploads = """
        linux-headers-cloud 6.1.176-1 linux-headers-6.1.0-50-cloud (= 6.1.176-1)
        linux-headers-cloud 6.1.192-2 linux-headers-6.1.0-56-cloud (= 6.1.192-2)
        linux-headers-6.1.0-50-cloud 6.1.176-1 linux-kbuild-6.1 (>= 6.1.176-1), gcc-12
        linux-headers-6.1.0-56-cloud 6.1.192-2 linux-headers-6.1.0-56-common (= 6.1.192-2), linux-kbuild-6.1 (>= 6.1.192-2)
        linux-headers-6.1.0-56-common 6.1.192-2
        """

    @Test("a dependency that permits a later version gets the newest one")
    func laterVersionIsTaken() throws {
        let archive = Self.twoUploads + "\nlinux-kbuild-6.1 6.1.176-1\nlinux-kbuild-6.1 6.1.192-3\n"
        let run = try run("apt_set linux-headers-cloud 6.1.192-2 '^linux-(headers|kbuild)-[0-9]'", archive: archive)
        #expect(run.status == 0, "\(run.error)")
        #expect(
            run.output.split(separator: "\n").sorted() == [
                "linux-headers-6.1.0-56-cloud=6.1.192-2", "linux-headers-6.1.0-56-common=6.1.192-2",
                "linux-kbuild-6.1=6.1.192-3",
            ])
    }

    @Test("a set that is not complete yet is refused with the package that is missing")
    func incompleteSetIsRefused() throws {
        let archive = Self.twoUploads + "\nlinux-kbuild-6.1 6.1.176-1\n"
        let run = try run("apt_set linux-headers-cloud 6.1.192-2 '^linux-(headers|kbuild)-[0-9]'", archive: archive)
        #expect(run.status != 0)
        #expect(run.error.contains("depends on linux-kbuild-6.1 (>= 6.1.192-2), which the archive does not have now"))
        let older = try self.run(
            "apt_set linux-headers-cloud 6.1.176-1 '^linux-(headers|kbuild)-[0-9]'", archive: archive)
        #expect(older.status == 0)
    }

    @Test("versions are listed with the newest first, each once")
    func versionsAreSorted() throws {
        let archive = "p 6.1.9-1\np 6.1.176-1\np 6.1.192-2\np 6.1.192-2\np 6.1.192-2~bpo1\n"
        #expect(
            try run("apt_versions p", archive: archive).output.split(separator: "\n") == [
                "6.1.192-2", "6.1.192-2~bpo1", "6.1.176-1", "6.1.9-1",
            ])
    }
}
