// SPDX-License-Identifier: Apache-2.0

/// The causes that can be provoked, named as in findings, except `neighbour-punch` and `hugetlb-punch`, which findings
/// show as `hole-punch`; `ordinary`, the control: lookups that find their mapping; and failures without an observation,
/// named as in findings. Each has one line on what happens and one on what it needs; its `Scenario` says how it is
/// done.
public enum ProvokedCause: String, CaseIterable, Sendable, CustomStringConvertible {
    case ordinary
    case zeroPage = "zero-page"
    case specialMapping = "special-mapping"
    case holePunch = "hole-punch"
    case truncate
    case directIOInvalidation = "direct-io-invalidation"
    case neighbourPunch = "neighbour-punch"
    case hugetlbPunch = "hugetlb-punch"
    case blockZeroOut = "block-zero-out"
    case memoryFailure = "memory-failure"
    case dropCaches = "drop-caches"
    case fadvise
    case reclaim
    case swapOut = "swap-out"
    case migration
    case collapse
    case unmappedAddress = "unmapped-address"
    case noPermission = "no-permission"
    case beyondEndOfFile = "beyond-end-of-file"
    case deviceMemory = "device-memory"
    case secretMemory = "secret-memory"
    case poisoned
    case readOnlyAnonymous = "read-only-anonymous"
    case noMemory = "no-memory"

    public var description: String { rawValue }

    /// What is expected of the victim's calls.
    public enum Expectation: Sendable {
        /// Every call finds the mapping.
        case none
        /// Every call fails with `EFAULT`, for a page without a mapping or for want of a page.
        case always
        /// Some calls fail: it is a race.
        case sometimes
        /// The page is detached and comes back, and on the kernels known so far no call observes it.
        case withstood
    }

    public var expectation: Expectation { about.expectation }

    /// What happens, in one line.
    public var summary: String { about.summary }

    /// What the host must have or permit, in one line.
    public var needs: String { about.needs }

    private var about: (expectation: Expectation, summary: String, needs: String) {
        switch self {
        case .ordinary:
            (.none, "the control: shared futex calls that find their mapping", "nothing")
        case .zeroPage:
            (.always, "a private read-only page that was only read: the zero page", "nothing")
        case .specialMapping:
            (
                .always, "the vDSO, and a page that a driver maps",
                "nothing for the vDSO; CAP_NET_RAW (packet ring), CAP_BPF (array) or io_uring for the other"
            )
        case .holePunch:
            (
                .sometimes, "the culprit punches a hole in the page of the futex",
                "a directory to write to (/dev/shm unless --path)"
            )
        case .truncate:
            (
                .sometimes, "the culprit truncates the file and extends it again",
                "a directory to write to (/dev/shm unless --path)"
            )
        case .directIOInvalidation:
            (
                .sometimes, "the culprit writes past the page cache (O_DIRECT)",
                "--path DIR on a disk file system with O_DIRECT (ext4, XFS)"
            )
        case .neighbourPunch:
            (
                .sometimes, "a hole in another page of the same large folio",
                "--path DIR on a file system with large folios (XFS from 6.1, ext4 from 6.16)"
            )
        case .hugetlbPunch:
            (
                .sometimes, "a hole in a hugetlbfs file",
                "two free 2 MiB huge pages (echo 4 > /proc/sys/vm/nr_hugepages) and, with --path, a hugetlbfs directory"
            )
        case .blockZeroOut:
            (
                .sometimes, "BLKZEROOUT on a mapped block device",
                "root, and --path DIR for a file behind a loop device (module loop), or --path DEVICE that is "
                    + "unused and begins with zeros (its first 4096 bytes are overwritten)"
            )
        case .memoryFailure:
            (
                .sometimes, "the page is poisoned (MADV_HWPOISON)",
                "root, a kernel with CONFIG_MEMORY_FAILURE, --path DIR on a disk file system; at most "
                    + "\(Scenario.poisonLimit) pages of 4 KiB are lost until the next boot, "
                    + "unless the module hwpoison_inject is loaded"
            )
        case .dropCaches:
            (.withstood, "/proc/sys/vm/drop_caches, for the whole host", "root, --path DIR on a disk file system")
        case .fadvise:
            (.withstood, "POSIX_FADV_DONTNEED on the file", "--path DIR on a disk file system")
        case .reclaim:
            (
                .withstood, "the victim's file page is reclaimed (MADV_PAGEOUT by process_madvise)",
                "root, Linux 5.10, --path DIR on a disk file system"
            )
        case .swapOut:
            (
                .withstood, "the victim's tmpfs page is swapped out (MADV_PAGEOUT by process_madvise)",
                "root, Linux 5.10, tmpfs, and swap that is on (futexscope does not switch it on: see mkswap and swapon)"
            )
        case .migration:
            (
                .withstood, "the page moves: between two nodes (move_pages), or by compaction of the whole host",
                "root; NUMA with two nodes (numa=fake=2) or CONFIG_COMPACTION"
            )
        case .collapse:
            (
                .withstood, "small pages become a huge one (MADV_COLLAPSE)",
                "Linux 6.1 with CONFIG_TRANSPARENT_HUGEPAGE, tmpfs, 64 MiB of memory"
            )
        case .unmappedAddress: (.always, "no page: nothing is mapped at the address", "nothing")
        case .noPermission:
            (
                .always, "no page: the memory area permits no access",
                "a directory to write to (/dev/shm unless --path)"
            )
        case .beyondEndOfFile:
            (
                .always, "no page: the address is behind the end of its file",
                "a directory to write to (/dev/shm unless --path)"
            )
        case .deviceMemory: (.always, "no page: memory of a device", "root, /dev/mem")
        case .secretMemory:
            (.always, "no page: secret memory", "memfd_secret (to Linux 6.4 with secretmem.enable=1)")
        case .poisoned:
            (
                .always, "no page: it is poisoned (MADV_HWPOISON)",
                "root, Linux 5.16 with CONFIG_MEMORY_FAILURE, tmpfs; one page of 4 KiB is lost until the next boot"
            )
        case .readOnlyAnonymous: (.always, "an anonymous page in a read-only memory area", "nothing")
        case .noMemory:
            (
                .always, "no page: no huge page is free",
                "two free 2 MiB huge pages; the run takes all that are free until it ends"
            )
        }
    }

    /// One line per cause for `--list`, without a newline at the end.
    public static var listing: String {
        let width = allCases.map(\.rawValue.count).max() ?? 0
        return allCases.map { cause in
            let name = cause.rawValue + String(repeating: " ", count: width - cause.rawValue.count)
            return "\(name)  \(cause.summary) [needs: \(cause.needs)]"
        }.joined(separator: "\n")
    }
}
