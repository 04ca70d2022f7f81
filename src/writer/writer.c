/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The writer's life: its options, its files, its filter. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <stdio.h>
#include <writer/internal.h>

static void take_secret(void *ctx, const struct tlspcap_secret *secret, uint64_t time_ns)
{
	(void)time_ns;
	packet_add_secret(ctx, secret);
}

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
	if (options->keylog && strcmp(options->path, options->keylog) == 0)
		return explain(why, -EINVAL,
			       "'%s' cannot be both the capture and the key log; give two files",
			       options->path);
	return 0;
}

static void free_writer(struct writer *writer)
{
	if (writer->filter_text)
		pcap_freecode(&writer->filter);
	free(writer->filter_text);
	names_free(&writer->names);
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

static int open_files(struct writer *writer, const struct writer_options *options, char **why)
{
	int error = output_open(options->path, &writer->output, why);

	if (error || !options->keylog)
		return error;
	error = output_open(options->keylog, &writer->keylog, why);
	if (!error)
		return 0;
	output_close(writer->output);
	remove_empty(options->path);
	return error;
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
	if (!names_init(&writer->names)) {
		error = explain(why, -ENOMEM, "no memory to write %s", options->path);
		goto out;
	}
	error = compile_filter(writer, options->filter, why);
	if (error)
		goto out;
	error = open_files(writer, options, why);
	if (error)
		goto out;

	writer->view = options->view;
	writer->packets_max = options->packets;
	writer->sink = (struct conversation_sink){
		.ctx = writer,
		.open = stream_open,
		.data = stream_data,
		.choose = stream_choose,
		.records = stream_records,
		.gap = stream_gap,
		.close = stream_close,
		.secret = take_secret,
		.name_space = take_name_space,
	};
	packet_write_section(writer, options);
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
	int error = writer->error;

	if (!error)
		error = output_error(writer->output);
	if (!error && writer->keylog)
		error = output_error(writer->keylog);
	return error;
}

bool writer_done(const struct writer *writer)
{
	return (writer->packets_max && writer->counts.packets >= writer->packets_max) ||
	       writer_error(writer);
}

int writer_flush(struct writer *writer)
{
	packet_write_secrets(writer);
	output_flush(writer->output);
	if (writer->keylog)
		output_flush(writer->keylog);
	return writer_error(writer);
}

bool writer_is_pipe(const struct writer *writer)
{
	return output_is_pipe(writer->output);
}

const struct writer_counts *writer_counts(const struct writer *writer)
{
	return &writer->counts;
}

int writer_close(struct writer *writer)
{
	int error = writer_error(writer);
	int closing;

	if (!error) {
		packet_write_secrets(writer);
		packet_write_interface(writer);
		packet_write_statistics(writer);
		error = writer_error(writer);
	}
	closing = output_close(writer->output);
	if (!error)
		error = closing;
	if (writer->keylog) {
		closing = output_close(writer->keylog);
		if (!error)
			error = closing;
	}
	free_writer(writer);
	return error;
}
