/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The writer's life: its options, its files, its filter. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <stdio.h>
#include <writer/internal.h>

/* Of all HTTP/2 connections that may go on in another file. */
#define HTTP2_MEMORY ((size_t)64 << 20)

static void take_name_space(void *ctx, const struct tlspcap_namespace *name_space)
{
	struct writer *writer = ctx;

	names_describe(&writer->names, name_space);
}

/* Makes a sentence for the user; NULL without memory. Returns `error`. */
static int explain(char **why, int error, const char *format, const char *text)
{
	if (asprintf(why, format, text) < 0)
		*why = NULL;
	return error;
}

static int compile_filter(struct writer *writer, const char *filter, char **why)
{
	pcap_t *dead;
	int error = 0;

	if (!filter || !*filter)
		return 0;
	dead = pcap_open_dead(DLT_EN10MB, PCAPNG_SNAPLEN);
	if (!dead)
		return explain(why, -ENOMEM, "no memory for the filter '%s'", filter);
	if (pcap_compile(dead, &writer->filter, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		error = -EINVAL;
		if (asprintf(why, "the filter '%s' does not compile: %s; see pcap-filter(7)",
			     filter, pcap_geterr(dead)) < 0)
			*why = NULL;
	} else {
		writer->filter_text = strdup(filter);
		if (!writer->filter_text) {
			pcap_freecode(&writer->filter);
			error = explain(why, -ENOMEM, "no memory for the filter '%s'", filter);
		}
	}
	pcap_close(dead);
	return error;
}

static int check_options(const struct writer_options *options, char **why)
{
	if (options->keylog && !strcmp(options->path, options->keylog))
		return explain(why, -EINVAL,
			       "'%s' cannot be both the capture and the key log; give two files",
			       options->path);
	return 0;
}

/* Options that outlive the call. */
static bool keep_options(struct writer *writer, const struct writer_options *options)
{
	writer->options = *options;
	writer->options.path = writer->options.keylog = writer->options.filter = NULL;
	writer->view = options->view;
	writer->sealed = options->no_secrets && options->view == VIEW_TLS;
	writer->now = options->now_ns;
	writer->application = strdup(options->application ? options->application : "");
	writer->hardware = options->hardware ? strdup(options->hardware) : NULL;
	writer->os = options->os ? strdup(options->os) : NULL;
	writer->keylog_path = options->keylog ? strdup(options->keylog) : NULL;
	return writer->application && (writer->hardware || !options->hardware) &&
	       (writer->os || !options->os) && (writer->keylog_path || !options->keylog);
}

static void free_sections(struct writer *writer)
{
	for (size_t i = 0; writer->sections.buckets && i <= writer->sections.mask; i++) {
		struct table_node *node = writer->sections.buckets[i], *next;

		for (; node; node = next) {
			next = node->next;
			section_free(writer, container_of(node, struct section, node));
		}
	}
	table_free(&writer->sections);
}

static void free_writer(struct writer *writer)
{
	free_sections(writer);
	files_free(writer->files);
	if (writer->filter_text)
		pcap_freecode(&writer->filter);
	free(writer->filter_text);
	secrets_store_free(&writer->store);
	names_free(&writer->names);
	free(writer->application);
	free(writer->hardware);
	free(writer->os);
	free(writer->keylog_path);
	free(writer->why);
	free(writer);
}

/* What was made a moment ago and holds nothing: no half set of files. */
static void remove_empty(const char *path)
{
	struct stat status;

	if (strcmp(path, "-") != 0 && !lstat(path, &status) && S_ISREG(status.st_mode) &&
	    status.st_size == 0)
		unlink(path);
}

/* All that can be opened now is: there may be no right to it later, and it is told early. */
static int open_files(struct writer *writer, const struct writer_options *options, char **why)
{
	const struct files_options files = {
		.path = options->path,
		.rules = options->rules,
		.privilege = options->privilege,
		.guard = options->guard,
		.insist = options->insist,
		.closed = options->closed,
		.ctx = options->ctx,
	};
	const struct conversation_info nobody = {0};
	int error = files_open(&files, &writer->files, why);

	if (error)
		return error;
	writer->options.rules.split = files_split(writer->files);
	if (options->keylog)
		error = output_open(options->keylog, NULL, &writer->keylog, why);
	if (error || writer->options.rules.split)
		return error;
	writer->only = section_of(writer, &nobody);
	if (!writer->only)
		return -ENOMEM;
	/* A replay has no time before its first event. */
	if (files_are_sets(writer->files) && !options->now_ns)
		return 0;
	if (section_open(writer, writer->only))
		return 0;
	*why = writer->why;
	writer->why = NULL;
	if (writer->keylog) {
		output_close(writer->keylog);
		writer->keylog = NULL;
		remove_empty(options->keylog);
	}
	return writer->error;
}

static bool init(struct writer *writer, const struct writer_options *options)
{
	list_init(&writer->open);
	writer->http2_memory.left = HTTP2_MEMORY;
	return keep_options(writer, options) && names_init(&writer->names) &&
	       secrets_store_init(&writer->store) && table_init(&writer->sections, 1024);
}

int writer_open(const struct writer_options *options, struct writer **result, char **why)
{
	struct writer *writer = NULL;
	int error;

	*why = NULL;
	error = check_options(options, why);
	if (error)
		return error;
	writer = calloc(1, sizeof(*writer));
	if (!writer)
		return explain(why, -ENOMEM, "no memory to write %s", options->path);
	if (!init(writer, options)) {
		error = explain(why, -ENOMEM, "no memory to write %s", options->path);
		goto out;
	}
	error = compile_filter(writer, options->filter, why);
	if (error)
		goto out;
	error = open_files(writer, options, why);
	if (error)
		goto out;

	writer->sink = (struct conversation_sink){
		.ctx = writer,
		.open = stream_open,
		.data = stream_data,
		.choose = stream_choose,
		.records = stream_records,
		.seen = stream_seen,
		.gap = stream_gap,
		.close = stream_close,
		.secret = secrets_take,
		.name_space = take_name_space,
		.name_space_end = section_name_space_end,
		.clock = section_clock,
	};
	*result = writer;
	return 0;
out:
	free_writer(writer);
	return error;
}

const struct conversation_sink *writer_sink(struct writer *writer)
{
	return &writer->sink;
}

int writer_error(const struct writer *writer)
{
	return writer->error;
}

bool writer_done(const struct writer *writer)
{
	return (writer->options.packets && writer->counts.packets >= writer->options.packets) ||
	       writer->finished || writer->error;
}

static void flush_section(struct writer *writer, struct section *section)
{
	int error;

	/* In sets they wait for the frames that need them, which may be in the next file. And
	 * nothing comes before the first interface. */
	if (!files_are_sets(writer->files) && section->n_interfaces)
		packet_write_secrets(writer, section);
	error = output_flush(section->file->output);
	if (error)
		packet_fail_file(writer, section->file->name, error);
}

int writer_flush(struct writer *writer)
{
	struct list *at;
	int error;

	for (at = writer->open.next; at != &writer->open; at = at->next)
		flush_section(writer, container_of(at, struct section, open));
	error = writer->keylog ? output_flush(writer->keylog) : 0;
	if (error)
		packet_fail_file(writer, writer->keylog_path, error);
	return writer_error(writer);
}

bool writer_is_pipe(const struct writer *writer)
{
	return writer->only && writer->only->file && output_is_pipe(writer->only->file->output);
}

bool writer_makes_files(const struct writer *writer)
{
	return files_are_sets(writer->files);
}

bool writer_is_split(const struct writer *writer)
{
	return files_split(writer->files) & FILES_BY_MNTNS;
}

const struct writer_counts *writer_counts(const struct writer *writer)
{
	return &writer->counts;
}

int writer_close(struct writer *writer, char **why)
{
	int error;

	writer->closing = true;
	/* A set has at least one file, also when nothing happened. */
	if (writer->only && !writer->error)
		section_open(writer, writer->only);
	while (!list_empty(&writer->open))
		section_close(writer, container_of(writer->open.next, struct section, open));
	if (writer->keylog) {
		error = output_close(writer->keylog);
		if (error)
			packet_fail_file(writer, writer->keylog_path, error);
	}
	error = writer_error(writer);
	if (error && !writer->why && asprintf(&writer->why, "%s", strerror(-error)) < 0)
		writer->why = NULL;
	if (why) {
		*why = writer->why;
		writer->why = NULL;
	}
	free_writer(writer);
	return error;
}
