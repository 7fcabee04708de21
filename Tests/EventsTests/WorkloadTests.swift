// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

/// Paths as the runtimes make them, and paths that somebody else could make.
@Suite("Workloads") struct WorkloadTests {
    private static let id = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d"
    private static let other = "34dc0b5e626f2c5c4c5170e34b10e7654ce36f0fcd532739f4445baabea03376"
    private static let uid = "74c13223-5a00-11e9-b385-42010a80018d"
    private static let slice = "kubepods-burstable-pod74c13223_5a00_11e9_b385_42010a80018d.slice"

    @Test(
        "the unit is the outermost one that has processes",
        arguments: [
            ("/", nil), ("", nil), ("/system.slice", nil), ("/init.scope", "init.scope"),
            ("/system.slice/app.service", "app.service"),
            ("/system.slice/app.service/worker", "app.service"),
            ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
            ("/system.slice/dev-disk-by\\x2duuid-12.swap", "dev-disk-by\\x2duuid-12.swap"),
            ("/system.slice/var-lib-app.mount", "var-lib-app.mount"),
            ("/system.slice/_cpu.service", "cpu.service"),
            (
                "/machine.slice/machine-debian\\x2d12.scope/payload/system.slice/a.service",
                "machine-debian\\x2d12.scope"
            ),
            ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
            ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service"),
            ("/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service/init.scope"),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope/x.service",
                "user@1000.service/vte-spawn-1.scope"
            ),
            ("/lxc.payload.web/system.slice/nginx.service", "nginx.service"),
            ("/.service", nil), ("//system.slice//a.service", "a.service"),
        ] as [(String, String?)])
    func unit(path: String, unit: String?) {
        #expect(Workload(cgroupPath: path) == Workload(unit: unit))
    }

    @Test(
        "the container is named by each runtime in its own way",
        arguments: [
            ("/docker/\(id)", nil),
            ("/system.slice/docker-\(id).scope", "docker-\(id).scope"),
            ("/system.slice/docker-\(id).scope/init.scope", "docker-\(id).scope"),
            ("/machine.slice/libpod-\(id).scope/container", "libpod-\(id).scope"),
            ("/libpod_parent/libpod-\(id)", nil),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(id).scope",
                "user@1000.service/libpod-\(id).scope"
            ),
            ("/system.slice/web.service/libpod-payload-\(id)", "web.service"),
            ("/system.slice/nerdctl-\(id).scope", "nerdctl-\(id).scope"),
            ("/ecs/55091c13-b8cf-4801-b527-f4601742204d/\(id)", nil),
        ] as [(String, String?)])
    func container(path: String, unit: String?) {
        #expect(Workload(cgroupPath: path) == Workload(unit: unit, container: Self.id))
    }

    @Test(
        "the pod is named with both cgroup drivers",
        arguments: [
            ("/kubepods/besteffort/pod\(uid)/\(id)", nil),
            ("/kubepods/pod\(uid)/\(id)", nil),
            ("/kubepods/burstable/pod\(uid)/crio-\(id)", nil),
            (
                "/kubepods.slice/kubepods-burstable.slice/\(slice)/cri-containerd-\(id).scope",
                "cri-containerd-\(id).scope"
            ),
            ("/kubepods.slice/kubepods-burstable.slice/\(slice)/crio-\(id).scope/container", "crio-\(id).scope"),
            ("/kubepods.slice/kubepods-burstable.slice/\(slice)/docker-\(id).scope", "docker-\(id).scope"),
            ("/system.slice/containerd.service/\(slice):cri-containerd:\(id)", "containerd.service"),
        ] as [(String, String?)])
    func pod(path: String, unit: String?) {
        #expect(Workload(cgroupPath: path) == Workload(unit: unit, container: Self.id, pod: Self.uid))
    }

    @Test("a static pod has a uid without hyphens, and a pod's own group has no container")
    func staticPod() {
        let hash = "0123456789abcdef0123456789abcdef"
        #expect(Workload(cgroupPath: "/kubepods.slice/kubepods-pod\(hash).slice") == Workload(pod: hash))
    }

    @Test("names of groups below a container's own are ignored")
    func nested() {
        let inner = "/kubelet.slice/kubepods.slice/\(Self.slice)/cri-containerd-\(Self.other).scope"
        #expect(
            Workload(cgroupPath: "/system.slice/docker-\(Self.id).scope" + inner)
                == Workload(unit: "docker-\(Self.id).scope", container: Self.id))
        #expect(Workload(cgroupPath: "/docker/\(Self.id)/sshd.service").unit == nil)
    }

    @Test(
        "a name that only resembles one is none",
        arguments: [
            "/machine.slice/libpod-conmon-\(id).scope", "/system.slice/crio-conmon-\(id).scope",
            "/docker/\(id.dropLast())", "/docker/\(id)0", "/docker/\(id.uppercased())", "/dockerx\(id)",
            "/a.slice/pod\(uid)", "/kubepods/pod74c13223-5a00-11e9-b385", "/kubepods/podx\(uid)",
            "/kubepods.slice/kubepods-burstable.slice", "/a:b:c", "/:::", "/é\u{0}/\u{202e}",
        ])
    func lookalike(path: String) {
        let workload = Workload(cgroupPath: path)
        #expect(workload.container == nil)
        #expect(workload.pod == nil)
    }
}
