// SPDX-License-Identifier: Apache-2.0

// Finding files by a pattern, as a shell does.

import Glibc

/// The files whose paths match a shell's pattern.
public func paths(matching pattern: String) -> [String] {
    var found = unsafe glob_t()
    defer { unsafe globfree(&found) }
    guard unsafe glob(pattern, GLOB_NOSORT, nil, &found) == 0 else { return [] }
    // glob() made as many strings as it says; each lives until globfree().
    return unsafe (0..<Int(found.gl_pathc)).compactMap { position in
        unsafe found.gl_pathv[position].map { unsafe String(cString: $0) }
    }
}
