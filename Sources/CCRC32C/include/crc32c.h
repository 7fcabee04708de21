/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4) of a block of bytes: with the
 * processor's own instruction where it has one, else by table.
 */
#ifndef FUTEXSCOPE_CRC32C_H
#define FUTEXSCOPE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* `before` is the result for the bytes that come before these, 0 for none. */
uint32_t fs_crc32c(uint32_t before, const void *bytes, size_t count);

/* The same by table alone, for a test that compares both. */
uint32_t fs_crc32c_by_table(uint32_t before, const void *bytes, size_t count);

#endif
