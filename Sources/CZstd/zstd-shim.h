/* SPDX-License-Identifier: Apache-2.0 */
/* What trace-cmd and zstd compress with. */
#include <zstd.h>
#include <zstd_errors.h>
