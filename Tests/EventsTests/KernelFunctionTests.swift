// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

/// The table of kernel functions, and how a stack is read with it.
@Suite("Kernel functions") struct KernelFunctionTests {
    @Test("each name is in one row, and each row means something")
    func rows() {
        let names = KernelFunctions.all.flatMap(\.names)
        #expect(Set(names).count == names.count)
        for function in KernelFunctions.all where function != KernelFunctions.unaccount {
            #expect(!function.names.isEmpty)
            #expect(!function.landmark.isEmpty || function.probe != nil, "\(function.names)")
        }
        let roles = KernelFunctions.all.compactMap(\.probe?.role)
        #expect(Set(roles).count == roles.count)
    }

    @Test("a landmark is one bit with one name, and there are functions for it")
    func landmarks() {
        let bits = Landmarks.table.map(\.landmark.rawValue)
        #expect(bits.allSatisfy { $0.nonzeroBitCount == 1 })
        #expect(Set(bits).count == bits.count)
        #expect(Set(Landmarks.table.map(\.name)).count == bits.count)
        for row in Landmarks.table {
            #expect(row.landmark.names == [row.name])
            #expect(KernelFunctions.landmarks.contains { $0.landmark == row.landmark }, "\(row.name)")
        }
        for function in KernelFunctions.landmarks {
            #expect(bits.contains(function.landmark.rawValue), "\(function.names)")
        }
    }

    private static func detach(_ landmarks: Landmarks, in scope: ActivityKind? = nil) -> Detach {
        Detach(
            time: 1, page: PageID(rawValue: 1), culprit: TaskIdentity(pid: 1, tid: 1, comm: Comm("x")),
            file: FileID(device: 1, inode: 1), magic: 0, index: 0, fileSize: 0, pages: 1, references: 3,
            via: .pageCache, scope: scope, hole: nil, landmarks: landmarks, stackIsNamed: true)
    }

    @Test("on every stack, the first landmark of the table that decides wins")
    func order() {
        let deciding: [(Landmarks, ActivityKind)] = [
            (.swapOut, .swapOut), (.migration, .migration), (.collapse, .collapse), (.memoryFailure, .memoryFailure),
            (.dropCaches, .dropCaches), (.reclaim, .reclaim), (.fadvise, .fadvise),
            (.invalidate2, .directIOInvalidation),
        ]
        var wrong = 0
        for bits in UInt64(0)..<1 << UInt64(Landmarks.table.count) {
            let stack = Landmarks(rawValue: bits)
            guard let first = deciding.first(where: { stack.contains($0.0) }) else { continue }
            for scope in [nil, .holePunch, .truncate] as [ActivityKind?] {
                let reading = Self.detach(stack, in: scope).stackReading
                if reading != StackReading(operation: first.1, isExact: true) { wrong += 1 }
            }
        }
        #expect(wrong == 0)
    }

    @Test("landmarks that lie on several paths name an operation only together")
    func shared() {
        #expect(
            Landmarks.shared == [.truncateRange, .partialFolio, .invalidate, .evict, .blockDeviceTruncate, .split])
        let (exact, unknown) = (
            { StackReading(operation: $0, isExact: true) }, StackReading(operation: nil, isExact: true)
        )
        #expect(Self.detach([.blockDeviceTruncate, .truncateRange]).stackReading == exact(.blockZeroOut))
        for landmark in [Landmarks.truncateRange, .partialFolio, .invalidate, .evict, .blockDeviceTruncate] {
            #expect(Self.detach(landmark).stackReading == unknown)
        }
        #expect(Self.detach([.truncateRange, .setSize]).stackReading == exact(.truncate))
        #expect(Self.detach([.truncateRange, .fallocate], in: .holePunch).stackReading == exact(.holePunch))
        #expect(Self.detach([.truncateRange, .fallocate], in: .fallocateOther).stackReading == exact(.fallocateOther))
        #expect(
            Self.detach([.truncateRange, .fallocate]).stackReading == StackReading(operation: nil, isExact: false))
    }
}
