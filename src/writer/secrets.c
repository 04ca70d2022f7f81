/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Secrets on their way into files. Each file that a conversation is in has its secrets, once:
 * what came for an earlier file is kept, by client random, as the lines of a key log.
 */
#include <errno.h>
#include <writer/internal.h>

#define RANDOMS_MAX	65536
#define KEPT_BYTES_MAX	((size_t)32 << 20)
#define LINES_OF_RANDOM (16 * PCAPNG_SECRET_LINE_MAX)

struct kept_secrets {
	struct table_node node;
	struct list recent;
	uint8_t random[TLSPCAP_RANDOM_LEN];
	uint64_t file; /* serial number of that which has the lines */
	uint32_t length, count;
	char *lines;
};

bool secrets_store_init(struct secrets_store *store)
{
	list_init(&store->recent);
	return table_init(&store->table, 4096);
}

static void forget(struct secrets_store *store, struct kept_secrets *kept)
{
	table_remove(&store->table, &kept->node);
	list_remove(&kept->recent);
	store->n--;
	store->bytes -= kept->length;
	explicit_bzero(kept->lines, kept->length);
	free(kept->lines);
	free(kept);
}

void secrets_store_free(struct secrets_store *store)
{
	if (!store->table.buckets)
		return;
	while (!list_empty(&store->recent))
		forget(store, container_of(store->recent.next, struct kept_secrets, recent));
	table_free(&store->table);
}

static struct kept_secrets *find(const struct secrets_store *store, const uint8_t *random)
{
	uint64_t hash = table_hash_bytes(&store->table, random, TLSPCAP_RANDOM_LEN);
	struct table_node *node = table_find(&store->table, hash);

	for (; node; node = table_match(node->next, hash)) {
		struct kept_secrets *kept = container_of(node, struct kept_secrets, node);

		if (!memcmp(kept->random, random, TLSPCAP_RANDOM_LEN))
			return kept;
	}
	return NULL;
}

static struct kept_secrets *get(struct secrets_store *store, const uint8_t *random)
{
	struct kept_secrets *kept = find(store, random);

	if (kept) {
		list_move(&store->recent, &kept->recent);
		return kept;
	}
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return NULL;
	memcpy(kept->random, random, sizeof(kept->random));
	list_add(&store->recent, &kept->recent);
	table_add(&store->table, &kept->node,
		  table_hash_bytes(&store->table, random, TLSPCAP_RANDOM_LEN));
	store->n++;
	return kept;
}

/* False: without memory, or more than one connection can have. */
static bool keep(struct secrets_store *store, struct kept_secrets *kept, const char *line,
		 size_t length)
{
	char *grown;

	if (kept->length + length > LINES_OF_RANDOM)
		return false;
	grown = realloc(kept->lines, kept->length + length);
	if (!grown)
		return false;
	memcpy(grown + kept->length, line, length);
	kept->lines = grown;
	kept->length += (uint32_t)length;
	kept->count++;
	store->bytes += length;
	while (store->n > RANDOMS_MAX || store->bytes > KEPT_BYTES_MAX)
		forget(store, container_of(store->recent.next, struct kept_secrets, recent));
	return true;
}

/* Lines that go into the section's file before the next packet, or at the next flush. */
static void add_lines(struct writer *writer, struct section *section, const char *lines,
		      size_t length, size_t count)
{
	size_t need;
	char *grown;

	if (section->lines_length + length > LINES_MAX)
		packet_write_secrets(writer, section);
	need = section->lines_length + length;
	if (need > section->lines_room) {
		size_t room = section->lines_room ? section->lines_room : 4096;

		while (room < need)
			room *= 2;
		grown = realloc(section->lines, room);
		if (!grown)
			return packet_fail(writer, -ENOMEM);
		section->lines = grown;
		section->lines_room = room;
	}
	memcpy(section->lines + section->lines_length, lines, length);
	section->lines_length += length;
	section->n_lines += count;
}

static void add_to_keylog(struct writer *writer, const char *line, size_t length)
{
	uint8_t *out = output_reserve(writer->keylog, length);

	if (!out)
		return packet_fail_file(writer, writer->keylog_path, output_error(writer->keylog));
	memcpy(out, line, length);
	output_commit(writer->keylog, length);
}

/* In sets of files: kept, and written where a file is open for it. */
static void take_kept(struct writer *writer, const struct tlspcap_secret *secret, const char *line,
		      size_t length)
{
	struct kept_secrets *kept = get(&writer->store, secret->client_random);
	struct section *section = section_find_open(writer, secret->event.mntns);

	if (!kept || !keep(&writer->store, kept, line, length)) {
		if (section) /* it can stand in one file, at least */
			add_lines(writer, section, line, length, 1);
		return;
	}
	if (!section)
		return; /* secrets_need() will come for it */
	if (kept->file == section->serial || kept->count == 1)
		add_lines(writer, section, line, length, 1);
	else
		add_lines(writer, section, kept->lines, kept->length, kept->count);
	kept->file = section->serial;
}

void secrets_take(void *ctx, const struct tlspcap_secret *secret, uint64_t time_ns)
{
	struct writer *writer = ctx;
	char line[PCAPNG_SECRET_LINE_MAX];
	ssize_t length = pcapng_secret_line(line, sizeof(line), secret);

	(void)time_ns;
	if (length <= 0)
		return; /* no key log line can say it */
	if (writer->keylog)
		add_to_keylog(writer, line, (size_t)length);
	if (writer_done(writer) || writer->options.no_secrets)
		return;
	if (files_are_sets(writer->files))
		take_kept(writer, secret, line, (size_t)length);
	else
		add_lines(writer, writer->only, line, (size_t)length, 1);
}

void secrets_need(struct writer *writer, const struct stream *stream)
{
	const struct conversation_info *info = stream->info;
	struct section *section = stream->section;
	struct kept_secrets *kept;

	if (!files_are_sets(writer->files) || !info->has_random || writer->options.no_secrets ||
	    writer_done(writer) || !section_open(writer, section))
		return;
	kept = find(&writer->store, info->client_random);
	if (!kept || kept->file == section->serial)
		return;
	add_lines(writer, section, kept->lines, kept->length, kept->count);
	kept->file = section->serial;
}
