// SPDX-License-Identifier: Apache-2.0

// Magic numbers of file systems: super_block.s_magic, as linux/magic.h and the file systems' own headers have them.

/// The magic numbers that something depends on.
public enum FileSystemMagic {
    public static let bdev: UInt32 = 0x6264_6576
    public static let btrfs: UInt32 = 0x9123_683e
    /// ext2, ext3 and ext4.
    public static let ext: UInt32 = 0xef53
    public static let f2fs: UInt32 = 0xf2f5_2010
    public static let hugetlbfs: UInt32 = 0x9584_58f6
    public static let ramfs: UInt32 = 0x8584_58f6
    /// memfd_secret(2).
    public static let secretMemory: UInt32 = 0x5345_434d
    public static let tmpfs: UInt32 = 0x0102_1994
    public static let xfs: UInt32 = 0x5846_5342
}
