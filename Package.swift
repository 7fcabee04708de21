// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The project's own code is built with strict memory safety. Each unsafe expression is marked, and a comment beside it
// says why it is safe. Such expressions are in the modules that call the kernel or the C library, and in the few files
// of other modules that process every byte of a recording or a text.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// Tests that start other programs, with Foundation and without marks.
let lenient: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "futexscope",
    products: [
        .executable(name: "futexscope", targets: ["futexscope"]),
        // The readers of untrusted bytes, and the formats of their results: for the fuzzers in Tests/Fuzz.
        .library(
            name: "Readers", targets: ["Correlation", "Events", "Ftrace", "Pipeline", "Presentation", "Recording"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // The kernel side.  `bpf` is a C target only so that a change of its files is noticed.
        .target(name: "CRecords", path: "bpf", sources: ["records.c"], publicHeadersPath: "shared"),
        .target(name: "CLibbpf"),
        .plugin(name: "CompileBPF", capability: .buildTool()),
        .target(
            name: "BPFObject", dependencies: ["CZlib"], exclude: ["embed.sh"], swiftSettings: strict,
            plugins: ["CompileBPF"]),

        // errno, files, clocks and threads: what every module that calls the C library needs.
        .target(name: "System", dependencies: ["CLinux"], swiftSettings: strict),
        // Ordered work on several CPUs, whatever the work is.
        .target(name: "OrderedWork", dependencies: ["System"], swiftSettings: strict),
        .target(name: "Events", swiftSettings: strict),
        .target(name: "Correlation", dependencies: ["Events"], swiftSettings: strict),
        .systemLibrary(name: "CLzma"),
        .systemLibrary(name: "CZlib"),
        .systemLibrary(name: "CZstd"),
        .target(
            name: "Ftrace", dependencies: ["CLzma", "CZlib", "CZstd", "Events", "OrderedWork", "System"],
            swiftSettings: strict,
            // Not ":libz.a", which would then stand before libelf, which needs it as well.
            linkerSettings: [.linkedLibrary(":libzstd.a"), .linkedLibrary(":liblzma.a"), .linkedLibrary("z")]),
        .target(name: "CLinux"),
        // What every live source has in common, whatever it observes with.
        .target(name: "Live", dependencies: ["CLinux", "Events", "System"], swiftSettings: strict),
        .target(
            name: "Capture",
            dependencies: ["BPFObject", "CLibbpf", "CRecords", "Events", "Ftrace", "Live", "System"],
            swiftSettings: strict,
            linkerSettings: [
                // Debian's static archives: the product is one file without shared libraries.
                .linkedLibrary(":libbpf.a"), .linkedLibrary(":libelf.a"), .linkedLibrary(":libz.a"),
            ]),
        // tracefs instead of BPF.
        .target(
            name: "FtraceCapture", dependencies: ["CLinux", "Events", "Ftrace", "Live", "System"],
            swiftSettings: strict),
        .target(name: "CCRC32C"),
        .target(name: "Recording", dependencies: ["CCRC32C", "Events", "System"], swiftSettings: strict),
        .target(name: "Presentation", dependencies: ["Correlation", "Events"], swiftSettings: strict),
        // Drives correlator and analysis for trace, live view, service, snapshots and report alike.
        .target(name: "Pipeline", dependencies: ["Correlation", "Events", "Presentation"], swiftSettings: strict),
        .target(name: "Provocation", dependencies: ["CLinux", "Events", "System"], swiftSettings: strict),
        // HTTP, whatever it serves.
        .target(
            name: "Service",
            dependencies: [
                "System",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "futexscope",
            dependencies: [
                "Capture", "CLinux", "Correlation", "Events", "Ftrace", "FtraceCapture", "OrderedWork",
                "Pipeline", "Presentation", "Provocation", "Recording", "Service", "System",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        .target(
            name: "EventSamples", dependencies: ["Events"], path: "Tests/EventSamples", swiftSettings: strict),
        .target(name: "Golden", path: "Tests/Golden", swiftSettings: strict),
        // Programs that fleets run, and what is asked of them.
        .target(name: "Fleet", path: "Tests/Fleet", exclude: ["programs"], swiftSettings: lenient),
        .testTarget(
            name: "DashboardTests", dependencies: ["Events", "Fleet"], exclude: ["read_dashboard.py", "rules"],
            swiftSettings: lenient),
        .testTarget(
            name: "CaptureTests", dependencies: ["BPFObject", "Capture", "CRecords", "Events", "Live"],
            swiftSettings: strict),
        .testTarget(
            name: "FtraceCaptureTests", dependencies: ["Events", "EventSamples", "Ftrace", "FtraceCapture"],
            swiftSettings: strict),
        .testTarget(name: "LiveTests", dependencies: ["Events", "Live"], swiftSettings: strict),
        .testTarget(
            name: "KernelTests", dependencies: ["Correlation", "Events", "Fleet", "Ftrace"],
            exclude: ["readers", "scenarios", "vm"], swiftSettings: lenient),
        .testTarget(
            name: "FtraceTests", dependencies: ["Correlation", "Events", "Ftrace", "Golden"],
            exclude: ["Golden", "Samples"], swiftSettings: strict),
        .testTarget(name: "OrderedWorkTests", dependencies: ["OrderedWork"], swiftSettings: strict),
        .testTarget(name: "SystemTests", dependencies: ["System"], swiftSettings: lenient),
        .testTarget(name: "EventsTests", dependencies: ["Events"], swiftSettings: strict),
        .testTarget(
            name: "CorrelationTests", dependencies: ["Correlation", "Events", "EventSamples"], swiftSettings: strict),
        .executableTarget(
            name: "synthesize", dependencies: ["Events", "EventSamples", "Recording"], path: "Tests/Synthesize",
            swiftSettings: strict),
        .executableTarget(
            name: "replay", dependencies: ["Correlation", "Events", "Pipeline", "Presentation", "Recording"],
            path: "Benchmarks/Replay", swiftSettings: strict),
        .testTarget(
            name: "RecordingTests", dependencies: ["CCRC32C", "Events", "EventSamples", "Recording", "synthesize"],
            exclude: ["Samples"], swiftSettings: strict),
        .testTarget(
            name: "PresentationTests",
            dependencies: [
                "Correlation", "Events", "EventSamples", "Golden", "OrderedWork", "Pipeline", "Presentation",
            ],
            exclude: ["Golden"],
            swiftSettings: strict),
        .testTarget(
            name: "ExportTests", dependencies: ["Correlation", "Events", "EventSamples", "Pipeline", "Presentation"],
            exclude: ["readers"], swiftSettings: strict),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "CLinux", "Correlation", "Events", "EventSamples", "futexscope", "Golden", "Pipeline", "Presentation",
                "Provocation", "Recording", "Service",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["Golden"], swiftSettings: strict),
        // The part of FoundationEssentials that release builds use instead of the toolchain's; see
        // Toolchain/essentials.
        .target(name: "ReleaseEssentials", path: "Toolchain/FoundationEssentials", swiftSettings: strict),
        .testTarget(name: "ReleaseEssentialsTests", dependencies: ["ReleaseEssentials"], swiftSettings: lenient),
        .testTarget(name: "ServiceTests", dependencies: ["Service"], swiftSettings: strict),
        .testTarget(name: "ProvocationTests", dependencies: ["Provocation"], swiftSettings: strict),
    ]
)
