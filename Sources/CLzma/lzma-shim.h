/* SPDX-License-Identifier: Apache-2.0 */
/* What xz compresses with. */
#include <lzma.h>
