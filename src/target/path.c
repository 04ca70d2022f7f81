/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Who may make cgroups inside of a container can give them any name, another container's or pod's
 * too. So the outermost id in the path counts, which the runtime of the machine chose, and of the
 * pod what stands before it.
 */
#include "path.h"

#include <stdio.h>
#include <string.h>

#define ID_DIGITS 64

static const char digits[] = "0123456789abcdef";

/* Where names that people chose stand: in the folders that root alone makes. */
static const struct place {
	const char *runtime, *before, *after;
} places[] = {
	{"lxc", "/lxc.payload.", ""},
	{"lxc", "/lxc.payload/", ""},
	{"lxc", "/lxc/", ""},
	{"nspawn", "/machine.slice/systemd-nspawn@", ".service"},
	{"machined", "/machine.slice/machine-", ".scope"},
};

#define N_PLACES (sizeof(places) / sizeof(places[0]))

bool container_is_hexadecimal(const char *id)
{
	return strlen(id) == ID_DIGITS && strspn(id, digits) == ID_DIGITS;
}

/* Podman's pods have ids as its containers have: "…-libpod_pod_<id>.slice" and their folder. */
static bool is_pods(const char *path, const char *id)
{
	static const char slice[] = "libpod_pod_", parent[] = "/libpod_parent/";
	const size_t before = (size_t)(id - path);

	if (before >= strlen(slice) && !strncmp(id - strlen(slice), slice, strlen(slice)))
		return true;
	return before == strlen(parent) && !strncmp(path, parent, before) &&
	       !strncmp(id + ID_DIGITS, "/libpod-", 8);
}

/* The outermost 64 digits with no others beside them; NULL: there are none. */
static const char *find_id(const char *path)
{
	const char *at = path;

	while (*at) {
		size_t length = strspn(at, digits);

		if (length == ID_DIGITS && !is_pods(path, at))
			return at;
		at += length;
		at += strcspn(at, digits);
	}
	return NULL;
}

/* "…-pod<uid>.slice" and "/pod<uid>/": systemd writes '_' where the uid has '-'. */
static void find_pod(const char *path, const char *end, bool relative, char *uid, size_t size)
{
	const char *at = relative ? path : strstr(path, "kubepods");
	size_t length;

	for (at = at ? strstr(at, "pod") : NULL; at && at < end; at = strstr(at + 1, "pod")) {
		length = strspn(at + 3, "0123456789abcdef-_");
		if (length < 32 || length >= size)
			continue;
		snprintf(uid, size, "%.*s", (int)length, at + 3);
		for (char *c = uid; *c; c++)
			*c = *c == '_' ? '-' : *c;
		return;
	}
}

/* systemd writes "\x2d" for '-'. What is not printable is not taken over. */
static void put_name(char *to, size_t size, const char *text, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n + 1 < size; i++) {
		unsigned int c = (unsigned char)text[i];

		if (length - i >= 4 && sscanf(text + i, "\\x%2x", &c) == 1)
			i += 3;
		to[n++] = c < ' ' || c > '~' ? '?' : (char)c;
	}
	to[n] = '\0';
}

static bool find_name(const char *path, struct target_container *container)
{
	for (size_t i = 0; i < N_PLACES; i++) {
		const struct place *place = &places[i];
		const size_t before = strlen(place->before), after = strlen(place->after);
		const char *name = path + before;
		size_t length;

		if (strncmp(path, place->before, before))
			continue;
		length = strcspn(name, "/");
		if (length <= after || strncmp(name + length - after, place->after, after))
			continue;
		put_name(container->id, sizeof(container->id), name, length - after);
		snprintf(container->runtime, sizeof(container->runtime), "%s", place->runtime);
		return true;
	}
	return false;
}

bool container_path_parse(const char *path, struct target_container *container,
			  struct container_path *about)
{
	const char *whole = path, *id;

	memset(container, 0, sizeof(*container));
	*about = (struct container_path){.at = strlen(path)};
	/* Seen from a control group namespace of our own, paths of others begin with "/..". */
	while (!strncmp(path, "/..", 3) && (path[3] == '/' || !path[3]))
		path += 3;
	about->of_user = !strncmp(path, "/user.slice/", 12);
	if (find_name(path, container)) {
		about->at = (size_t)(path - whole);
		return true;
	}
	id = find_id(path);
	if (!id)
		return false;
	about->at = (size_t)(id - whole);
	if (id > whole && id[-1] != '/') /* the folder's whole name may be one */
		about->at += strcspn(id, "/");
	snprintf(container->id, sizeof(container->id), "%.*s", ID_DIGITS, id);
	find_pod(path, id, path != whole, container->pod_uid, sizeof(container->pod_uid));
	return true;
}
