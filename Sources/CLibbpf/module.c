/* libbpf as Swift imports it; this file only makes it a module whose header is seen to change. */
#include "CLibbpf.h"
