// SPDX-License-Identifier: Apache-2.0
/*
 * CRC-32C in C, since Swift has no name for the instructions.  x86's takes three
 * cycles before the next one can use its result, and three can be under way: three
 * streams are computed side by side, and then put together.
 */
#include "crc32c.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

/* Slicing by eight: eight tables, filled at the first use. */
static uint32_t table[8][256];

#define STREAM 256 /* bytes of one of the three streams */

/* The register STREAM zero bytes later, by each of its four bytes. */
static uint32_t later[4][256];

__attribute__((constructor)) static void fill_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][byte] = crc;
	}
	for (int slice = 1; slice < 8; slice++)
		for (int byte = 0; byte < 256; byte++)
			table[slice][byte] = table[slice - 1][byte] >> 8 ^
					     table[0][table[slice - 1][byte] & 255];
	for (int place = 0; place < 4; place++)
		for (uint32_t byte = 1; byte < 256; byte++) {
			uint32_t crc = byte << place * 8;

			if (byte & (byte - 1)) { /* the sum of what its bits give */
				later[place][byte] = later[place][byte & (byte - 1)] ^
						     later[place][byte & -byte];
				continue;
			}
			for (int zero = 0; zero < STREAM; zero++)
				crc = crc >> 8 ^ table[0][crc & 255];
			later[place][byte] = crc;
		}
}

uint32_t fs_crc32c_by_table(uint32_t before, const void *bytes, size_t count)
{
	const uint8_t *at = bytes;
	uint32_t crc = ~before;

	for (; count >= 8; count -= 8, at += 8) {
		uint32_t low, high;

		memcpy(&low, at, 4);
		memcpy(&high, at + 4, 4);
		low ^= crc;
		crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
		      table[4][low >> 24] ^ table[3][high & 255] ^ table[2][high >> 8 & 255] ^
		      table[1][high >> 16 & 255] ^ table[0][high >> 24];
	}
	for (; count; count--, at++)
		crc = crc >> 8 ^ table[0][(crc ^ *at) & 255];
	return ~crc;
}

#if defined(__x86_64__)
static uint32_t stream_later(uint32_t crc)
{
	return later[0][crc & 255] ^ later[1][crc >> 8 & 255] ^ later[2][crc >> 16 & 255] ^
	       later[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t before, const void *bytes,
								 size_t count)
{
	const uint8_t *at = bytes;
	uint64_t crc = (uint32_t)~before;

	for (; count >= 3 * STREAM; count -= 3 * STREAM, at += 3 * STREAM) {
		uint64_t second = 0, third = 0, word[3];

		for (int i = 0; i < STREAM; i += 8) {
			memcpy(&word[0], at + i, 8);
			memcpy(&word[1], at + i + STREAM, 8);
			memcpy(&word[2], at + i + 2 * STREAM, 8);
			crc = __builtin_ia32_crc32di(crc, word[0]);
			second = __builtin_ia32_crc32di(second, word[1]);
			third = __builtin_ia32_crc32di(third, word[2]);
		}
		crc = stream_later(stream_later(crc) ^ (uint32_t)second) ^ (uint32_t)third;
	}
	for (; count >= 8; count -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	for (; count; count--, at++)
		crc = __builtin_ia32_crc32qi(crc, *at);
	return ~(uint32_t)crc;
}

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static uint32_t by_instruction(uint32_t before, const void *bytes, size_t count)
{
	const uint8_t *at = bytes;
	uint32_t crc = ~before;

	for (; count >= 8; count -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		crc = __crc32cd(crc, word);
	}
	for (; count; count--, at++)
		crc = __crc32cb(crc, *at);
	return ~crc;
}

static bool has_instruction(void)
{
	return true;
}
#else
#define by_instruction fs_crc32c_by_table
static bool has_instruction(void)
{
	return false;
}
#endif

uint32_t fs_crc32c(uint32_t before, const void *bytes, size_t count)
{
	return has_instruction() ? by_instruction(before, bytes, count)
				 : fs_crc32c_by_table(before, bytes, count);
}
