/* What trace-cmd compresses its recordings with. */
#include <zlib.h>
#include <zstd.h>
