/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the path of a control group tells of a container. Pure: text in, fields out. */
#ifndef TARGET_PATH_H
#define TARGET_PATH_H

#include <tlspcap/target.h>

struct container_path {
	bool of_user; /* a user chose it, not root */
	size_t at;    /* how much of the path may hold ids that people chose, before it */
};

/*
 * Sets the id, the pod's uid and, where the path says it, the runtime; the rest of `container` is
 * emptied. True: there is a container in the path, which has the form that /proc/PID/cgroup shows.
 */
bool container_path_parse(const char *path, struct target_container *container,
			  struct container_path *about);

/* Whether it is an id that an engine chose: 64 hexadecimal digits. */
bool container_is_hexadecimal(const char *id);

#endif
