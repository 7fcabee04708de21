// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// What is ours is built strictly. Unsafe expressions are marked, and stand with what makes them safe: in `Capture`,
// `Provocation` and `futexscope`, which speak to the kernel, and in the few files of the others through which every
// byte of a recording or a text goes.
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
        // What takes hostile bytes and what is made of them: for the fuzzers in Tests/Fuzz.
        .library(
            name: "Readers", targets: ["Correlation", "Events", "Ftrace", "Pipeline", "Presentation", "Recording"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // The kernel side.  `bpf` is a C target only so that its files are seen to change.
        .target(name: "CRecords", path: "bpf", sources: ["records.c"], publicHeadersPath: "shared"),
        .target(name: "CLibbpf"),
        .plugin(name: "CompileBPF", capability: .buildTool()),
        .target(
            name: "BPFObject", exclude: ["embed.sh"], swiftSettings: strict, plugins: ["CompileBPF"]),

        // errno, files, clocks and threads: what every module that calls the C library needs.
        .target(name: "System", dependencies: ["CLinux"], swiftSettings: strict),
        // Ordered work on several CPUs, whatever the work is.
        .target(name: "OrderedWork", dependencies: ["System"], swiftSettings: strict),
        .target(name: "Events", swiftSettings: strict),
        .target(name: "Correlation", dependencies: ["Events"], swiftSettings: strict),
        .systemLibrary(name: "CZstd"),
        .target(
            name: "Ftrace", dependencies: ["CZstd", "Events", "OrderedWork", "System"], swiftSettings: strict,
            linkerSettings: [.linkedLibrary(":libzstd.a")]),
        .target(name: "CLinux"),
        .target(
            name: "Capture",
            dependencies: ["BPFObject", "CLibbpf", "CLinux", "CRecords", "Events", "Ftrace", "System"],
            swiftSettings: strict,
            linkerSettings: [
                // Debian's static archives: the product is one file without shared libraries.
                .linkedLibrary(":libbpf.a"), .linkedLibrary(":libelf.a"), .linkedLibrary(":libz.a"),
            ]),
        .target(name: "CCRC32C"),
        .target(name: "Recording", dependencies: ["CCRC32C", "Events", "System"], swiftSettings: strict),
        .target(name: "Presentation", dependencies: ["Correlation", "Events"], swiftSettings: strict),
        // Drives correlator and analysis for trace, live view, service, snapshots and report alike.
        .target(name: "Pipeline", dependencies: ["Correlation", "Events", "Presentation"], swiftSettings: strict),
        .target(name: "Provocation", dependencies: ["CLinux", "System"], swiftSettings: strict),
        // Knows HTTP and nothing of what it serves.
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
                "Capture", "CLinux", "Correlation", "Events", "Ftrace", "OrderedWork", "Pipeline", "Presentation",
                "Provocation", "Recording", "Service", "System",
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
            name: "CaptureTests", dependencies: ["BPFObject", "Capture", "CRecords", "Events"], swiftSettings: strict),
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
        // What release builds have in place of the toolchain's FoundationEssentials; see Toolchain/essentials.
        .target(name: "ReleaseEssentials", path: "Toolchain/FoundationEssentials", swiftSettings: strict),
        .testTarget(name: "ReleaseEssentialsTests", dependencies: ["ReleaseEssentials"], swiftSettings: lenient),
        .testTarget(name: "ServiceTests", dependencies: ["Service"], swiftSettings: strict),
        .testTarget(name: "ProvocationTests", dependencies: ["Provocation"], swiftSettings: strict),
    ]
)
