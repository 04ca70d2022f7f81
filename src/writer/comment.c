/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The comment of each packet: "key=value;" pairs, each closed, so that a display filter such
 * as  frame.comment contains "pid=12;"  does not find pid 123.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <writer/internal.h>

/* pcapng_clean_text() makes at most three bytes of one. */
#define CLEAN_MAX(size) (3 * (size) + 1)

static const char *const reasons[TLSPCAP_LOSS_MAX] = {
	[TLSPCAP_LOSS_RING_FULL] = "ring-full",	    [TLSPCAP_LOSS_FAULT] = "fault",
	[TLSPCAP_LOSS_CALL_SIZE] = "call-size",	    [TLSPCAP_LOSS_SCOPE_FULL] = "scope-full",
	[TLSPCAP_LOSS_SCOPE_DEPTH] = "scope-depth", [TLSPCAP_LOSS_OBJECT_FULL] = "object-full",
	[TLSPCAP_LOSS_SOCKET_FULL] = "socket-full", [TLSPCAP_LOSS_NO_RANDOM] = "no-random",
	[TLSPCAP_LOSS_BYPASS] = "bypass",	    [TLSPCAP_LOSS_RECURSION] = "recursion",
	[TLSPCAP_LOSS_MISSED] = "missed",	    [TLSPCAP_LOSS_FOLLOW_FULL] = "follow-full",
	[TLSPCAP_LOSS_UNREADABLE] = "unreadable",
};

static const char *reason_name(enum tlspcap_loss reason)
{
	const char *name = reason < TLSPCAP_LOSS_MAX ? reasons[reason] : NULL;

	return name ? name : "unknown";
}

static int pair(char *out, size_t size, const char *key, const char *text, const char *more)
{
	char clean[CLEAN_MAX(TLSPCAP_INFO_LEN)];

	if (!*text)
		return 0;
	pcapng_clean_text(clean, sizeof(clean), text, strlen(text));
	return snprintf(out, size, "%s=%s%s;", key, clean, more);
}

/* Pairs as they are to stand there; whoever made them did not mean control characters. */
static size_t pairs(char *out, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	out[n] = '\0';
	return n;
}

/* They stand in the comment when the frames have others. */
static size_t real_addresses(char *out, size_t size, const struct conversation_info *info)
{
	int family = info->family == 4 ? AF_INET : AF_INET6;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	inet_ntop(family, info->local, local, sizeof(local));
	inet_ntop(family, info->remote, remote, sizeof(remote));
	return (size_t)snprintf(out, size,
				"address=replaced;local=%s;local-port=%u;remote=%s;remote-port=%u;",
				local, info->local_port, remote, info->remote_port);
}

bool comment_make(struct stream *stream)
{
	const struct conversation_info *info = stream->info;
	char text[512 + TLSPCAP_TEXT_LEN + CLEAN_MAX(TLSPCAP_COMM_LEN) +
		  2 * CLEAN_MAX(TLSPCAP_INFO_LEN)];
	size_t n = 0;

	n += (size_t)snprintf(text + n, sizeof(text) - n, "pid=%" PRIu32 ";", info->pid);
	n += (size_t)pair(text + n, sizeof(text) - n, "comm", info->comm, "");
	n += (size_t)snprintf(text + n, sizeof(text) - n, "uid=%" PRIu32 ";mntns=%" PRIu32 ";",
			      info->uid, info->mntns);
	if (info->netns)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "netns=%" PRIu32 ";",
				      info->netns);
	if (stream->interface && stream->interface->container)
		n += pairs(text + n, stream->interface->container);
	n += (size_t)snprintf(
		text + n, sizeof(text) - n, "role=%s%s;view=%s;conversation=%" PRIu64 ";",
		info->role == TLSPCAP_ROLE_SERVER ? "server" : "client",
		info->role_assumed ? "(assumed)" : "", view_name(stream->view), info->number);
	if (stream->view == VIEW_TLS && stream->withheld)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "secrets=withheld;");
	else if (stream->view == VIEW_TLS && !info->has_keys && !info->nothing_closed)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "secrets=missing;");
	n += (size_t)pair(text + n, sizeof(text) - n, "sni", info->server_name, "");
	if (stream->h2_seen)
		n += (size_t)pair(text + n, sizeof(text) - n, "alpn", "h2", "(seen)");
	else
		n += (size_t)pair(text + n, sizeof(text) - n, "alpn", info->alpn, "");
	if (stream->headers_lost)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "headers=incomplete;");
	if (info->addresses_clash)
		n += real_addresses(text + n, sizeof(text) - n, info);
	if (!info->addresses_known)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "address=unknown;");
	else if (!info->established_ns)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "start=before-capture;");

	free(stream->comment);
	stream->comment = malloc(n + NOTE_ROOM + COMMENT_ROOM);
	stream->note_room = NOTE_ROOM;
	if (!stream->comment)
		return false;
	memcpy(stream->comment, text, n + 1);
	stream->comment_length = n;
	return true;
}

bool comment_reserve(struct stream *stream, size_t note_length)
{
	char *grown;

	if (note_length <= stream->note_room)
		return true;
	grown = realloc(stream->comment, stream->comment_length + note_length + COMMENT_ROOM);
	if (!grown)
		return false;
	stream->comment = grown;
	stream->note_room = note_length;
	return true;
}

size_t comment_finish(struct stream *stream, const char *note)
{
	char *end = stream->comment + stream->comment_length;
	size_t note_length = strlen(note);
	int length;

	memcpy(end, note, note_length + 1);
	if (!stream->lost_gaps)
		return stream->comment_length + note_length;
	if (stream->lost_unknown && !stream->lost_bytes)
		length = snprintf(end + note_length, COMMENT_ROOM, "gap=unknown;reason=%s;",
				  reason_name(stream->lost_reason));
	else
		length = snprintf(end + note_length, COMMENT_ROOM, "gap=%" PRIu64 "%s;reason=%s;",
				  stream->lost_bytes, stream->lost_unknown ? "(at least)" : "",
				  reason_name(stream->lost_reason));
	return stream->comment_length + note_length + (size_t)length;
}
