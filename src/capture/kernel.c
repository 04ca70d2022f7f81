/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What this kernel has, found out by trying, and what to say when it is not enough. */
#include "capture_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

int capture_fail(char **why, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(why, format, arguments) < 0)
		*why = strdup("out of memory");
	va_end(arguments);
	return error;
}

const char *kernel_release(void)
{
	static struct utsname name;

	return uname(&name) ? "unknown" : name.release;
}

/*
 * The ring buffer came with Linux 5.8, and there is nothing to do without it. 0, -EOPNOTSUPP,
 * or why it cannot be found out.
 */
static int try_ring(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "tlspcap_try", 0, 0,
				(uint32_t)sysconf(_SC_PAGESIZE), NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : fd == -EINVAL ? -EOPNOTSUPP : fd;
}

int kernel_check(char **why)
{
	int error = try_ring();

	if (error == -EOPNOTSUPP)
		return capture_fail(why, error,
				    "this kernel (%s) has no BPF ring buffer; Linux 5.10 or newer "
				    "is needed",
				    kernel_release());
	if (error == -ENOSYS)
		return capture_fail(why, error,
				    "this kernel (%s) was built without BPF (CONFIG_BPF_SYSCALL)",
				    kernel_release());
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return capture_fail(
			why, -EOPNOTSUPP,
			"this kernel has no BTF (/sys/kernel/btf/vmlinux); boot one that was "
			"built with CONFIG_DEBUG_INFO_BTF=y, as the kernels of Debian 11, "
			"Ubuntu 20.10, Fedora 31 and RHEL 8.2 and newer are");
	return 0;
}

/* The attach type has to be known when a program is loaded: try one with it. */
bool kernel_has_multi(void)
{
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)ATTACH_TYPE_UPROBE_MULTI);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "tlspcap_probe", "GPL", instructions, 2,
			       &options);
	bool has;

	if (fd < 0)
		return false;
	has = attach_has_multi(fd);
	close(fd);
	return has;
}

bool kernel_is_legacy(void)
{
	/* Linux 5.17, the last of the helpers that the other object uses. */
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_find_vma, NULL) == 0;
}

static bool has_member(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (uint32_t i = 0; i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, members[i].name_off), name))
			return true;
	return false;
}

void kernel_find_features(struct kernel_features *features)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id;

	memset(features, 0, sizeof(*features));
	if (!btf)
		return;
	id = btf__find_by_name_kind(btf, "bpf_iter_link_info", BTF_KIND_UNION);
	features->mappings_of_one =
		id > 0 && has_member(btf, btf__type_by_id(btf, (uint32_t)id), "task");
	features->mappings = btf__find_by_name_kind(btf, "bpf_iter__task_vma", BTF_KIND_STRUCT) > 0;
	features->grown_maps = btf__find_by_name_kind(btf, "bpf_mem_alloc", BTF_KIND_STRUCT) > 0;
	btf__free(btf);
}

/* Before Linux 5.11 the memory of BPF maps counts as locked memory of the user. */
bool kernel_counts_maps(uint64_t *limit)
{
	struct rlimit rlimit;
	unsigned int major, minor;

	if (sscanf(kernel_release(), "%u.%u", &major, &minor) != 2 || major > 5 ||
	    (major == 5 && minor > 10) || getrlimit(RLIMIT_MEMLOCK, &rlimit) ||
	    rlimit.rlim_cur == RLIM_INFINITY)
		return false;
	*limit = rlimit.rlim_cur;
	return true;
}

/*
 * libbpf looks for a kernel function that is not in the kernel's own BTF in that of its modules,
 * where it may be missing; and does not load anything when it may not look.
 */
static bool cannot_look_in_modules(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has = btf && btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	__u32 id;

	btf__free(btf);
	return !has && bpf_btf_get_next_id(0, &id) && errno == EPERM;
}

int kernel_explain(int error, char **why)
{
	uint64_t limit;

	if (error == -EPERM && kernel_counts_maps(&limit))
		return capture_fail(why, error,
				    "the limit of locked memory (%" PRIu64 " KiB) is too low for "
				    "the probes' tables; `ulimit -l unlimited`, LimitMEMLOCK="
				    "infinity or CAP_SYS_RESOURCE lifts it",
				    limit >> 10);
	if (error == -EPERM || (error == -EACCES && geteuid() != 0))
		return capture_fail(why, -EPERM,
				    "the kernel does not let this process load its probes; run as "
				    "root (sudo), or with the capabilities that `tlspcap --doctor` "
				    "names");
	if (error == -ENOMEM)
		return capture_fail(why, error,
				    "no memory for the probes' tables; a smaller ring buffer may "
				    "help (-B 8M)");
	if (error == -EINVAL && cannot_look_in_modules())
		return capture_fail(why, -EPERM,
				    "before Linux 6.2, it takes CAP_SYS_ADMIN to look through the "
				    "types of the kernel's modules; run with it");
	return capture_fail(why, error,
			    "the kernel refused the probes (%s); run with -v -v for its own words, "
			    "and please report them with `uname -r`",
			    strerror(-error));
}

int kernel_explain_tier(int error, enum capture_tier tier, char **why)
{
	if (error == -EPERM || error == -ENOMEM || (error == -EACCES && geteuid() != 0))
		return kernel_explain(error, why);
	return capture_fail(why, error,
			    "--tier=%s: the kernel refused the programs (%s); run with -v -v for "
			    "its own words",
			    capture_tier_name(tier), strerror(-error));
}
