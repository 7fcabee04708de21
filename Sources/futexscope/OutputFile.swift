// SPDX-License-Identifier: Apache-2.0

// Files that a command makes: new ones only, since nothing is overwritten. Live runs and analyses use the same words
// for what is in the way.

/// Making a file for output.
enum OutputFile {
    /// Makes a file that must not exist yet.
    /// - Throws: what is in the way, as an error of usage.
    static func create(_ path: String, what: String) throws -> Descriptor {
        do throws(Descriptor.CreateFailure) {
            return try Descriptor.create(path)
        } catch {
            switch error {
            case .exists: throw inTheWay(path, of: what)
            case .failed(let reason):
                throw CommandFailure.usage(
                    "cannot make \(what) \(path): \(reason); expected a new file in a directory that can be written to")
            }
        }
    }

    static func inTheWay(_ path: String, of what: String) -> CommandFailure {
        .usage("cannot make \(what) \(path): it exists, and nothing is overwritten; remove it or choose another path")
    }
}
