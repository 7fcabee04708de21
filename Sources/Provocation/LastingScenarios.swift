// SPDX-License-Identifier: Apache-2.0

// The scenarios without a culprit: pages that never have a mapping, and the control, whose page always has one.

extension Scenario {
    static let ordinary = Scenario(cause: .ordinary, place: .directory, footing: .file(.readWrite))

    static let zeroPage = Scenario(cause: .zeroPage, place: .nowhere, footing: .zeroPage)

    static let specialMapping = Scenario(cause: .specialMapping, place: .nowhere, footing: .specialPages)
}
