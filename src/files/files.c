/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The sets, and the files in them. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <files/internal.h>

#define ATTEMPTS 1000 /* names that somebody else has */

/* Of files that share a disk; smaller ones would be all header. */
#define LIMIT_MIN ((uint64_t)32 << 10)

/* The buffer of one file among many. */
#define ROOM_OF_SPLIT ((size_t)128 << 10)

/* Makes a sentence for the user; NULL without memory. Returns `error`. */
static int __attribute__((format(printf, 3, 4)))
explain(char **why, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(why, format, arguments) < 0)
		*why = NULL;
	va_end(arguments);
	return error;
}

static bool rules_make_sets(const struct files_rules *rules)
{
	return rules->split || rules->bytes || rules->packets || rules->duration_ns ||
	       rules->interval_ns || rules->max_disk;
}

static int open_folder(struct files *files, char **why)
{
	const char *name = files->folder_name[0] ? files->folder_name : ".";

	files->folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->folder < 0)
		return explain(why, -errno, "cannot write to %s: %s; create the folder first", name,
			       strerror(errno));
	if (faccessat(files->folder, ".", W_OK | X_OK, AT_EACCESS))
		return explain(why, -errno,
			       "cannot write to %s: %s; choose a folder that you may write to",
			       name, strerror(errno));
	return 0;
}

/* Splits the path into folder and name. */
static int parse_path(struct files *files, char **why)
{
	const char *slash = strrchr(files->path, '/');
	const char *name = slash ? slash + 1 : files->path;

	files->folder_name = strndup(files->path, (size_t)(name - files->path));
	if (!files->folder_name)
		return explain(why, -ENOMEM, "no memory to write %s", files->path);
	if (!name_parse(name, &files->pattern))
		return explain(why, -EINVAL,
			       "'%s' cannot be the name of files: it is too long, or has a %%{…} "
			       "that is none of %%{mntns}, %%{netns}, %%{container}",
			       name);
	if (strstr(files->folder_name, "%{"))
		return explain(why, -EINVAL,
			       "'%s': %%{…} may stand in the name of the file only, not in that of "
			       "a folder",
			       files->path);
	files->rules.split |= files->pattern.split;
	files->gzip = strcmp(files->path, "-") != 0 && strlen(files->pattern.suffix) >= 3 &&
		      !strcmp(files->pattern.suffix + strlen(files->pattern.suffix) - 3, ".gz");
	return 0;
}

int files_open(const struct files_options *options, struct files **result, char **why)
{
	struct files *files = calloc(1, sizeof(*files));
	int error;

	*why = NULL;
	if (!files)
		return -ENOMEM;
	files->options = *options;
	files->rules = options->rules;
	files->folder = -1;
	files->path = strdup(options->path);
	error = files->path ? parse_path(files, why) : -ENOMEM;
	files->sets = rules_make_sets(&files->rules);
	if (!error && files->sets && !strcmp(files->path, "-"))
		error = explain(why, -EINVAL,
				"standard output is one file, and neither split nor followed by "
				"another; name a file with -w");
	if (!error && files->sets)
		error = open_folder(files, why);
	if (error)
		files_free(files);
	else
		*result = files;
	return error;
}

void files_free(struct files *files)
{
	if (!files)
		return;
	for (struct files_set *set = files->all; set; set = set->next) {
		while (set->oldest)
			keep_forget(set);
		set->ended = true;
	}
	keep_drop_ended(files);
	if (files->folder >= 0)
		close(files->folder);
	free(files->folder_name);
	free(files->path);
	free(files);
}

bool files_are_sets(const struct files *files)
{
	return files->sets;
}

enum files_split files_split(const struct files *files)
{
	return files->rules.split;
}

/* Two containers may have one name, also on purpose. */
static bool stem_is_taken(const struct files *files, const char *stem)
{
	for (const struct files_set *set = files->all; set; set = set->next)
		if (!strcmp(set->stem, stem))
			return true;
	return false;
}

/* The namespace had files before, and went on after all. */
static struct files_set *find_set(const struct files *files, const struct files_label *label,
				  const char *stem)
{
	for (struct files_set *set = files->all; set; set = set->next)
		if (set->mntns == label->mntns && set->netns == label->netns &&
		    !strncmp(set->stem, stem, strlen(stem)))
			return set;
	return NULL;
}

struct files_set *files_set_begin(struct files *files, const struct files_label *label)
{
	char stem[NAME_SIZE], tail[32];
	struct files_set *set;

	if (!name_label(&files->pattern, files->rules.split, label, stem))
		snprintf(stem, sizeof(stem), "%u_%u", label->mntns, label->netns);
	set = find_set(files, label, stem);
	if (!set)
		set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->ended = false;
	if (set->files)
		return set;
	snprintf(tail, sizeof(tail), "_%u", label->mntns ? label->mntns : label->netns);
	if (stem_is_taken(files, stem) && strlen(stem) + strlen(tail) < sizeof(stem))
		strcat(stem, tail);
	memcpy(set->stem, stem, sizeof(stem));
	set->files = files;
	set->mntns = label->mntns;
	set->netns = label->netns;
	set->newest = &set->oldest;
	set->next = files->all;
	files->all = set;
	return set;
}

void files_set_end(struct files_set *set)
{
	set->ended = true;
	keep_drop_ended(set->files);
}

/* How the set's next file is called; `attempt`: so many names were taken. */
static enum name_form form_of(const struct files *files, int attempt)
{
	const struct files_rules *rules = &files->rules;
	bool follow = rules->bytes || rules->packets || rules->duration_ns || rules->interval_ns ||
		      rules->max_disk;

	/* tcpdump: strftime() alone, and with -C a number after it. */
	if (rules->times_in_path)
		return attempt || rules->bytes ? NAME_NUMBERED : NAME_BARE;
	if (!follow && !attempt)
		return NAME_BARE;
	return rules->time_first ? NAME_TIME_NUMBER : NAME_NUMBER_TIME;
}

static int create(struct files_set *set, uint64_t time_ns, char name[NAME_SIZE],
		  struct output **output)
{
	struct files *files = set->files;
	char path[PATH_MAX];
	const struct output_options options = {
		.gzip = files->gzip,
		.room = files->rules.split ? ROOM_OF_SPLIT : 0,
		.guard = files->options.guard,
		.path = path,
		.insist = files->options.insist,
	};
	int error = -EEXIST;

	for (int i = 0; i < ATTEMPTS && error == -EEXIST; i++) {
		/* A name that had no number has used none. */
		set->number += !i || form_of(files, i - 1) != NAME_BARE;
		if (!name_make(set->stem, files->pattern.suffix, form_of(files, i),
			       files->rules.times_in_path, set->number, time_ns, name))
			return -ENAMETOOLONG;
		if ((size_t)snprintf(path, sizeof(path), "%s%s", files->folder_name, name) >=
		    sizeof(path))
			return -ENAMETOOLONG;
		if (files->options.privilege)
			files->options.privilege(true);
		error = output_create(files->folder, name, &options, output);
		if (files->options.privilege)
			files->options.privilege(false);
	}
	return error;
}

static struct kept *add_kept(struct files_set *set, const char *name, struct output *output)
{
	struct kept *kept = calloc(1, sizeof(*kept) + strlen(name) + 1);

	if (!kept)
		return NULL;
	strcpy(kept->name, name);
	kept->file.name = kept->name;
	kept->file.output = output;
	kept->file.number = set->number;
	kept->identity = output_identity(output);
	kept->set = set;
	*set->newest = kept;
	set->newest = &kept->next;
	set->files->n_active += !set->n_kept++;
	set->files->counts.created++;
	return kept;
}

static int open_single(struct files_set *set, struct files_file **file, char **why)
{
	const struct output_options options = {
		.gzip = set->files->gzip,
		.guard = set->files->options.guard,
		.path = set->files->path,
		.insist = set->files->options.insist,
	};
	struct output *output;
	struct kept *kept;
	int error = output_open(set->files->path, &options, &output, why);

	if (error)
		return error;
	set->number = 1;
	kept = add_kept(set, set->files->path, output);
	if (!kept) {
		output_close(output);
		return explain(why, -ENOMEM, "no memory to write %s", set->files->path);
	}
	*file = &kept->file;
	return 0;
}

int files_create(struct files_set *set, uint64_t time_ns, struct files_file **file, char **why)
{
	char name[NAME_SIZE];
	struct output *output;
	struct kept *kept;
	int error;

	*why = NULL;
	if (!set->files->sets)
		return open_single(set, file, why);
	error = create(set, time_ns, name, &output);
	if (error)
		return explain(why, error, "cannot create %s%s: %s", set->files->folder_name, name,
			       strerror(-error));
	kept = add_kept(set, name, output);
	if (!kept) {
		output_close(output);
		return explain(why, -ENOMEM, "no memory to write %s", name);
	}
	*file = &kept->file;
	keep_within(set);
	return 0;
}

static void tell_closed(const struct files *files, const struct kept *kept)
{
	char *path;

	if (!files->options.closed)
		return;
	if (asprintf(&path, "%s%s", files->sets ? files->folder_name : "", kept->name) < 0)
		return;
	files->options.closed(files->options.ctx, path);
	free(path);
}

int files_close(struct files_file *file)
{
	struct kept *kept = (struct kept *)file; /* its first member */
	struct files_set *set = kept->set;
	struct files *files = set->files;
	int error = output_flush(file->output);
	int closing;

	kept->bytes = output_written(file->output);
	closing = output_close(file->output);
	file->output = NULL;
	set->bytes += kept->bytes;
	files->bytes += kept->bytes;
	files->counts.closed++;
	tell_closed(files, kept);
	/* What no rule will ever delete need not be remembered. */
	if (files->rules.keep || files->rules.max_disk)
		keep_within(set);
	else
		while (set->oldest && !set->oldest->file.output)
			keep_forget(set);
	return error ? error : closing;
}

uint64_t files_limit(const struct files *files)
{
	uint64_t limit = files->rules.bytes, share;

	if (!files->rules.max_disk)
		return limit;
	share = files->rules.max_disk / (4 * (files->n_active ? files->n_active : 1));
	share = share > LIMIT_MIN ? share : LIMIT_MIN;
	return limit && limit < share ? limit : share;
}

struct files_counts files_counts(const struct files *files)
{
	return files->counts;
}
