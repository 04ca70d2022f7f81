/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The paths of control groups that runtimes make: which container and pod they tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <target/path.h>

#define A	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B	"fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID	"0f00baaa-1111-2222-3333-444444444444"
#define ESCAPED "0f00baaa_1111_2222_3333_444444444444"
#define STATIC	"0f00baaa111122223333444444444444"
#define USER	"/user.slice/user-1000.slice/user@1000.service"

static const struct sample {
	const char *path, *id, *pod; /* NULL: none */
	bool of_user;
} samples[] = {
	/* none */
	{"/", NULL, NULL, false},
	{"", NULL, NULL, false},
	{"/system.slice/ssh.service", NULL, NULL, false},
	{USER "/app.slice/app-gnome-firefox-1234.scope", NULL, NULL, true},
	{"/system.slice/docker.service", NULL, NULL, false},
	{"/docker/0123456789abcdef", NULL, NULL, false},
	{"/docker/" A "00", NULL, NULL, false},
	/* Docker: cgroupfs, systemd, without root; its builds have no such id */
	{"/docker/" A, A, NULL, false},
	{"/docker/" A "/system.slice/nginx.service", A, NULL, false},
	{"/system.slice/docker-" A ".scope", A, NULL, false},
	{USER "/user.slice/docker-" A ".scope", A, NULL, true},
	{"/docker/buildkit/n4eu0udvbz9vfzjy71jkvgkwh", NULL, NULL, false},
	{"/system.slice/docker-n4eu0udvbz9vfzjy71jkvgkwh.scope", NULL, NULL, false},
	{"/buildkit/n4eu0udvbz9vfzjy71jkvgkwh", NULL, NULL, false},
	/* containerd: ctr (the id is a name, which its state files tell), nerdctl */
	{"/default/web", NULL, NULL, false},
	{"/default/" A, A, NULL, false},
	{"/system.slice/nerdctl-" A ".scope", A, NULL, false},
	/* Kubernetes with containerd: cgroupfs and systemd, the three classes, static pods */
	{"/kubepods/besteffort/pod" UID "/" A, A, UID, false},
	{"/kubepods/burstable/pod" UID "/" A, A, UID, false},
	{"/kubepods/pod" UID "/" A, A, UID, false},
	{"/kubepods/burstable/pod" STATIC "/" A, A, STATIC, false},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" ESCAPED
	 ".slice/cri-containerd-" A ".scope",
	 A, UID, false},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" ESCAPED
	 ".slice/cri-containerd-" A ".scope",
	 A, UID, false},
	{"/kubepods.slice/kubepods-pod" ESCAPED ".slice/cri-containerd-" A ".scope", A, UID, false},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC
	 ".slice/cri-containerd-" A ".scope",
	 A, STATIC, false},
	{"/system.slice/containerd.service/kubepods-burstable-pod" ESCAPED
	 ".slice:cri-containerd:" A,
	 A, UID, false},
	{"/kubepods-besteffort-pod" ESCAPED ".slice:cri-containerd:" A, A, UID, false},
	/* with Docker, with CRI-O */
	{"/kubepods.slice/kubepods-pod" ESCAPED ".slice/docker-" A ".scope", A, UID, false},
	{"/kubepods.slice/kubepods-pod" ESCAPED ".slice/crio-" A ".scope", A, UID, false},
	{"/kubepods.slice/kubepods-pod" ESCAPED ".slice/crio-" A ".scope/container", A, UID, false},
	{"/kubepods/besteffort/pod" UID "/crio-" A, A, UID, false},
	{"/kubepods.slice/kubepods-pod" ESCAPED ".slice/crio-conmon-" A ".scope", A, UID, false},
	/* a node that is a container itself: the outer one */
	{"/system.slice/docker-" A ".scope/kubelet.slice/kubelet-kubepods.slice/"
	 "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" ESCAPED
	 ".slice/cri-containerd-" B ".scope",
	 A, NULL, false},
	{"/docker/" A "/kubelet/kubepods/besteffort/pod" UID "/" B, A, NULL, false},
	/* Podman: systemd, cgroupfs, with crun's own below, in units, without root */
	{"/machine.slice/libpod-" A ".scope", A, NULL, false},
	{"/machine.slice/libpod-" A ".scope/container", A, NULL, false},
	{"/machine.slice/libpod-conmon-" A ".scope", A, NULL, false},
	{"/libpod_parent/libpod-" A, A, NULL, false},
	{"/system.slice/web.service/libpod-payload-" A, A, NULL, false},
	{USER "/user.slice/libpod-" A ".scope/container", A, NULL, true},
	{USER "/app.slice/web.service/libpod-payload-" A, A, NULL, true},
	/* and its pods, which have such ids, too */
	{"/machine.slice/machine-libpod_pod_" A ".slice/libpod-" B ".scope", B, NULL, false},
	{"/libpod_parent/" A "/libpod-" B, B, NULL, false},
	{USER "/user.slice/user-libpod_pod_" A ".slice/libpod-" B ".scope/container", B, NULL,
	 true},
	/* LXC, nspawn, libvirt */
	{"/lxc.payload.web", "web", NULL, false},
	{"/lxc.payload.project_web/system.slice/nginx.service", "project_web", NULL, false},
	{"/lxc.payload/web", "web", NULL, false},
	{"/lxc/101/ns", "101", NULL, false},
	{"/lxc.monitor.web", NULL, NULL, false},
	{"/machine.slice/systemd-nspawn@web.service/payload/init.scope", "web", NULL, false},
	{"/machine.slice/systemd-nspawn@web\\x2d1.service/supervisor", "web-1", NULL, false},
	{"/machine.slice/machine-web.scope/payload", "web", NULL, false},
	{"/machine.slice/machine-lxc\\x2d42\\x2dweb.scope", "lxc-42-web", NULL, false},
	{"/machine.slice/machine-.scope", NULL, NULL, false},
	/* seen from another control group namespace */
	{"/../../docker/" A, A, NULL, false},
	{"/../pod" UID "/" A, A, UID, false},
	{"/../" A, A, NULL, false},
	{"/.." USER "/user.slice/libpod-" A ".scope", A, NULL, true},
	{"/../lxc.payload.web", "web", NULL, false},
	/* what a container makes in its own control group */
	{"/docker/" A "/docker/" B, A, NULL, false},
	{"/docker/" A "/libpod-" B, A, NULL, false},
	{"/docker/" A "/libpod_parent/" B "/libpod-" B, A, NULL, false},
	{"/docker/" A "/kubepods/pod" UID "/" B, A, NULL, false},
	{"/docker/" A "/lxc.payload.web", A, NULL, false},
	{"/lxc.payload.web/docker/" B, "web", NULL, false},
	{"/lxc.payload.a\x1b[2J/x", "a?[2J", NULL, false},
	{"/machine.slice/machine-a\\x0ab\\x.scope", "a?b\\x", NULL, false},
};

static void each_sample(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *sample = &samples[i];
		struct target_container container;
		struct container_path about;

		if (container_path_parse(sample->path, &container, &about) != !!sample->id)
			fail_msg("%s: %s", sample->path, sample->id ? "no id" : container.id);
		if (strcmp(container.id, sample->id ? sample->id : ""))
			fail_msg("%s: id %s", sample->path, container.id);
		if (strcmp(container.pod_uid, sample->pod ? sample->pod : ""))
			fail_msg("%s: pod %s", sample->path, container.pod_uid);
		if (about.of_user != sample->of_user)
			fail_msg("%s: of a user: %d", sample->path, about.of_user);
	}
}

/* Names are cut, and never more than that. */
static void long_ones(void **state)
{
	char path[9000];
	struct target_container container;
	struct container_path about;

	(void)state;
	for (size_t length = 0; length < 8000; length += 7) {
		snprintf(path, sizeof(path), "/lxc.payload.%0*d", (int)length + 1, 0);
		assert_true(container_path_parse(path, &container, &about));
		assert_in_range(strlen(container.id), 1, sizeof(container.id) - 1);
		snprintf(path, sizeof(path), "/kubepods/pod%0*d/" A, (int)length + 1, 0);
		container_path_parse(path, &container, &about);
		assert_in_range(strlen(container.pod_uid), 0, sizeof(container.pod_uid) - 1);
	}
}

static void ids(void **state)
{
	(void)state;
	assert_true(container_is_hexadecimal(A));
	assert_false(container_is_hexadecimal(A "0"));
	assert_false(container_is_hexadecimal("web"));
	assert_false(container_is_hexadecimal(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sample),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests_name("target_path", tests, NULL, NULL);
}
