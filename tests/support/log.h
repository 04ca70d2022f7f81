/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A conversation table whose sink writes down what it is told, one word each. */
#ifndef TLSPCAP_TESTS_LOG_H
#define TLSPCAP_TESTS_LOG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <tests/support/events.h>
#include <tlspcap/conversation.h>

#define SECOND	    1000000000ull
#define ESTABLISHED 1
#define FIN_WAIT1   4
#define CLOSE	    7
#define CLOSE_WAIT  8

struct log {
	struct conversation_info last; /* of the conversation that was opened last */
	char text[4096];
	size_t length;
};

static inline void note(struct log *log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void note(struct log *log, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(log->text + log->length, sizeof(log->text) - log->length, format, arguments);
	va_end(arguments);
	assert_true(n >= 0 && (size_t)n < sizeof(log->text) - log->length);
	log->length += (size_t)n;
}

static inline void on_open(void *ctx, struct conversation *conversation, uint64_t time_ns)
{
	struct log *log = ctx;

	(void)time_ns;
	assert_null(conversation_user(conversation));
	conversation_set_user(conversation, log);
	log->last = *conversation_info(conversation);
	note(log, "open%llu ", (unsigned long long)log->last.number);
}

static inline void on_data(void *ctx, struct conversation *conversation,
			   enum tlspcap_direction direction, uint64_t time_ns, const uint8_t *bytes,
			   size_t length, unsigned int flags)
{
	(void)time_ns;
	assert_ptr_equal(conversation_user(conversation), ctx);
	note(ctx, "%c%llu%s:%.*s ", direction == TLSPCAP_SENT ? '>' : '<',
	     (unsigned long long)conversation_info(conversation)->number,
	     flags & TLSPCAP_DATA_EARLY ? "early" : "", (int)length, (const char *)bytes);
}

static inline void on_gap(void *ctx, struct conversation *conversation,
			  enum tlspcap_direction direction, uint64_t time_ns, uint64_t length,
			  enum tlspcap_loss reason)
{
	(void)time_ns;
	assert_ptr_equal(conversation_user(conversation), ctx);
	note(ctx, "gap%c%llu:%llu/%d ", direction == TLSPCAP_SENT ? '>' : '<',
	     (unsigned long long)conversation_info(conversation)->number,
	     (unsigned long long)length, reason);
}

static inline void on_close(void *ctx, struct conversation *conversation, enum conversation_end end,
			    uint64_t time_ns)
{
	static const char *const names[] = {"none",   "local",	    "remote",	  "reset",
					    "unseen", "local-half", "remote-half"};

	(void)time_ns;
	assert_ptr_equal(conversation_user(conversation), ctx);
	note(ctx, "close%llu:%s ", (unsigned long long)conversation_info(conversation)->number,
	     names[end]);
}

static inline void on_secret(void *ctx, const struct tlspcap_secret *secret, uint64_t time_ns)
{
	(void)time_ns;
	note(ctx, "secret:%s ", secret->label);
}

static inline void on_name_space(void *ctx, const struct tlspcap_namespace *name_space)
{
	note(ctx, "namespace:%s ", name_space->name);
}

struct fixture {
	struct log log;
	struct conversations *all;
	struct events events;
};

static inline void take(void *ctx, const struct tlspcap_event *event)
{
	struct fixture *fixture = ctx;

	conversations_feed(fixture->all, event);
}

static inline void begin(struct fixture *fixture, const struct conversation_limits *limits)
{
	const struct conversation_sink sink = {
		.ctx = &fixture->log,
		.open = on_open,
		.data = on_data,
		.gap = on_gap,
		.close = on_close,
		.secret = on_secret,
		.name_space = on_name_space,
	};

	memset(fixture, 0, sizeof(*fixture));
	fixture->all = conversations_new(limits, &sink);
	assert_non_null(fixture->all);
	events_init(&fixture->events, take, fixture);
}

/* What was told since the last look. */
static inline void expect(struct fixture *fixture, const char *text)
{
	assert_string_equal(fixture->log.text, text);
	fixture->log.length = 0;
	fixture->log.text[0] = '\0';
}

static inline const struct conversation_counts *counts(const struct fixture *fixture)
{
	return conversations_counts(fixture->all);
}

static inline void end(struct fixture *fixture)
{
	conversations_free(fixture->all);
}

/* An object with its socket. */
static inline void connect_object(struct fixture *f, uint64_t tls, uint64_t sock)
{
	events_open(&f->events, tls, 100, "curl");
	events_socket(&f->events, tls, sock, NULL);
}

#endif
