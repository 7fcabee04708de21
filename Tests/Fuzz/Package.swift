// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// Built with `--sanitize=fuzzer`, which brings a `main` of its own: a package apart, so that a plain build
// of the tool never meets it.
let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "futexscope", path: "../..")],
    targets: [
        .target(name: "Exercise", dependencies: [.product(name: "Readers", package: "futexscope")]),
        .executableTarget(
            name: "fuzz-recording", dependencies: ["Exercise", .product(name: "Readers", package: "futexscope")],
            path: "Sources/FuzzRecording"),
        .executableTarget(
            name: "fuzz-ftrace", dependencies: ["Exercise", .product(name: "Readers", package: "futexscope")],
            path: "Sources/FuzzFtrace"),
        .executableTarget(
            name: "fuzz-data", dependencies: ["Exercise", .product(name: "Readers", package: "futexscope")],
            path: "Sources/FuzzData"),
    ],
    swiftLanguageModes: [.v6]
)
