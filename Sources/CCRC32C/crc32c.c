/*
 * CRC-32C in C, since Swift has no name for the instructions.  Three streams
 * would be faster still; one already outruns the disk and the decoder.
 */
#include "crc32c.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

/* Slicing by eight: eight tables, filled at the first use. */
static uint32_t table[8][256];

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
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t before, const void *bytes,
								  size_t count)
{
	const uint8_t *at = bytes;
	uint64_t crc = ~before;

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
	return has_instruction() ? by_instruction(before, bytes, count) :
				   fs_crc32c_by_table(before, bytes, count);
}
