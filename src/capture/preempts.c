/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Whether the kernel may take the processor from a program of ours: then the next thread's run of
 * the same program is skipped at a BTF tracepoint.
 */
#include "capture_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

/* The word after `before` in a line of the file, also of a compressed one. */
static bool find_word(const char *path, const char *before, char *word, size_t size)
{
	char line[4096], *found = NULL, *next;
	gzFile file = gzopen(path, "re");

	if (!file)
		return false;
	while (!found && gzgets(file, line, sizeof(line)))
		for (next = line; !found && (next = strstr(next, before)); next++)
			if (next == line || next[-1] == ' ')
				found = next;
	gzclose(file);
	if (!found)
		return false;
	found += strlen(before);
	found[strcspn(found, " )\n")] = '\0';
	snprintf(word, size, "%s", found);
	return true;
}

static bool is_option(const char *release, const char *option)
{
	char path[128], before[64], word[8];

	snprintf(before, sizeof(before), "%s=", option);
	snprintf(path, sizeof(path), "/boot/config-%s", release);
	return (find_word("/proc/config.gz", before, word, sizeof(word)) ||
		find_word(path, before, word, sizeof(word))) &&
	       !strcmp(word, "y");
}

/* A kernel of that kind says it in debugfs; else it is as it was built, or as it was started. */
static bool dynamic_preempts(const char *release)
{
	char mode[16];

	if (find_word("/sys/kernel/debug/sched/preempt", "(", mode, sizeof(mode)) ||
	    find_word("/proc/cmdline", "preempt=", mode, sizeof(mode)))
		return strcmp(mode, "none") && strcmp(mode, "voluntary");
	return !is_option(release, "CONFIG_PREEMPT_NONE") &&
	       !is_option(release, "CONFIG_PREEMPT_VOLUNTARY");
}

bool kernel_preempts(void)
{
	struct utsname name;

	if (uname(&name))
		return true;
	if (strstr(name.version, "PREEMPT_DYNAMIC"))
		return dynamic_preempts(name.release);
	return strstr(name.version, "PREEMPT");
}
