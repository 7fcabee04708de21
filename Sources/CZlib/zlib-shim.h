/* SPDX-License-Identifier: Apache-2.0 */
/* What gzip and some versions of trace-cmd compress with. */
#include <zlib.h>
