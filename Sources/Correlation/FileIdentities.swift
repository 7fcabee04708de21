// SPDX-License-Identifier: Apache-2.0

// Which file a number means at a moment. Events name files by device and inode, and file systems reuse an inode number
// for another file when the first one is removed; a path that changes shows that. A file that is renamed counts as
// another file, too, because the events do not distinguish the two cases.

public import Events

/// A file as a run knew it: by number, and by which of its names it had then. File systems reuse inode numbers, so a
/// number alone can mean several files.
public struct FileKey: Sendable, Hashable {
    public var file: FileID
    /// 0 for the first path that the run had for this number, 1 for the next one, and so on.
    public var generation: UInt32

    public init(file: FileID, generation: UInt32 = 0) { (self.file, self.generation) = (file, generation) }
}

/// The files of a run by number and path, in bounded memory.
struct FileIdentities: Sendable, Equatable {
    /// Files whose paths are followed. Of others the number alone counts.
    static let limit = 4096

    private var generations: [FileID: UInt32] = [:]
    private var paths: [FileKey: String] = [:]
    /// Whether any number has had a second path: nearly always no, and then nothing has to be looked up.
    private var hasLaterGenerations = false

    /// What the number means now.
    func key(of file: FileID) -> FileKey {
        guard hasLaterGenerations else { return FileKey(file: file) }
        return FileKey(file: file, generation: generations[file] ?? 0)
    }

    /// The path that this file had; nil when it had none or is not followed.
    func path(of key: FileKey) -> String? { paths[key] }

    /// Whether the file still is what its number means.
    func isCurrent(_ key: FileKey) -> Bool { (generations[key.file] ?? 0) == key.generation }

    /// An empty text says that the path is not known any more.
    mutating func learn(_ name: Name) {
        guard case .file(let file) = name.subject else { return }
        var key = FileKey(file: file, generation: generations[file] ?? 0)
        let known = paths[key]
        if (known ?? "") == name.text { return }
        guard paths.count < Self.limit else { return }
        if known != nil {
            hasLaterGenerations = true
            key.generation += 1
        }
        generations[file] = key.generation
        paths[key] = name.text.isEmpty ? nil : name.text
    }
}
