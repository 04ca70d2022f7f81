/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "list.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_MAX 65536

struct row {
	uint32_t mntns;
	pid_t pid; /* of the first process; 0: nobody has it mapped */
	size_t processes;
	char *program; /* its path, as the process sees it; NULL as pid */
	struct library library;
};

struct list {
	struct capture *capture;
	const struct target_scope *scope;
	struct libraries *libraries;
	struct row *rows;
	size_t n, room;
	pid_t pid; /* in hand */
	char program[PATH_MAX];
	bool truncated;
};

/* What others have chosen goes to a terminal. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

static int add_row(struct list *list, const struct row *row)
{
	if (list->n == ROWS_MAX) {
		list->truncated = true;
		return 0;
	}
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct row *grown = reallocarray(list->rows, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->rows = grown;
		list->room = room;
	}
	list->rows[list->n++] = *row;
	return 0;
}

static bool is_same_row(const struct row *row, const struct list *list, uint32_t mntns,
			const struct library *library)
{
	return row->mntns == mntns && row->library.index == library->index &&
	       !strcmp(row->library.path, library->path) &&
	       row->library.located.family == library->located.family &&
	       !strcmp(row->program, list->program);
}

static int add_use(struct list *list, uint32_t mntns, const struct library *library)
{
	struct row row = {.mntns = mntns, .pid = list->pid, .processes = 1, .library = *library};

	for (size_t i = 0; i < list->n; i++) {
		if (!is_same_row(&list->rows[i], list, mntns, library))
			continue;
		list->rows[i].processes += list->rows[i].pid != list->pid;
		return 0;
	}
	row.program = strdup(list->program);
	return row.program ? add_row(list, &row) : -ENOMEM;
}

static bool is_same(const struct target_identity *one, const struct target_identity *other)
{
	return one->inode == other->inode && one->device == other->device &&
	       one->generation == other->generation;
}

/* A file may have several families inside. */
static int take_file(void *ctx, const struct target_file *file)
{
	struct list *list = ctx;
	int error = 0;

	for (size_t i = 0; i < list->libraries->n_found && !error; i++) {
		struct library *library = &list->libraries->found[i];

		if (!is_same(&library->identity, &file->identity))
			continue;
		library->mapped = true;
		error = add_use(list, file->mntns, library);
	}
	return error;
}

static int take_process(void *ctx, pid_t pid, uint32_t mntns)
{
	struct list *list = ctx;
	const struct target_scope scope = {.pid = &pid, .n_pid = 1, .mapped_only = true};
	struct target_counts counts;
	char path[64];
	ssize_t length;

	(void)mntns;
	list->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	length = readlink(path, list->program, sizeof(list->program) - 1);
	list->program[length > 0 ? length : 0] = '\0';
	make_plain(list->program);
	return target_scan(&scope, capture_identify, list->capture, take_file, list, &counts);
}

/* Those that lie in a library folder, and nobody has them mapped now. */
static int take_unused(struct list *list)
{
	int error = 0;

	for (size_t i = 0; i < list->libraries->n_found && !error; i++) {
		const struct library *library = &list->libraries->found[i];
		struct row row = {.mntns = library->mntns, .library = *library};

		if (!library->mapped)
			error = add_row(list, &row);
	}
	return error;
}

static int compare(const void *one, const void *other)
{
	const struct row *a = one, *b = other;

	if (a->mntns != b->mntns)
		return a->mntns < b->mntns ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- the table ---------------------------------------------------------------------------------
 */

#define NAME_MAX_SHOWN 40
#define PROGRAM_SHOWN  16
#define VERSION_SHOWN  20

/* Columns as wide as what is in them, within bounds. */
struct widths {
	int name;
	int version;
};

static void widen(int *width, const char *text, int most)
{
	int length = (int)strnlen(text, (size_t)most);

	if (*width < length)
		*width = length;
}

static struct widths measure(struct namespaces *namespaces, const struct list *list)
{
	struct widths widths = {.name = sizeof("CONTAINER") - 1, .version = sizeof("VERSION") - 1};

	for (size_t i = 0; i < list->n; i++) {
		struct namespace_info info = {0};

		namespaces_find(namespaces, list->rows[i].mntns, &info);
		widen(&widths.name, info.name, NAME_MAX_SHOWN);
		widen(&widths.version, list->rows[i].library.located.version, VERSION_SHOWN);
	}
	return widths;
}

static void print_row(const struct options *options, struct namespaces *namespaces,
		      const struct widths *widths, const struct row *row)
{
	const struct locate_result *located = &row->library.located;
	struct namespace_info info = {0};
	char processes[24] = "-";

	namespaces_find(namespaces, row->mntns, &info);
	if (row->pid)
		snprintf(processes, sizeof(processes), "%zu", row->processes);
	printf("%-11" PRIu32 " %-*.*s %-*.*s %5s  %-7s %-*.*s %-9s %-7s  %s\n", row->mntns,
	       widths->name, widths->name, info.name[0] ? info.name : "-", PROGRAM_SHOWN,
	       PROGRAM_SHOWN, row->program ? last_part(row->program) : "(not in use)", processes,
	       located->family, widths->version, widths->version,
	       located->version[0] ? located->version : "?", located->plaintext ? "yes" : "no",
	       located->secrets ? "yes" : "no", row->library.path);
	if (options->verbosity)
		printf("%11s plan: %s\n", "", libraries_plan(options, located));
	if (options->verbosity || !located->secrets)
		printf("%11s secrets: %s\n", "", located->secrets_how);
	if (options->verbosity || !located->plaintext)
		printf("%11s plaintext: %s\n", "", located->plaintext_how);
}

static void print_table(const struct options *options, struct namespaces *namespaces,
			const struct list *list)
{
	const struct libraries *libraries = list->libraries;
	struct widths widths = measure(namespaces, list);

	printf("%-11s %-*s %-*s %5s  %-7s %-*s %-9s %-7s  %s\n", "MNTNS", widths.name, "CONTAINER",
	       PROGRAM_SHOWN, "PROGRAM", "PROCS", "FAMILY", widths.version, "VERSION", "PLAINTEXT",
	       "SECRETS", "LIBRARY");
	for (size_t i = 0; i < list->n; i++)
		print_row(options, namespaces, &widths, &list->rows[i]);
	printf("%zu processes in %zu mount namespaces; %zu files with TLS functions, %zu without, "
	       "%zu not readable\n",
	       libraries->scan.processes, libraries->scan.namespaces, libraries->files,
	       libraries->without, libraries->failed + libraries->scan.unreadable);
	if (list->truncated)
		printf("only the first %d rows are shown\n", ROWS_MAX);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

/* NULL for what is not known; text that is no UTF-8 was made plain, or becomes null. */
static json_t *text_or_null(const char *text)
{
	json_t *value = text && text[0] ? json_string(text) : NULL;

	return value ? value : json_null();
}

static json_t *container_json(const struct target_container *container)
{
	if (!container->id[0])
		return json_null();
	return json_pack("{so so so so so so so}", "id", text_or_null(container->id), "name",
			 text_or_null(container->name), "image", text_or_null(container->image),
			 "pod", text_or_null(container->pod), "pod_namespace",
			 text_or_null(container->pod_namespace), "pod_uid",
			 text_or_null(container->pod_uid), "runtime",
			 text_or_null(container->runtime));
}

static json_t *row_json(const struct options *options, struct namespaces *namespaces,
			const struct row *row)
{
	const struct locate_result *located = &row->library.located;
	struct namespace_info info = {0};

	namespaces_find(namespaces, row->mntns, &info);
	return json_pack("{sI so so so sI sI so ss so sb ss sb ss ss}", "mntns",
			 (json_int_t)row->mntns, "name", text_or_null(info.name), "container",
			 container_json(&info.container), "program", text_or_null(row->program),
			 "pid", (json_int_t)row->pid, "processes", (json_int_t)row->processes,
			 "library", text_or_null(row->library.path), "family", located->family,
			 "version", text_or_null(located->version), "plaintext", located->plaintext,
			 "plaintext_how", located->plaintext_how, "secrets", located->secrets,
			 "secrets_how", located->secrets_how, "plan",
			 libraries_plan(options, located));
}

static int print_json(const struct options *options, struct namespaces *namespaces,
		      const struct list *list)
{
	const struct libraries *libraries = list->libraries;
	json_t *groups = json_array(), *root;
	int error = groups ? 0 : -ENOMEM;

	for (size_t i = 0; i < list->n && !error; i++) {
		json_t *group = row_json(options, namespaces, &list->rows[i]);

		error = group && !json_array_append_new(groups, group) ? 0 : -ENOMEM;
	}
	root = json_pack("{so sI sI sI sI sI sb}", "groups", groups, "processes",
			 (json_int_t)libraries->scan.processes, "namespaces",
			 (json_int_t)libraries->scan.namespaces, "files",
			 (json_int_t)libraries->files, "files_without",
			 (json_int_t)libraries->without, "files_unreadable",
			 (json_int_t)(libraries->failed + libraries->scan.unreadable), "truncated",
			 list->truncated);
	if (!root || error || json_dumpf(root, stdout, JSON_INDENT(2)))
		error = -ENOMEM;
	putchar('\n');
	json_decref(root);
	return error;
}

int list_print(const struct options *options, struct capture *capture,
	       const struct target_scope *scope, struct libraries *libraries,
	       struct namespaces *namespaces)
{
	struct list list = {.capture = capture, .scope = scope, .libraries = libraries};
	int error;

	for (size_t i = 0; i < libraries->n_found; i++) {
		libraries->found[i].mapped = false; /* what uses show */
		make_plain(libraries->found[i].path);
	}
	error = target_each_process(scope, take_process, &list);
	if (!error)
		error = take_unused(&list);
	if (!error)
		qsort(list.rows, list.n, sizeof(*list.rows), compare);
	if (!error && options->list_json)
		error = print_json(options, namespaces, &list);
	else if (!error)
		print_table(options, namespaces, &list);
	if (error)
		fprintf(stderr, "tlspcap: the list cannot be made: %s\n", strerror(-error));
	for (size_t i = 0; i < list.n; i++)
		free(list.rows[i].program);
	free(list.rows);
	return error;
}
