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

/* Files that were looked at: a table in which each has one place. */
#define SEEN_MAX 65536

/* Sweeps, of 10 s each, that find a file not mapped before its probes come off. */
#define IDLE_SWEEPS	     2
#define IDLE_SWEEPS_OF_MANY  6	/* one that was used in more namespaces than are counted */
#define REACHABLE_CHECKS_MAX 64 /* in one sweep */

struct search {
	struct capture *capture;
	struct libraries *libraries;
};

static bool is_same(const struct target_identity *one, const struct target_identity *other)
{
	return one->inode == other->inode && one->device == other->device &&
	       one->generation == other->generation;
}

static struct target_identity *seen_slot(const struct libraries *libraries,
					 const struct target_identity *identity)
{
	uint64_t hash =
		(identity->inode ^ (uint64_t)identity->generation << 32) * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ hash >> 29 ^ identity->device) * 0xbf58476d1ce4e5b9ull;
	return &libraries->seen[(hash >> 32) % SEEN_MAX];
}

static const struct library *find_library(const struct libraries *libraries,
					  const struct target_identity *identity)
{
	for (size_t i = 0; i < libraries->n_found; i++)
		if (is_same(&libraries->found[i].identity, identity))
			return &libraries->found[i];
	return NULL;
}

/* A file that another one has displaced is looked at once more, unless it has probes. */
static bool is_seen(const struct libraries *libraries, const struct target_identity *identity)
{
	return (libraries->seen && is_same(seen_slot(libraries, identity), identity)) ||
	       find_library(libraries, identity);
}

/* One more element; NULL without memory. */
static void *grow(void **array, size_t *n, size_t *room, size_t size)
{
	if (*n == *room) {
		size_t more = *room ? 2 * *room : 16;
		void *grown = realloc(*array, more * size);

		if (!grown)
			return NULL;
		*array = grown;
		*room = more;
	}
	return (char *)*array + size * (*n)++;
}

static int remember(struct libraries *libraries, const struct target_identity *identity)
{
	if (!libraries->seen)
		libraries->seen = calloc(SEEN_MAX, sizeof(*libraries->seen));
	if (!libraries->seen)
		return -ENOMEM;
	*seen_slot(libraries, identity) = *identity;
	return 0;
}

/* The cheap plan, one probe that fires a few times in a handshake, where that is enough. */
static unsigned int purposes(const struct options *options, const struct locate_result *located)
{
	if (options->source == SOURCE_RECORDS ||
	    (options->source == SOURCE_AUTO && located->secrets))
		return LOCATE_FOR_SECRETS;
	return LOCATE_FOR_SECRETS | LOCATE_FOR_PLAINTEXT;
}

const char *libraries_plan(const struct options *options, const struct locate_result *located)
{
	bool plaintext = located->plaintext && (purposes(options, located) & LOCATE_FOR_PLAINTEXT);

	if (options->source == SOURCE_PROBES && !plaintext)
		return located->secrets ? "secrets, no plaintext" : "nothing";
	if (options->source == SOURCE_PROBES)
		return located->secrets ? "plaintext and secrets of its calls"
					: "plaintext of its calls";
	if (located->secrets)
		return plaintext ? "records, secrets, plaintext of its calls"
				 : "records and secrets";
	return plaintext ? "records, plaintext of its calls" : "records without secrets";
}

static int add_library(struct libraries *libraries, const struct library *library,
		       const struct locate_result *located, int fd, const char *path)
{
	struct library *added = grow((void **)&libraries->found, &libraries->n_found,
				     &libraries->room, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = *library;
	added->located = *located;
	added->index = -1;
	added->path = strdup(path);
	added->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (added->path && added->fd >= 0)
		return 0;
	return added->path ? -errno : -ENOMEM;
}

/* Returns the number of families in the file, or negative errno. */
static int look_at_file(struct libraries *libraries, const struct library *library, int fd,
			const char *path)
{
	struct locate_result *located = calloc(CONTENTS_FAMILIES, sizeof(*located));
	int n = -ENOMEM;

	if (!located)
		return n;
	n = contents_locate(&libraries->contents, fd, located);
	for (int i = 0; i < n; i++) {
		int error = add_library(libraries, library, &located[i], fd, path);

		if (error)
			n = error;
	}
	if (n > 0)
		libraries->files++;
	free(located);
	return n;
}

static const char *reason(int error)
{
	return error == -ENOTSUP ? "its code is 32-bit or for another machine" : strerror(-error);
}

static void tell_failure(struct libraries *libraries, const char *path, uint32_t mntns, pid_t pid,
			 int error)
{
	libraries->failed++;
	fprintf(stderr, "tlspcap: %s (mount namespace %u, process %d) is not captured: %s\n", path,
		mntns, pid, reason(error));
}

static void add_user(struct library *library, uint32_t mntns)
{
	for (size_t i = 0; i < library->n_users && i < LIBRARY_USERS_MAX; i++)
		if (library->users[i] == mntns)
			return;
	if (library->n_users < LIBRARY_USERS_MAX)
		library->users[library->n_users] = mntns;
	if (library->n_users <= LIBRARY_USERS_MAX)
		library->n_users++;
}

static int found_file(void *ctx, const struct target_file *file)
{
	struct search *search = ctx;
	struct libraries *libraries = search->libraries;
	const struct library library = {
		.identity = file->identity,
		.users = {file->mntns},
		.n_users = 1,
		.mntns = file->mntns,
		.pid = file->pid,
		.mapped = file->mapped,
	};
	int n;

	if (is_seen(libraries, &file->identity)) {
		for (size_t i = 0; i < libraries->n_found; i++)
			if (is_same(&libraries->found[i].identity, &file->identity))
				add_user(&libraries->found[i], file->mntns);
		return 0;
	}
	n = remember(libraries, &file->identity);
	if (n)
		return n;
	n = look_at_file(libraries, &library, file->fd, file->path);
	if (n == 0 || n == -ENOEXEC)
		libraries->without++;
	else if (n < 0)
		tell_failure(libraries, file->path, file->mntns, file->pid, n);
	return 0;
}

static int look_at_named(struct search *search, const char *path, bool must)
{
	struct library library = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int n;

	if (fd < 0) {
		n = -errno;
		goto out;
	}
	n = capture_identify(search->capture, fd, &library.identity);
	if (!n && is_seen(search->libraries, &library.identity))
		goto out;
	if (!n)
		n = remember(search->libraries, &library.identity);
	if (n)
		goto out;
	n = look_at_file(search->libraries, &library, fd, path);
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
						       : reason(n));
	return n;
}

/* The program that execvp() would take; it may have its TLS library inside. */
static void look_at_command(struct search *search, const char *name)
{
	const char *path = getenv("PATH"), *end;
	char file[4096];

	if (strchr(name, '/')) {
		look_at_named(search, name, false);
		return;
	}
	for (; path && *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		snprintf(file, sizeof(file), "%.*s/%s", (int)(end - path), path, name);
		if (!access(file, X_OK)) {
			look_at_named(search, file, false);
			return;
		}
	}
}

int libraries_find(struct capture *capture, const struct options *options,
		   const struct target_scope *scope, struct libraries *libraries)
{
	struct search search = {.capture = capture, .libraries = libraries};
	int error;

	error = target_scan(scope, capture_identify, capture, found_file, &search,
			    &libraries->scan);
	if (error) {
		fprintf(stderr, "tlspcap: the search for TLS libraries failed: %s\n",
			strerror(-error));
		return error;
	}
	for (size_t i = 0; i < options->n_lib && !error; i++)
		error = look_at_named(&search, options->lib[i], true);
	if (!error && options->command)
		look_at_command(&search, options->command[0]);
	return error;
}

static void tell_library(const struct options *options, const struct library *library)
{
	const struct locate_result *located = &library->located;
	const bool silent = options->quiet || located->half;

	if (!located->secrets && !silent)
		fprintf(stderr, "tlspcap: %s: no secrets from it: %s\n", library->path,
			located->secrets_how);
	if (!located->plaintext && options->source == SOURCE_PROBES && !silent)
		fprintf(stderr, "tlspcap: %s: no plaintext from it: %s\n", library->path,
			located->plaintext_how);
	if (options->verbosity < 1)
		return;
	fprintf(stderr,
		"tlspcap: probing %s (mount namespace %u): %s%s%s; plan: %s; plaintext: %s; "
		"secrets: %s\n",
		library->path, library->mntns, located->family, located->version[0] ? " " : "",
		located->version, libraries_plan(options, located), located->plaintext_how,
		located->secrets_how);
}

static int attach(struct capture *capture, const struct options *options,
		  struct libraries *libraries, struct library *library)
{
	library->index = capture_attach_library(capture, library->fd, &library->located,
						purposes(options, &library->located));
	/* An open file would keep a container's file system from being unmounted. */
	close(library->fd);
	library->fd = -1;
	if (library->index < 0) {
		tell_failure(libraries, library->path, library->mntns, library->pid,
			     library->index);
	} else {
		capture_probed(capture, &library->identity);
		tell_library(options, library);
	}
	return library->index;
}

int libraries_attach(struct capture *capture, const struct options *options,
		     struct libraries *libraries)
{
	for (size_t i = 0; i < libraries->n_found; i++)
		if (attach(capture, options, libraries, &libraries->found[i]) == -ENOMEM)
			return -ENOMEM;
	return 0;
}

static int take_new(struct capture *capture, const struct options *options,
		    struct libraries *libraries, const struct target_file *file)
{
	struct search search = {.capture = capture, .libraries = libraries};
	size_t first = libraries->n_found;
	int n = found_file(&search, file), attached = 0;

	if (n)
		return n;
	for (size_t i = first; i < libraries->n_found; i++)
		attached += attach(capture, options, libraries, &libraries->found[i]) >= 0;
	return attached;
}

int libraries_take(struct capture *capture, const struct options *options,
		   struct libraries *libraries, const struct target_file *file, bool *with)
{
	int n = 0;

	pthread_mutex_lock(&libraries->lock);
	for (size_t i = 0; i < libraries->n_found; i++)
		if (is_same(&libraries->found[i].identity, &file->identity))
			add_user(&libraries->found[i], file->mntns);
	if (!is_seen(libraries, &file->identity))
		n = take_new(capture, options, libraries, file);
	*with = find_library(libraries, &file->identity) != NULL;
	pthread_mutex_unlock(&libraries->lock);
	return n;
}

int libraries_take_namespace(struct capture *capture, const struct options *options,
			     struct libraries *libraries, const struct target_scope *scope)
{
	struct search search = {.capture = capture, .libraries = libraries};
	struct target_counts counts;
	int attached = 0, error;
	size_t first;

	pthread_mutex_lock(&libraries->lock);
	first = libraries->n_found;
	error = target_scan(scope, capture_identify, capture, found_file, &search, &counts);
	for (size_t i = first; i < libraries->n_found; i++)
		attached += attach(capture, options, libraries, &libraries->found[i]) >= 0;
	pthread_mutex_unlock(&libraries->lock);
	return error < 0 ? error : attached;
}

/* --- files that nobody uses any more ---------------------------------------------------------- */

struct reach {
	struct capture *capture;
	const struct libraries_process *processes;
	size_t n_processes;
	unsigned int checks;
};

/* Whether the path still leads to the file, in a namespace that it was seen in. */
static bool leads_there(struct reach *reach, const struct library *library, uint32_t mntns)
{
	struct target_identity identity;
	size_t i = 0;
	bool same;
	int fd;

	while (i < reach->n_processes && reach->processes[i].mntns != mntns)
		i++;
	if (i == reach->n_processes)
		return false; /* the namespace has ended */
	fd = target_open_in(reach->processes[i].pid, library->path);
	if (fd < 0)
		return false;
	same = !capture_identify(reach->capture, fd, &identity) &&
	       is_same(&identity, &library->identity);
	close(fd);
	return same;
}

static bool is_reachable(struct reach *reach, const struct library *library)
{
	for (size_t i = 0; i < library->n_users && i < LIBRARY_USERS_MAX; i++)
		if (leads_there(reach, library, library->users[i]))
			return true;
	return false;
}

/* A program in a living container that runs once a minute keeps its probes in between. */
static bool is_over(struct reach *reach, struct library *library)
{
	if (!library->n_users || library->index < 0 ||
	    capture_is_mapped(reach->capture, &library->identity)) {
		library->idle = 0;
		return false; /* named by hand, not probed, or in use */
	}
	library->idle++;
	if (library->n_users > LIBRARY_USERS_MAX)
		return library->idle >= IDLE_SWEEPS_OF_MANY;
	if (library->idle < IDLE_SWEEPS || reach->checks >= REACHABLE_CHECKS_MAX)
		return false;
	reach->checks++;
	if (!is_reachable(reach, library))
		return true;
	library->idle = 0; /* others are looked at before this one again */
	return false;
}

static void forget(struct libraries *libraries, struct library *library)
{
	struct target_identity *slot = seen_slot(libraries, &library->identity);

	if (libraries->seen && is_same(slot, &library->identity))
		memset(slot, 0, sizeof(*slot));
	free(library->path);
	*library = libraries->found[--libraries->n_found];
}

static void take_off(struct capture *capture, const struct options *options,
		     const struct library *library)
{
	/* First the word, then the probes: who maps it in between is told of. */
	capture_not_probed(capture, &library->identity);
	if (library->index >= 0)
		capture_detach_library(capture, (uint32_t)library->index);
	if (options->verbosity)
		fprintf(stderr,
			"tlspcap: %s (mount namespace %u): nobody is left there, probes off\n",
			library->path, library->mntns);
}

size_t libraries_release(struct capture *capture, const struct options *options,
			 struct libraries *libraries, const struct libraries_process *processes,
			 size_t n_processes)
{
	struct reach reach = {capture, processes, n_processes, 0};
	size_t released = 0;

	if (capture_sweep(capture))
		return 0; /* not known what is mapped: all stays */
	pthread_mutex_lock(&libraries->lock);
	for (size_t i = 0; i < libraries->n_found;) {
		struct library *library = &libraries->found[i];

		if (!is_over(&reach, library)) {
			i++;
			continue;
		}
		take_off(capture, options, library);
		forget(libraries, library);
		released++;
	}
	pthread_mutex_unlock(&libraries->lock);
	return released;
}

bool libraries_by_identity(struct libraries *libraries, const struct target_identity *identity,
			   struct library *copy)
{
	bool found = false;

	pthread_mutex_lock(&libraries->lock);
	for (size_t i = 0; i < libraries->n_found && !found; i++) {
		found = is_same(&libraries->found[i].identity, identity);
		if (found)
			*copy = libraries->found[i];
	}
	pthread_mutex_unlock(&libraries->lock);
	return found;
}

void libraries_init(struct libraries *libraries)
{
	memset(libraries, 0, sizeof(*libraries));
	pthread_mutex_init(&libraries->lock, NULL);
}

void libraries_free(struct libraries *libraries)
{
	for (size_t i = 0; i < libraries->n_found; i++) {
		if (libraries->found[i].fd >= 0)
			close(libraries->found[i].fd);
		free(libraries->found[i].path);
	}
	free(libraries->found);
	free(libraries->seen);
	contents_free(&libraries->contents);
	pthread_mutex_destroy(&libraries->lock);
}
