// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The record layouts as Swift imports them; this file only makes them a module. */
#include "records.h"
