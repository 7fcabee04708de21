/* SPDX-License-Identifier: Apache-2.0 */
/* What trace-cmd compresses its recordings with. */
#include <zstd.h>
