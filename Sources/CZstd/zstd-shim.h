/* What trace-cmd compresses its recordings with. */
#include <zstd.h>
