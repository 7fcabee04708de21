/* SPDX-License-Identifier: Apache-2.0 */
// Capabilities of the calling thread, as masks of 1 << CAP_....
#ifndef CLINUX_RIGHTS_H
#define CLINUX_RIGHTS_H

/// Both return 0 or -errno. Setting them empties the inheritable and the ambient ones.
int clinux_permitted_capabilities(unsigned long long *permitted);
int clinux_set_capabilities(unsigned long long effective, unsigned long long permitted);

/// Empties the bounding set, where that is permitted, and makes sure that no program gives new rights and that no other
/// process can inspect this one. 0 or -errno.
int clinux_close_ways_back(void);

#endif
