// SPDX-License-Identifier: Apache-2.0

// Compiles bpf/futexscope.bpf.c with the toolchain's own clang and turns the object into a Swift file,
// so that the product carries its programs inside. Every file below bpf/ is an input: an edit of any
// of them rebuilds the object.

import Foundation
import PackagePlugin

@main
struct CompileBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let root = context.package.directoryURL
        let bpf = root.appending(path: "bpf")
        let clang = try context.tool(named: "clang").url
        let source = bpf.appending(path: "futexscope.bpf.c")
        let output = context.pluginWorkDirectoryURL
        let swift = output.appending(path: "EmbeddedObject.swift")
        let inputs =
            FileManager.default.enumerator(at: bpf, includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }
            .filter { ["c", "h"].contains($0.pathExtension) } ?? []
        let script = target.directoryURL.appending(path: "embed.sh")
        return [
            .buildCommand(
                displayName: "Compiling \(source.lastPathComponent)",
                executable: URL(filePath: "/bin/sh"),
                arguments: [
                    script.path, clang.path, source.path, root.path, output.path, swift.path,
                ],
                inputFiles: inputs + [script],
                outputFiles: [swift])
        ]
    }
}
