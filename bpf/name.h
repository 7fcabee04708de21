/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The path of the file of an observation, collected while the victim still maps the file.
 * A later search in /proc would need a victim that has not ended, and rights over the
 * processes of other users.  The walk is that of d_path(): from the file's entry up to the
 * root of its mount, then from the mount point up to the next root, and so on; it is made
 * twice, because a program cannot look at rename_lock.  Only facts are collected; Swift
 * code decides which state of the file they mean.
 */
#ifndef FUTEXSCOPE_NAME_H
#define FUTEXSCOPE_NAME_H

#include "maps.h"

/* The largest number of directories and mounts in one path. */
#define NAME_STEPS 48
/* The prime of FNV-1a. */
#define SEAL_FACTOR 0x100000001b3ull
/* A name is sent again after this time, because a directory above the file may be renamed. */
#define NAME_INTERVAL_NS 1000000000ull
#define NAMED_FILES	 1024

/* The file of each slot whose name was sent last, with all that shows a change: the number of
 * an inode is used again after its file is removed, and a file can get another name.  If two
 * tasks use a slot at once, a name may be sent twice. */
struct named_file {
	__u64 inode;
	__u64 entry;
	__u64 name; /* hash and length of the last part of the path */
	__u32 dev;
	__u32 generation;
	__u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMED_FILES);
	__type(key, __u32);
	__type(value, struct named_file);
} named_files SEC(".maps");

struct name_record {
	struct fs_name name;
	char text[FS_NAME_BYTES];
};

/* The position of a walk from a file to the root of its mount namespace. */
struct name_walk {
	struct dentry *entry;
	struct mount *mount;
	/* The victim's own root. */
	struct dentry *root_entry;
	struct vfsmount *root_mount;
	__u32 bytes;
	/* A sum over the parents and names of the entries so far, which a rename changes. */
	__u64 seal;
};

static __always_inline struct mount *mount_of(struct vfsmount *inner)
{
	return (void *)inner - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline bool is_at_mount(const struct name_walk *walk)
{
	struct mount *mount = walk->mount;

	return walk->entry == BPF_CORE_READ(mount, mnt.mnt_root);
}

static __always_inline void seal_entry(struct name_walk *walk)
{
	struct dentry *entry = walk->entry;
	__u64 parent = (__u64)BPF_CORE_READ(entry, d_parent);
	__u64 name = BPF_CORE_READ(entry, d_name.hash_len);

	walk->seal = (walk->seal * SEAL_FACTOR ^ parent) * SEAL_FACTOR ^ name;
}

/* To the parent, or to the mount point; 0 at the root of all mounts, and at a file that never
 * was in a directory. */
static __always_inline int climb(struct name_walk *walk)
{
	struct dentry *entry = walk->entry, *parent;
	struct mount *mount = walk->mount, *above;

	if (is_at_mount(walk)) {
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount)
			return 0;
		walk->entry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		return 1;
	}
	parent = BPF_CORE_READ(entry, d_parent);
	if (parent == entry)
		return 0;
	walk->entry = parent;
	return 1;
}

/* One step of the walk towards the root; 0 at its end.  The function is not static, so the
 * verifier checks it once, and not once for each turn of the loop that calls it. */
__noinline int name_step(struct name_record *out, struct name_walk *walk)
{
	struct dentry *entry;
	long bytes;

	if (!out || !walk)
		return 0;
	entry = walk->entry;
	if (entry == walk->root_entry && walk->mount == mount_of(walk->root_mount))
		out->name.facts |= FS_NAME_IN_VICTIM_ROOT;
	/* Before the text is read: a rename after this changes the sum of the second walk. */
	seal_entry(walk);
	if (!is_at_mount(walk)) {
		if (walk->bytes >= FS_NAME_LEN)
			return 0;
		bytes = bpf_probe_read_kernel_str(out->text + walk->bytes, FS_NAME_PART_LEN,
						  BPF_CORE_READ(entry, d_name.name));
		if (bytes <= 1)
			return 0;
		walk->bytes += bytes & (2 * FS_NAME_PART_LEN - 1);
	}
	if (climb(walk))
		return 1;
	out->name.facts |= FS_NAME_COMPLETE;
	return 0;
}

/* The same step without text. */
__noinline int seal_step(struct name_walk *walk)
{
	if (!walk)
		return 0;
	seal_entry(walk);
	return climb(walk);
}

/* The path by which a task has opened the file.  A task that maps a file of an overlay maps the
 * file of a lower layer, through an internal mount of the kernel.  From 6.8 the path in the
 * overlay follows that struct file in memory (def3ae83da02).  A bit of f_mode shows which files
 * have such a path, but the bit differs between kernels.  So the path is accepted if its mount
 * and its entry belong to one file system. */
static __always_inline struct path *path_of(struct file *file)
{
	struct backing_file *backing =
		(void *)file - bpf_core_field_offset(struct backing_file, file);
	struct path *own = (void *)file + bpf_core_field_offset(struct file, f_path), *user;
	struct mount *mount = mount_of(BPF_CORE_READ(own, mnt));
	struct super_block *super;

	if (!bpf_core_field_exists(backing->user_path) ||
	    BPF_CORE_READ(mount, mnt_ns) != MNT_NS_INTERNAL)
		return own;
	user = (void *)backing + bpf_core_field_offset(struct backing_file, user_path);
	super = BPF_CORE_READ(user, mnt, mnt_sb);
	return super && super == BPF_CORE_READ(user, dentry, d_sb) ? user : own;
}

/* Returns false if a rename came during the walk: its parts may be from before and after it. */
static __always_inline bool fill_name(struct name_record *record, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct path *path = path_of(file);
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct name_walk walk = {}, second;
	struct fs_name *out = &record->name;
	struct mnt_namespace *space;
	struct dentry *entry;
	struct mount *mount;
	int steps = 0;

	entry = BPF_CORE_READ(path, dentry);
	mount = mount_of(BPF_CORE_READ(path, mnt));
	walk.entry = entry;
	walk.mount = mount;
	walk.root_entry = BPF_CORE_READ(fs, root.dentry);
	walk.root_mount = BPF_CORE_READ(fs, root.mnt);
	out->inode = BPF_CORE_READ(inode, i_ino);
	out->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	out->fs_magic = BPF_CORE_READ(inode, i_sb, s_magic);
	out->facts = 0;
	out->mount_namespace = 0;
	bpf_probe_read_kernel_str(out->fs_type, sizeof(out->fs_type),
				  BPF_CORE_READ(inode, i_sb, s_type, name));
	if (!BPF_CORE_READ(inode, i_nlink))
		out->facts |= FS_NAME_DELETED;
	if (!BPF_CORE_READ(entry, d_hash.pprev))
		out->facts |= FS_NAME_NOT_IN_DIRECTORY;
	if (BPF_CORE_READ(entry, d_inode) != inode)
		out->facts |= FS_NAME_OVERLAY;
	space = BPF_CORE_READ(mount, mnt_ns);
	if (space == MNT_NS_INTERNAL)
		out->facts |= FS_NAME_INTERNAL;
	else if (space)
		out->mount_namespace = BPF_CORE_READ(space, ns.inum);
	second = walk;
	while (steps < NAME_STEPS) {
		steps++;
		if (!name_step(record, &walk))
			break;
	}
	for (int step = 0; step < NAME_STEPS; step++) {
		if (step == steps || !seal_step(&second))
			break;
	}
	out->bytes = walk.bytes;
	return walk.seal == second.seal;
}

static __always_inline void read_inode(struct named_file *out, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	out->inode = BPF_CORE_READ(inode, i_ino);
	out->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	out->generation = BPF_CORE_READ(inode, i_generation);
}

static __always_inline struct named_file *named_at(const struct named_file *file)
{
	__u32 place = (__u32)(file->inode ^ file->inode >> 10 ^ file->dev) & (NAMED_FILES - 1);

	return bpf_map_lookup_elem(&named_files, &place);
}

/* File systems reuse the number of an inode; its generation differs then. */
static __always_inline bool is_same_file(const struct named_file *one, const struct named_file *two)
{
	return one->inode == two->inode && one->dev == two->dev &&
	       one->generation == two->generation;
}

/* Whether the last name that was sent for this inode number is that of this file. */
static __always_inline bool is_named(struct file *file)
{
	struct named_file now = {}, *named;

	read_inode(&now, file);
	named = named_at(&now);
	return named && is_same_file(named, &now);
}

/* Sends the name of a file, unless the same name was sent within the last second.  Returns 0
 * if the reader has a name of this file, else 1: then a name that the reader has for its inode
 * number is that of an earlier file.  The function is large and not static, so the verifier
 * checks it once. */
__noinline int name_file(__u64 address)
{
	struct file *file = (void *)address;
	struct dentry *entry = BPF_CORE_READ(file, f_path.dentry);
	struct named_file now = {
		.entry = (__u64)entry,
		.name = BPF_CORE_READ(entry, d_name.hash_len),
		.time = bpf_ktime_get_ns(),
	};
	struct name_record *record;
	struct named_file *named;
	bool is_known;

	read_inode(&now, file);
	named = named_at(&now);
	if (!named)
		return 1;
	is_known = is_same_file(named, &now);
	if (is_known && named->entry == now.entry && named->name == now.name &&
	    now.time - named->time < NAME_INTERVAL_NS)
		return 0;
	if (!ring_has_room()) {
		COUNT(ring_full[FS_NAME]);
		return !is_known;
	}
	record = reserve(FS_NAME, sizeof(*record), now.time, false);
	if (!record)
		return !is_known;
	if (!fill_name(record, file)) {
		/* The next observation sends it. */
		bpf_ringbuf_discard(record, 0);
		return !is_known;
	}
	submit(record, FS_NAME);
	*named = now;
	return 0;
}

#endif
