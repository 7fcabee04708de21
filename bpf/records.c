/* The record layouts as Swift imports them; this file only makes them a module. */
#include "records.h"
