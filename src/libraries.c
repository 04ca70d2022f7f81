/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "libraries.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <tlspcap/locate.h>

/* Programs with a TLS library inside are large; what is larger than this is none we know. */
#define IMAGE_MAX ((off_t)1 << 30)

struct probing {
	struct capture *capture;
	const struct options *options;
	struct libraries *libraries;
	struct target_identity *seen; /* real files that were looked at */
	size_t n_seen, seen_room;
};

static bool is_seen(const struct probing *probing, const struct target_identity *identity)
{
	for (size_t i = 0; i < probing->n_seen; i++) {
		const struct target_identity *other = &probing->seen[i];

		if (other->inode == identity->inode && other->device == identity->device &&
		    other->generation == identity->generation)
			return true;
	}
	return false;
}

static int remember(struct probing *probing, const struct target_identity *identity)
{
	if (probing->n_seen == probing->seen_room) {
		size_t room = probing->seen_room ? probing->seen_room * 2 : 64;
		void *grown = realloc(probing->seen, room * sizeof(*probing->seen));

		if (!grown)
			return -ENOMEM;
		probing->seen = grown;
		probing->seen_room = room;
	}
	probing->seen[probing->n_seen++] = *identity;
	return 0;
}

/*
 * The file's bytes, to be freed. Read, not mapped: its owner can cut a mapped file short
 * under our hands, and that would kill us.
 */
static int read_image(int fd, void **image, size_t *size)
{
	struct stat status;
	size_t done = 0;
	char *bytes;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		return -ENOEXEC;
	if (status.st_size > IMAGE_MAX)
		return -EFBIG;
	bytes = malloc((size_t)status.st_size);
	if (!bytes)
		return -ENOMEM;
	while (done < (size_t)status.st_size) {
		ssize_t n = pread(fd, bytes + done, (size_t)status.st_size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = -errno;

			free(bytes);
			return error;
		}
		if (n == 0)
			break; /* it was cut short meanwhile: take what there is */
		done += (size_t)n;
	}
	*image = bytes;
	*size = done;
	return 0;
}

static void tell_library(const struct options *options, const char *path, uint32_t mntns,
			 const struct locate_result *located)
{
	if (!located->secrets && !options->quiet)
		fprintf(stderr, "tlspcap: %s: no secrets from it: %s\n", path,
			located->secrets_how);
	if (options->verbosity < 1)
		return;
	fprintf(stderr,
		"tlspcap: probing %s (mount namespace %u): %s%s%s, %zu places; plaintext: %s; "
		"secrets: %s\n",
		path, mntns, located->family, located->version[0] ? " " : "", located->version,
		located->n_probes, located->plaintext_how, located->secrets_how);
}

/* The cheap plan, one probe that fires a few times in a handshake, where that is enough. */
static unsigned int purposes(const struct options *options, const struct locate_result *located)
{
	if (options->source == SOURCE_RECORDS ||
	    (options->source == SOURCE_AUTO && located->secrets))
		return LOCATE_FOR_SECRETS;
	return LOCATE_FOR_SECRETS | LOCATE_FOR_PLAINTEXT;
}

/* Returns the number of families probed in the file, or negative errno. */
static int probe_file(struct probing *probing, int fd, const char *path, uint32_t mntns)
{
	struct locate_result *located = calloc(4, sizeof(*located));
	void *image = NULL;
	size_t size = 0;
	int n = -ENOMEM;

	if (!located)
		return n;
	n = read_image(fd, &image, &size);
	if (!n)
		n = locate_image(image, size, located, 4);
	for (int i = 0; i < n; i++) {
		int index = capture_attach_library(probing->capture, fd, &located[i],
						   purposes(probing->options, &located[i]));

		if (index < 0) {
			n = index;
			break;
		}
		if (!located[i].secrets)
			probing->libraries->no_secrets++;
		tell_library(probing->options, path, mntns, &located[i]);
	}
	if (n > 0)
		probing->libraries->probed++;
	free(image);
	free(located);
	return n;
}

static int found_file(void *ctx, const struct target_file *file)
{
	struct probing *probing = ctx;
	int n;

	if (is_seen(probing, &file->identity))
		return 0;
	n = remember(probing, &file->identity);
	if (n)
		return n;
	n = probe_file(probing, file->fd, file->path, file->mntns);
	if (n == 0 || n == -ENOEXEC) {
		probing->libraries->without++;
		return 0;
	}
	if (n < 0) {
		probing->libraries->failed++;
		fprintf(stderr,
			"tlspcap: %s (mount namespace %u, process %d) is not captured: %s\n",
			file->path, file->mntns, file->pid, strerror(-n));
	}
	return 0;
}

static int probe_named(struct probing *probing, const char *path, bool must)
{
	struct target_identity identity;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int n;

	if (fd < 0) {
		n = -errno;
		goto out;
	}
	n = capture_identify(probing->capture, fd, &identity);
	if (!n && is_seen(probing, &identity))
		goto out;
	if (!n)
		n = remember(probing, &identity);
	if (n)
		goto out;
	n = probe_file(probing, fd, path, 0);
	if (n == 0)
		n = -ENODATA;
out:
	if (fd >= 0)
		close(fd);
	if (n >= 0 || !must)
		return 0;
	if (n == -ENODATA)
		fprintf(stderr,
			"tlspcap: --lib=%s: no TLS functions that tlspcap knows are in this file; "
			"name the library or the program that has them inside\n",
			path);
	else
		fprintf(stderr, "tlspcap: --lib=%s: %s\n", path,
			n == -ENOEXEC || n == -EBADMSG ? "not a program or library of this machine"
						       : strerror(-n));
	return n;
}

/* The program that execvp() would take; it may have its TLS library inside. */
static void probe_command(struct probing *probing, const char *name)
{
	const char *path = getenv("PATH"), *end;
	char file[4096];

	if (strchr(name, '/')) {
		probe_named(probing, name, false);
		return;
	}
	for (; path && *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		snprintf(file, sizeof(file), "%.*s/%s", (int)(end - path), path, name);
		if (!access(file, X_OK)) {
			probe_named(probing, file, false);
			return;
		}
	}
}

int libraries_probe(struct capture *capture, const struct options *options,
		    const struct target_scope *scope, struct libraries *libraries)
{
	struct probing probing = {.capture = capture, .options = options, .libraries = libraries};
	int error;

	error = target_scan(scope, capture_identify, capture, found_file, &probing,
			    &libraries->scan);
	if (error) {
		fprintf(stderr, "tlspcap: the search for TLS libraries failed: %s\n",
			strerror(-error));
		goto out;
	}
	for (size_t i = 0; i < options->n_lib && !error; i++)
		error = probe_named(&probing, options->lib[i], true);
	if (!error && options->command)
		probe_command(&probing, options->command[0]);
out:
	free(probing.seen);
	return error;
}
