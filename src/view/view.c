/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The views by name, and the plaintext as their segments. */
#include <errno.h>
#include <string.h>
#include <view/internal.h>

static const char *const names[] = {
	[VIEW_AUTO] = "auto",
	[VIEW_PLAIN] = "plain",
	[VIEW_NULL_TLS] = "null-tls",
	[VIEW_TLS] = "tls",
};

int view_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

const char *view_name(enum view_kind kind)
{
	return names[kind];
}

void view_open(enum view_kind kind, const struct conversation_info *info, view_segment_fn fn,
	       void *ctx)
{
	if (kind == VIEW_NULL_TLS)
		null_tls_open(info, fn, ctx);
}

static void plain_data(enum tlspcap_direction direction, const uint8_t *bytes, size_t length,
		       view_segment_fn fn, void *ctx)
{
	const struct view_segment segment = {
		.direction = direction,
		.body = bytes,
		.body_length = length,
	};

	fn(ctx, &segment);
}

void view_data(enum view_kind kind, enum tlspcap_direction direction, const uint8_t *bytes,
	       size_t length, view_segment_fn fn, void *ctx)
{
	while (length) {
		size_t part = length < TLSPCAP_CHUNK ? length : TLSPCAP_CHUNK;

		if (kind == VIEW_NULL_TLS)
			null_tls_data(direction, bytes, part, fn, ctx);
		else
			plain_data(direction, bytes, part, fn, ctx);
		bytes += part;
		length -= part;
	}
}

void view_close(enum view_kind kind, enum tlspcap_direction direction, view_segment_fn fn,
		void *ctx)
{
	if (kind == VIEW_NULL_TLS)
		null_tls_close(direction, fn, ctx);
}
