/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * HTTP/2 connections that may have to begin anew in another file: what they say is followed, so
 * that the next file can tell its reader where frames begin and what their headers refer to.
 */
#include <writer/internal.h>

static bool is_http2(const struct stream *stream)
{
	return stream->h2_seen || !strcmp(stream->info->alpn, "h2");
}

bool follow_is_wanted(const struct writer *writer, const struct conversation_info *info)
{
	return files_are_sets(writer->files) && !strcmp(info->alpn, "h2") && info->established_ns;
}

static enum http2_side side_of(const struct stream *stream, enum tlspcap_direction direction)
{
	bool is_server = stream->info->role == TLSPCAP_ROLE_SERVER;

	return is_server == (direction == TLSPCAP_SENT) ? HTTP2_SERVER : HTTP2_CLIENT;
}

void follow_data(struct writer *writer, struct stream *stream, enum tlspcap_direction direction,
		 const uint8_t *bytes, size_t length)
{
	/* Only from its first byte on does it make sense. */
	if (!stream->followed && files_are_sets(writer->files) && is_http2(stream) &&
	    stream->info->established_ns)
		stream->http2 = http2_new(&writer->http2_memory);
	stream->followed = true;
	if (stream->http2)
		http2_feed(stream->http2, side_of(stream, direction), bytes, length);
}

void stream_seen(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		 const uint8_t *bytes, size_t length)
{
	struct stream *stream = conversation_user(conversation);

	if (stream)
		follow_data(ctx, stream, direction, bytes, length);
}

void follow_lose(struct stream *stream, enum tlspcap_direction direction)
{
	stream->followed = true;
	if (stream->http2)
		http2_lose(stream->http2, side_of(stream, direction));
}

bool follow_is_whole(const struct stream *stream)
{
	return !is_http2(stream) || (stream->http2 && http2_is_whole(stream->http2));
}

struct resumption {
	const struct stream *stream;
	view_segment_fn write;
	void *ctx;
};

static void write_side(void *ctx, enum http2_side side, const uint8_t *bytes, size_t length)
{
	const struct resumption *resumption = ctx;
	const struct stream *stream = resumption->stream;
	enum tlspcap_direction direction =
		side_of(stream, TLSPCAP_SENT) == side ? TLSPCAP_SENT : TLSPCAP_RECEIVED;

	view_data(stream->view, direction, bytes, length, resumption->write, resumption->ctx);
}

void follow_resume(const struct stream *stream, view_segment_fn write, void *ctx)
{
	struct resumption resumption = {stream, write, ctx};

	/* Without memory for it, frames go out as they are. */
	if (stream->http2)
		(void)http2_resume(stream->http2, write_side, &resumption);
}

void follow_end(struct stream *stream)
{
	http2_free(stream->http2);
	stream->http2 = NULL;
}
