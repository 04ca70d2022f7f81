/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * make-recording SCRIPT RECORDING: events that people can read, to a recording.
 *
 * One event a line: a verb and key=value words; a value may stand in double quotes with the
 * escapes \r \n \" \\ \xHH. '#' starts a comment. Each event is 1 ms after the one before,
 * unless at=NANOSECONDS says when. Offsets are counted here, for each object and direction.
 *
 *   clock realtime=NS                       namespace mntns= name= description=
 *   open tls= pid= comm= [uid= mntns= library=]
 *   socket tls= sock= local=ADDRESS/PORT remote=ADDRESS/PORT [protocol= netns= syn=
 *          established= role=client|server tls_role=client|server]
 *   info tls= sni=|alpn=                    secret tls= label= random=HEX secret=HEX
 *   send|recv tls= text=|hex=|fill=N [flags=] [lost=N: so many bytes before it were]
 *   gap tls= direction=0|1 length= reason=  state sock= old= new=
 *   stream sock= direction=0|1 text=|hex=   (open and socket with sock= and no tls= before it)
 *   close tls=                              exit pid=
 *   loss reason= count=
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <tlspcap/record.h>

#define LINE_MAX_LENGTH 65536
#define WORDS_MAX	32
#define OBJECTS_MAX	65536
#define SOCKETS_MAX	256
#define MILLISECOND	1000000

struct word {
	const char *key;
	const uint8_t *value;
	size_t length;
};

struct script {
	struct recorder *recorder;
	const char *path;
	unsigned int line;
	uint64_t now;
	uint64_t offset[OBJECTS_MAX][2], stream_offset[SOCKETS_MAX][2];
	uint32_t pid[OBJECTS_MAX], mntns[OBJECTS_MAX];
	struct word words[WORDS_MAX];
	size_t n_words;
};

static void die(const struct script *script, const char *what)
{
	fprintf(stderr, "make-recording: %s:%u: %s\n", script->path, script->line, what);
	exit(1);
}

static const struct word *find(const struct script *script, const char *key)
{
	for (size_t i = 0; i < script->n_words; i++)
		if (strcmp(script->words[i].key, key) == 0)
			return &script->words[i];
	return NULL;
}

static const char *text(const struct script *script, const char *key, const char *otherwise)
{
	const struct word *word = find(script, key);

	return word ? (const char *)word->value : otherwise;
}

static uint64_t number(const struct script *script, const char *key, uint64_t otherwise)
{
	const char *value = text(script, key, NULL);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static size_t object_index(const struct script *script)
{
	uint64_t tls = number(script, "tls", 0);

	if (!tls || tls >= OBJECTS_MAX)
		die(script, "tls= must be from 1 to 65535");
	return tls;
}

static size_t unhex(const struct script *script, const char *key, uint8_t *out, size_t max)
{
	const char *value = text(script, key, "");
	unsigned int byte;
	size_t n;

	for (n = 0; value[0] && value[1]; value += 2) {
		if (n == max || sscanf(value, "%2x", &byte) != 1)
			die(script, "not hexadecimal, or too long");
		out[n++] = (uint8_t)byte;
	}
	return n;
}

static void put(struct script *script, void *event, size_t size, enum tlspcap_event_type type)
{
	struct tlspcap_event *header = event;
	uint64_t tls = number(script, "tls", 0);

	header->size = (uint32_t)size;
	header->type = (uint16_t)type;
	header->time_ns = script->now = number(script, "at", script->now + MILLISECOND);
	header->tls_id = tls;
	header->sock_id = number(script, "sock", 0);
	header->pid = (uint32_t)number(script, "pid", tls < OBJECTS_MAX ? script->pid[tls] : 0);
	header->tid = header->pid;
	header->mntns =
		(uint32_t)number(script, "mntns", tls < OBJECTS_MAX ? script->mntns[tls] : 0);
	if (record_write(script->recorder, event))
		die(script, "cannot write");
}

static void put_open(struct script *script)
{
	struct tlspcap_open open = {
		.uid = (uint32_t)number(script, "uid", 0),
		.library = (uint32_t)number(script, "library", 0),
	};
	size_t i = find(script, "tls") ? object_index(script) : 0; /* 0: of the socket's stream */

	script->pid[i] = (uint32_t)number(script, "pid", 1);
	script->mntns[i] = (uint32_t)number(script, "mntns", 4026532573);
	snprintf(open.comm, sizeof(open.comm), "%s", text(script, "comm", ""));
	put(script, &open, sizeof(open), TLSPCAP_EVENT_OPEN);
}

static uint16_t endpoint(const struct script *script, const char *key, uint8_t out[16],
			 uint16_t *family)
{
	char address[INET6_ADDRSTRLEN] = "";
	unsigned int port;

	if (sscanf(text(script, key, ""), "%45[^/]/%u", address, &port) != 2)
		die(script, "an endpoint is ADDRESS/PORT");
	*family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(*family, address, out) != 1)
		die(script, "not an address");
	return (uint16_t)port;
}

static uint8_t role(const struct script *script, const char *key)
{
	const char *value = text(script, key, "");

	if (strcmp(value, "client") == 0)
		return TLSPCAP_ROLE_CLIENT;
	return strcmp(value, "server") == 0 ? TLSPCAP_ROLE_SERVER : TLSPCAP_ROLE_UNKNOWN;
}

static void put_socket(struct script *script)
{
	struct tlspcap_socket socket = {
		.syn_ns = number(script, "syn", 0),
		.established_ns = number(script, "established", 0),
		.netns = (uint32_t)number(script, "netns", 4026531833),
		.protocol = (uint16_t)number(script, "protocol", IPPROTO_TCP),
		.role = role(script, "role"),
		.tls_role = role(script, "tls_role"),
		.state = 1,
	};

	socket.local_port = endpoint(script, "local", socket.local, &socket.family);
	socket.remote_port = endpoint(script, "remote", socket.remote, &socket.family);
	put(script, &socket, sizeof(socket), TLSPCAP_EVENT_SOCKET);
}

static void put_data(struct script *script, enum tlspcap_direction direction)
{
	static union {
		struct tlspcap_data data;
		uint8_t room[sizeof(struct tlspcap_data) + LINE_MAX_LENGTH];
	} event;
	uint64_t *offset = &script->offset[object_index(script)][direction];
	const struct word *literal = find(script, "text");
	uint64_t left = number(script, "fill", 0);
	size_t length;

	*offset += number(script, "lost", 0);
	do {
		memset(&event.data, 0, sizeof(event.data));
		if (literal) {
			length = literal->length;
			memcpy(event.data.bytes, literal->value, length);
		} else if (find(script, "hex")) {
			length = unhex(script, "hex", event.data.bytes, LINE_MAX_LENGTH);
		} else {
			length = left < TLSPCAP_CHUNK ? left : TLSPCAP_CHUNK;
			memset(event.data.bytes, 'x', length);
			left -= length;
		}
		event.data.offset = *offset;
		event.data.length = (uint32_t)length;
		event.data.direction = (uint8_t)direction;
		event.data.flags = (uint8_t)number(script, "flags", 0);
		*offset += length;
		put(script, &event, sizeof(event.data) + length, TLSPCAP_EVENT_DATA);
	} while (left);
}

static void put_stream(struct script *script)
{
	static union {
		struct tlspcap_data data;
		uint8_t room[sizeof(struct tlspcap_data) + LINE_MAX_LENGTH];
	} event;
	const struct word *literal = find(script, "text");
	uint64_t sock = number(script, "sock", 0);
	size_t length;

	if (!sock || sock >= SOCKETS_MAX)
		die(script, "sock= must be from 1 to 255");
	memset(&event.data, 0, sizeof(event.data));
	if (literal)
		memcpy(event.data.bytes, literal->value, literal->length);
	length =
		literal ? literal->length : unhex(script, "hex", event.data.bytes, LINE_MAX_LENGTH);
	event.data.direction = (uint8_t)(number(script, "direction", 0) & 1);
	event.data.length = (uint32_t)length;
	event.data.offset = script->stream_offset[sock][event.data.direction];
	script->stream_offset[sock][event.data.direction] += length;
	put(script, &event, sizeof(event.data) + length, TLSPCAP_EVENT_STREAM);
}

static void put_send(struct script *script)
{
	put_data(script, TLSPCAP_SENT);
}

static void put_recv(struct script *script)
{
	put_data(script, TLSPCAP_RECEIVED);
}

static void put_gap(struct script *script)
{
	struct tlspcap_gap gap = {
		.length = number(script, "length", 0),
		.direction = (uint8_t)(number(script, "direction", 0) & 1),
		.reason = (uint8_t)number(script, "reason", TLSPCAP_LOSS_FAULT),
	};
	uint64_t *offset = &script->offset[object_index(script)][gap.direction];

	gap.offset = *offset;
	*offset += gap.length;
	put(script, &gap, sizeof(gap), TLSPCAP_EVENT_GAP);
}

static void put_secret(struct script *script)
{
	struct tlspcap_secret secret = {0};

	snprintf(secret.label, sizeof(secret.label), "%s", text(script, "label", ""));
	unhex(script, "random", secret.client_random, sizeof(secret.client_random));
	secret.secret_length =
		(uint32_t)unhex(script, "secret", secret.secret, sizeof(secret.secret));
	put(script, &secret, sizeof(secret), TLSPCAP_EVENT_SECRET);
}

static void put_info(struct script *script)
{
	struct tlspcap_info info = {.kind = TLSPCAP_INFO_SERVER_NAME};
	const char *name = text(script, "sni", NULL);

	if (!name) {
		info.kind = TLSPCAP_INFO_ALPN;
		name = text(script, "alpn", "");
	}
	snprintf(info.text, sizeof(info.text), "%s", name);
	info.length = (uint16_t)strlen(info.text);
	put(script, &info, sizeof(info), TLSPCAP_EVENT_INFO);
}

static void put_state(struct script *script)
{
	struct tlspcap_state state = {
		.old_state = (uint8_t)number(script, "old", 1),
		.new_state = (uint8_t)number(script, "new", 7),
	};

	put(script, &state, sizeof(state), TLSPCAP_EVENT_STATE);
}

static void put_close(struct script *script)
{
	struct tlspcap_event event = {0};

	put(script, &event, sizeof(event), TLSPCAP_EVENT_CLOSE);
}

static void put_exit(struct script *script)
{
	struct tlspcap_event event = {0};

	put(script, &event, sizeof(event), TLSPCAP_EVENT_EXIT);
}

static void put_clock(struct script *script)
{
	struct tlspcap_clock clock = {.realtime_ns = number(script, "realtime", 0)};

	put(script, &clock, sizeof(clock), TLSPCAP_EVENT_CLOCK);
}

static void put_namespace(struct script *script)
{
	struct tlspcap_namespace name_space = {0};

	snprintf(name_space.name, sizeof(name_space.name), "%s", text(script, "name", ""));
	snprintf(name_space.description, sizeof(name_space.description), "%s",
		 text(script, "description", ""));
	put(script, &name_space, sizeof(name_space), TLSPCAP_EVENT_NAMESPACE);
}

static void put_loss(struct script *script)
{
	struct tlspcap_loss_counters loss = {0};

	loss.count[number(script, "reason", 1) % TLSPCAP_LOSS_MAX] = number(script, "count", 1);
	put(script, &loss, sizeof(loss), TLSPCAP_EVENT_LOSS);
}

static const struct verb {
	const char *name;
	void (*put)(struct script *script);
} verbs[] = {
	{"clock", put_clock},	{"close", put_close},	      {"exit", put_exit},
	{"gap", put_gap},	{"info", put_info},	      {"loss", put_loss},
	{"open", put_open},	{"namespace", put_namespace}, {"recv", put_recv},
	{"secret", put_secret}, {"send", put_send},	      {"socket", put_socket},
	{"state", put_state},	{"stream", put_stream},
};

/* Reads a value at *at, in place, and moves *at behind it. */
static size_t read_value(const struct script *script, char **at)
{
	char *in = *at;
	char *out = in;
	char *start = in;
	bool quoted = *in == '"';
	unsigned int byte;

	for (in += quoted; *in && (quoted ? *in != '"' : !isspace((unsigned char)*in)); in++) {
		if (*in != '\\') {
			*out++ = *in;
			continue;
		}
		switch (*++in) {
		case 'r':
			*out++ = '\r';
			break;
		case 'n':
			*out++ = '\n';
			break;
		case 'x':
			if (sscanf(in + 1, "%2x", &byte) != 1)
				die(script, "\\x needs two digits");
			*out++ = (char)byte;
			in += 2;
			break;
		default:
			*out++ = *in;
		}
	}
	if (quoted && !*in)
		die(script, "no closing quote");
	if (*in)
		in++;
	*out = '\0';
	*at = in;
	return (size_t)(out - start);
}

static void read_words(struct script *script, char *at)
{
	script->n_words = 0;
	for (;;) {
		struct word *word = &script->words[script->n_words];
		char *equals;

		at += strspn(at, " \t\n");
		if (!*at || *at == '#')
			return;
		equals = strchr(at, '=');
		if (!equals || script->n_words == WORDS_MAX)
			die(script, "not key=value");
		*equals = '\0';
		word->key = at;
		at = equals + 1;
		word->value = (const uint8_t *)at;
		word->length = read_value(script, &at);
		script->n_words++;
	}
}

static void read_line(struct script *script, char *line)
{
	size_t length = strcspn(line += strspn(line, " \t\n"), " \t\n");

	if (!*line || *line == '#')
		return;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strlen(verbs[i].name) != length || strncmp(verbs[i].name, line, length))
			continue;
		read_words(script, line + length);
		verbs[i].put(script);
		return;
	}
	die(script, "unknown verb");
}

int main(int argc, char **argv)
{
	static char line[LINE_MAX_LENGTH];
	static struct script script;
	FILE *file;
	char *why = NULL;

	if (argc != 3) {
		fputs("Usage: make-recording SCRIPT RECORDING\n", stderr);
		return 2;
	}
	script.path = argv[1];
	file = fopen(argv[1], "r");
	if (!file)
		die(&script, strerror(errno));
	if (record_open(argv[2], &script.recorder, &why))
		die(&script, why ? why : "cannot write the recording");
	while (fgets(line, sizeof(line), file)) {
		script.line++;
		read_line(&script, line);
	}
	fclose(file);
	if (record_close(script.recorder))
		die(&script, "cannot write the recording");
	return 0;
}
