// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Provocation

@Suite("Host") struct HostTests {
    @Test("text files of the kernel are read as they are written")
    func kernelTexts() {
        let vmstat = "nr_free_pages 12\npswpout 7\npswpin 3\n"
        #expect(Host.counters(["pswpout", "absent"], in: vmstat) == ["pswpout": 7])
        #expect(Host.nodes(in: "0\n") == [0])
        #expect(Host.nodes(in: "0-2,5\n") == [0, 1, 2, 5])
        #expect(Host.nodes(in: "\n") == [])
    }
}
