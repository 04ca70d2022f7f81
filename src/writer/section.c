/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Sections: which one a conversation belongs to, and their files, one after the other. */
#include <errno.h>
#include <stdio.h>
#include <writer/internal.h>

/* Files that are open at once; of more namespaces, those that were quiet longest close theirs. */
#define OPEN_MAX     256
#define SECTIONS_MAX 4096

#define NS_OF_SECOND 1000000000ull

static uint64_t key_of(uint32_t mntns, uint32_t netns)
{
	return (uint64_t)mntns << 32 | netns;
}

static struct section *find(struct writer *writer, uint32_t mntns, uint32_t netns)
{
	uint64_t hash = table_hash(&writer->sections, key_of(mntns, netns));
	struct table_node *node = table_find(&writer->sections, hash);

	for (; node; node = table_match(node->next, hash)) {
		struct section *section = container_of(node, struct section, node);

		if (section->mntns == mntns && section->netns == netns)
			return section;
	}
	return NULL;
}

/* What %{container} stands for. */
static const char *label_of(struct writer *writer, uint32_t mntns)
{
	struct interface *interface = names_interface(&writer->names, mntns);
	const char *label = interface ? interface->label : NULL;

	names_release_interface(&writer->names, interface);
	return label;
}

static struct section *section_new(struct writer *writer, uint32_t mntns, uint32_t netns)
{
	struct section *section = calloc(1, sizeof(*section));
	const struct files_label label = {
		.mntns = mntns,
		.netns = netns,
		.container = mntns ? label_of(writer, mntns) : NULL,
	};

	if (!section)
		return NULL;
	section->set = files_set_begin(writer->files, &label);
	if (!section->set) {
		free(section);
		return NULL;
	}
	section->mntns = mntns;
	section->netns = netns;
	list_init(&section->open);
	list_init(&section->streams);
	table_add(&writer->sections, &section->node,
		  table_hash(&writer->sections, key_of(mntns, netns)));
	writer->n_sections++;
	return section;
}

static struct section *get(struct writer *writer, uint32_t mntns, uint32_t netns)
{
	struct section *section = find(writer, mntns, netns);

	if (section)
		return section;
	if (writer->n_sections >= SECTIONS_MAX && (mntns || netns))
		return get(writer, 0, 0); /* what is too much shares one */
	return section_new(writer, mntns, netns);
}

struct section *section_of(struct writer *writer, const struct conversation_info *info)
{
	enum files_split split = files_split(writer->files);
	struct section *section = get(writer, split & FILES_BY_MNTNS ? info->mntns : 0,
				      split & FILES_BY_NETNS ? info->netns : 0);

	if (!section)
		return NULL;
	section->ended = false;
	section->n_streams++;
	return section;
}

struct section *section_find_open(struct writer *writer, uint32_t mntns)
{
	struct section *section = writer->only;

	/* Network namespaces are not told with secrets: these wait for their conversations. */
	if (!section && files_split(writer->files) == FILES_BY_MNTNS)
		section = find(writer, mntns, 0);
	return section && section->file ? section : NULL;
}

static void free_section(struct writer *writer, struct section *section)
{
	files_set_end(section->set);
	table_remove(&writer->sections, &section->node);
	writer->n_sections--;
	if (section->lines)
		explicit_bzero(section->lines, section->lines_room);
	free(section->lines);
	free(section->interfaces);
	free(section->previous);
	free(section);
}

void section_free(struct writer *writer, struct section *section)
{
	section_close(writer, section);
	free_section(writer, section);
}

void section_release(struct writer *writer, struct section *section)
{
	section->n_streams--;
	if (section->ended && !section->n_streams && section != writer->only)
		section_free(writer, section);
}

/* --- files ------------------------------------------------------------------------------- */

static uint64_t next_due(const struct writer *writer)
{
	const struct files_rules *rules = &writer->options.rules;
	uint64_t due = 0, multiple;

	if (rules->duration_ns)
		due = writer->now + rules->duration_ns;
	if (rules->interval_ns) {
		multiple = (writer->now / rules->interval_ns + 1) * rules->interval_ns;
		due = due && due < multiple ? due : multiple;
	}
	return due;
}

/* The section's file is this one now. */
static void begin_file(struct writer *writer, struct section *section, struct files_file *file)
{
	section->file = file;
	section->serial = ++writer->serial;
	section->packets = 0;
	section->n_processes = 0;
	section->due_ns = next_due(writer);
	if (list_empty(&section->open)) {
		list_add(&writer->open, &section->open);
		writer->n_open++;
	}
	writer->counts.files++;
	if (!writer->error) /* of the file before it */
		packet_write_section(writer, section);
}

static struct files_file *create_file(struct writer *writer, struct section *section)
{
	struct files_file *file = NULL;
	char *why = NULL;
	int error = files_create(section->set, writer->now, &file, &why);

	if (!error)
		return file;
	packet_fail(writer, error);
	if (writer->why)
		free(why);
	else
		writer->why = why;
	return NULL;
}

/* Everything that the file still needs, and its end. Streams have left. */
static void end_file(struct writer *writer, struct section *section)
{
	struct files_file *file = section->file;
	char *name = strdup(file->name);
	int error;

	if (!writer->error)
		packet_write_end(writer, section);
	free(section->previous);
	section->previous = name;
	for (uint32_t i = 0; i < section->n_interfaces; i++)
		names_release_interface(&writer->names, section->interfaces[i].interface);
	section->n_interfaces = 0;
	section->file = NULL;
	error = files_close(file);
	writer->counts.deleted = files_counts(writer->files).deleted;
	if (error)
		packet_fail_file(writer, name ? name : "a file", error);
}

static void leave_streams(struct writer *writer, struct section *section, const char *next)
{
	while (!list_empty(&section->streams))
		stream_leave(writer, container_of(section->streams.next, struct stream, of_section),
			     next);
}

void section_close(struct writer *writer, struct section *section)
{
	if (!section->file)
		return;
	leave_streams(writer, section, NULL);
	end_file(writer, section);
	list_remove(&section->open);
	writer->n_open--;
}

/* The next file is there before the one at hand ends, which names it. */
static void follow(struct writer *writer, struct section *section)
{
	struct files_file *next = create_file(writer, section);

	if (!next)
		return;
	leave_streams(writer, section, next->name);
	end_file(writer, section);
	begin_file(writer, section, next);
}

bool section_open(struct writer *writer, struct section *section)
{
	struct files_file *file;

	if (section->file) {
		if (!writer->only)
			list_move(&writer->open, &section->open);
		return true;
	}
	if (writer->error)
		return false;
	while (writer->n_open >= OPEN_MAX)
		section_close(writer, container_of(writer->open.next, struct section, open));
	file = create_file(writer, section);
	if (!file)
		return false;
	begin_file(writer, section, file);
	return true;
}

static bool is_full(const struct writer *writer, const struct section *section)
{
	const struct files_rules *rules = &writer->options.rules;
	uint64_t limit = files_limit(writer->files);

	return (limit && output_bytes(section->file->output) >= limit) ||
	       (rules->packets && section->packets >= rules->packets) ||
	       (section->due_ns && writer->now >= section->due_ns);
}

/* The last file that was asked for is complete. */
static bool was_last(const struct writer *writer)
{
	uint32_t stop = writer->options.rules.stop_files;

	return stop && files_counts(writer->files).created >= stop;
}

void section_turn(struct writer *writer, struct section *section, uint64_t time_ns)
{
	if (time_ns > writer->now)
		writer->now = time_ns;
	if (!section->file || writer_done(writer) || !is_full(writer, section))
		return;
	if (!section->packets) { /* it waits for its first one */
		section->due_ns = next_due(writer);
		return;
	}
	if (was_last(writer))
		writer->finished = true;
	else
		follow(writer, section);
}

void section_clock(void *ctx, uint64_t time_ns)
{
	struct writer *writer = ctx;
	struct list *at, *next;

	writer->now = time_ns;
	if (!files_are_sets(writer->files))
		return;
	for (at = writer->open.next; at != &writer->open; at = next) {
		next = at->next;
		section_turn(writer, container_of(at, struct section, open), time_ns);
	}
}

void section_name_space_end(void *ctx, uint32_t mntns)
{
	struct writer *writer = ctx;
	struct list *at, *next;

	if (!(files_split(writer->files) & FILES_BY_MNTNS))
		return;
	for (at = writer->open.next; at != &writer->open; at = next) {
		struct section *section = container_of(at, struct section, open);

		next = at->next;
		if (section->mntns != mntns)
			continue;
		section->ended = true;
		section_close(writer, section);
		if (!section->n_streams)
			section_free(writer, section);
	}
}
