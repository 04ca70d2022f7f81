/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "privileges.h"

enum verdict {
	GOOD,
	NOTE, /* works, and could be better */
	BAD,  /* nothing can be captured */
};

struct doctor {
	bool failed;
	const char *gains[16]; /* what would be gained by what */
	size_t n_gains;
};

static void tell(struct doctor *doctor, enum verdict verdict, const char *topic, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

static void tell(struct doctor *doctor, enum verdict verdict, const char *topic, const char *format,
		 ...)
{
	static const char *const words[] = {[GOOD] = "ok", [NOTE] = "note", [BAD] = "MISSING"};
	va_list arguments;

	printf("%-8s %-11s ", words[verdict], topic);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	doctor->failed |= verdict == BAD;
}

static void gain(struct doctor *doctor, const char *text)
{
	if (doctor->n_gains < sizeof(doctor->gains) / sizeof(doctor->gains[0]))
		doctor->gains[doctor->n_gains++] = text;
}

static void look_at_btf(struct doctor *doctor)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (!access(path, R_OK))
		tell(doctor, GOOD, "BTF", "%s", path);
	else
		tell(doctor, BAD, "BTF",
		     "%s: %s; boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as those of Debian 11, "
		     "Ubuntu 20.10, Fedora 31, RHEL 8.2 and newer are",
		     path, strerror(errno));
}

static void look_at_lockdown(struct doctor *doctor)
{
	static const char path[] = "/sys/kernel/security/lockdown";
	char line[128] = "", *mode = NULL;
	FILE *file = fopen(path, "re");

	if (file && fgets(line, sizeof(line), file))
		mode = strchr(line, '[');
	if (file)
		fclose(file);
	if (!mode)
		return; /* not there, or not to be seen: what loads tells */
	mode[strcspn(mode, "]")] = '\0';
	mode++;
	if (!strcmp(mode, "confidentiality"))
		tell(doctor, BAD, "lockdown",
		     "confidentiality: programs may not read the kernel's memory; boot with "
		     "lockdown=integrity or none");
	else
		tell(doctor, GOOD, "lockdown", "%s", mode);
}

static void look_at_privileges(struct doctor *doctor)
{
	for (size_t i = 0; i < privileges_count(); i++) {
		struct privilege privilege = privileges_get(i);

		if (privilege.held)
			tell(doctor, GOOD, "privileges", "%s", privilege.name);
		else
			tell(doctor, privilege.needed ? BAD : NOTE, "privileges",
			     "%s is missing: %s", privilege.name, privilege.what_for);
	}
}

static void look_at_tiers(struct doctor *doctor, enum capture_tier chosen,
			  const int refused[CAPTURE_TIERS])
{
	char why[256];

	for (int i = CAPTURE_TIER_AUTO + 1; i < CAPTURE_TIERS; i++) {
		enum capture_tier tier = (enum capture_tier)i;
		int error = capture_tier_try(tier, why, sizeof(why));

		if (refused[i])
			tell(doctor, NOTE, "hooks",
			     "no %s: the kernel refused its programs (%s); -v -v has its words",
			     capture_tier_name(tier), strerror(-refused[i]));
		else if (!error)
			tell(doctor, GOOD, "hooks", "%s: %s%s", capture_tier_name(tier),
			     capture_tier_describe(tier), tier == chosen ? " (in use)" : "");
		else
			tell(doctor, NOTE, "hooks", "no %s: %s", capture_tier_name(tier), why);
		if (error == -ENOENT && tier == CAPTURE_TIER_TRACEPOINT)
			gain(doctor, "Linux 6.3: tracepoints at the ends of send and receive; no "
				     "event is lost there, whatever preempts what");
	}
	if (chosen == CAPTURE_TIER_SYSCALL)
		gain(doctor, "a kernel with BPF trampolines or kprobes: not every system call of "
			     "the machine is looked at");
}

static void look_at_facts(struct doctor *doctor, const struct capture_facts *facts)
{
	tell(doctor, GOOD, "programs", "they load and attach, %s",
	     facts->legacy ? "in the form for Linux before 5.17" : "in the form for Linux 5.17 on");
	if (facts->legacy)
		gain(doctor, "Linux 5.17: each probe costs a little less");
	if (facts->multi) {
		tell(doctor, GOOD, "probes", "uprobe_multi: all of a library in one link");
	} else {
		tell(doctor, NOTE, "probes", "one by one (perf uprobes)");
		gain(doctor, "Linux 6.6 (uprobe_multi): libraries are probed and released in "
			     "milliseconds; plaintext of connections that are older than the "
			     "capture, in their processes only");
	}
	tell(doctor, GOOD, "memory", "ring buffer of %" PRIu64 " KiB", facts->ring_bytes >> 10);
	if (!facts->locked_limit)
		return;
	tell(doctor, facts->shrunk ? NOTE : GOOD, "memory",
	     "BPF maps count as locked memory here, of which there may be %" PRIu64 " KiB%s",
	     facts->locked_limit >> 10, facts->shrunk ? ": tables and ring buffer are small" : "");
	if (facts->shrunk)
		gain(doctor,
		     "a higher limit of locked memory (ulimit -l, LimitMEMLOCK=infinity, "
		     "CAP_SYS_RESOURCE), or Linux 5.11: tables and ring buffer in full size");
}

static void look_at_programs(struct doctor *doctor, const struct options *options,
			     enum capture_tier *chosen, struct capture_facts *facts)
{
	const struct capture_options choice = {
		.streams = true,
		.tier = options->tier,
		.spoiled = getenv("TLSPCAP_SPOILED"),
		.one_by_one = options->one_by_one,
		.ring_bytes = options->ring_bytes,
		.verbosity = options->verbosity,
	};
	struct capture *capture = NULL;
	char *why = NULL;
	int error = capture_open(&choice, &capture, &why);

	if (!error)
		error = capture_attach_system(capture, &why);
	if (error) {
		tell(doctor, BAD, "programs", "%s", why ? why : strerror(-error));
	} else {
		*chosen = capture_tier(capture);
		*facts = capture_get_facts(capture);
		look_at_facts(doctor, facts);
	}
	free(why);
	capture_close(capture);
}

bool doctor_report(const struct options *options)
{
	struct doctor doctor = {0};
	enum capture_tier chosen = CAPTURE_TIER_AUTO;
	struct capture_facts facts = {0};
	struct utsname name;

	if (!uname(&name))
		printf("tlspcap %s, libbpf %s, on %s %s %s\n\n", TLSPCAP_VERSION,
		       capture_libbpf_version(), name.sysname, name.release, name.machine);
	look_at_btf(&doctor);
	look_at_lockdown(&doctor);
	look_at_privileges(&doctor);
	look_at_programs(&doctor, options, &chosen, &facts);
	look_at_tiers(&doctor, chosen, facts.refused);
	if (doctor.n_gains)
		puts("\nWhat would be gained by what:");
	for (size_t i = 0; i < doctor.n_gains; i++)
		printf("  %s\n", doctor.gains[i]);
	printf("\ntlspcap: %s\n", doctor.failed
					  ? "cannot capture here; see the lines that say MISSING"
					  : "can capture here");
	return !doctor.failed;
}
