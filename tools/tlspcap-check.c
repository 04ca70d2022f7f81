/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * tlspcap-check: a strict checker of the pcapng files that tlspcap writes.
 *
 * It shares no code with the stage that writes them, so that a mistake there is not made
 * twice. It asks for more than the format does (draft-ietf-opsawg-pcapng): also for what
 * libpcap and Wireshark need to read a file everywhere (docs/file-format.md). The file is
 * hostile input: every length is checked before it is used, one block is in memory at once.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/valid.h"

#define BLOCK_MAX      ((uint32_t)16 << 20) /* libpcap */
#define INTERFACES_MAX 65536
#define FINDINGS_SHOWN 100 /* for each file; the rest is counted */

enum block_type {
	SHB = 0x0a0d0d0a,
	IDB = 1,
	ISB = 5,
	EPB = 6,
	DSB = 10,
	DPIB = (int)0x80000001,
};

enum kind { TEXT, FILTER, NUMBER };

/* Options that tlspcap writes, by block. Only comments may come more than once. */
static const struct option_rule {
	uint32_t block;
	uint16_t code;
	uint8_t kind;
	uint8_t size; /* of a NUMBER */
} option_rules[] = {
	{SHB, 1, TEXT, 0},
	{SHB, 2, TEXT, 0},
	{SHB, 3, TEXT, 0},
	{SHB, 4, TEXT, 0},
	{IDB, 1, TEXT, 0},
	{IDB, 2, TEXT, 0},
	{IDB, 3, TEXT, 0},
	{IDB, 9, NUMBER, 1},
	{IDB, 11, FILTER, 0},
	{IDB, 12, TEXT, 0},
	{EPB, 1, TEXT, 0},
	{EPB, 2, NUMBER, 4},
	{EPB, 4, NUMBER, 8},
	{EPB, 32769, NUMBER, 4},
	{ISB, 1, TEXT, 0},
	{ISB, 2, NUMBER, 8},
	{ISB, 3, NUMBER, 8},
	{ISB, 4, NUMBER, 8},
	{ISB, 5, NUMBER, 8},
	{DSB, 1, TEXT, 0},
	{(uint32_t)DPIB, 1, TEXT, 0},
	{(uint32_t)DPIB, 2, TEXT, 0},
};
#define OPTION_RULES (sizeof(option_rules) / sizeof(option_rules[0]))

struct checker {
	const char *path;
	bool killed; /* its writer was: what comes after the secrets may be missing */
	FILE *file;
	uint8_t *block;
	uint32_t total; /* of the block at hand */
	const char *name;
	uint64_t number, offset; /* of it; blocks count from 1 */
	uint64_t findings;
	uint64_t counts[6]; /* index: that of block_rules */
	/* of the section at hand */
	uint32_t interfaces, processes;
	bool has_tsresol; /* the last interface */
	uint64_t packets, late_secrets;
	uint64_t late_number, late_offset; /* the first DSB after the last packet */
	/* of the whole file: libpcap wants them equal everywhere */
	bool has_interface;
	uint16_t linktype;
	uint32_t snaplen;
};

static void __attribute__((format(printf, 5, 6)))
finding_at(struct checker *c, const char *name, uint64_t number, uint64_t offset,
	   const char *format, ...)
{
	va_list args;

	if (++c->findings > FINDINGS_SHOWN)
		return;
	printf("%s: block %" PRIu64 " at offset %" PRIu64 " (%s): ", c->path, number, offset, name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

#define finding(c, ...) finding_at(c, (c)->name, (c)->number, (c)->offset, __VA_ARGS__)

/* --- options (3.5) --- */

struct option_value {
	uint16_t code, length;
	const uint8_t *value;
};

static void check_option(struct checker *c, uint32_t type, const struct option_value *option,
			 uint32_t *seen)
{
	const struct option_rule *rule = option_rules;
	const struct option_rule *end = option_rules + OPTION_RULES;

	while (rule < end && (rule->block != type || rule->code != option->code))
		rule++;
	if (rule == end) {
		finding(c, "option %u is none that tlspcap writes here", option->code);
		return;
	}
	if (option->code != 1 && *seen & UINT32_C(1) << (rule - option_rules))
		finding(c, "option %u comes more than once", option->code);
	*seen |= UINT32_C(1) << (rule - option_rules);
	if (rule->kind == NUMBER && option->length != rule->size)
		finding(c, "option %u has length %u instead of %u", option->code, option->length,
			rule->size);
	if (rule->kind == TEXT && !is_utf8_text(option->value, option->length))
		finding(c, "option %u is not valid UTF-8 text without NUL", option->code);
	if (rule->kind == FILTER && (!option->length || option->value[0] ||
				     !is_utf8_text(option->value + 1, option->length - (size_t)1)))
		finding(c, "option %u is not a zero byte and then valid UTF-8 text", option->code);
}

typedef void (*option_fn)(struct checker *c, const struct option_value *option);

/* `at` is where the fixed part ends. Calls `fn` (may be NULL) for each option. */
static void check_options(struct checker *c, uint32_t type, uint32_t at, option_fn fn)
{
	const uint32_t end = c->total - 4;
	struct option_value option;
	uint32_t seen = 0, padded;

	if (at == end)
		return;
	for (; end - at >= 4; at += 4 + padded) {
		option.code = get16(c->block + at);
		option.length = get16(c->block + at + 2);
		option.value = c->block + at + 4;
		padded = (option.length + 3u) & ~3u;
		if (!option.code) {
			if (option.length)
				finding(c, "opt_endofopt has length %u", option.length);
			if (at + 4 != end)
				finding(c, "%u bytes after opt_endofopt", end - at - 4);
			return;
		}
		if (padded > end - at - 4) {
			finding(c, "option %u runs past the block's end", option.code);
			return;
		}
		if (!all_zero(option.value + option.length, padded - option.length))
			finding(c, "option %u is padded with other than zeros", option.code);
		check_option(c, type, &option, &seen);
		if (fn)
			fn(c, &option);
	}
	finding(c, "the options do not end with opt_endofopt");
}

/* --- packets --- */

static void packet_option(struct checker *c, const struct option_value *option)
{
	if (option->code == 32769 && option->length == 4 && get32(option->value) >= c->processes)
		finding(c, "names process block %u, of which there are %u so far",
			get32(option->value), c->processes);
	if (option->code == 2 && option->length == 4 && (get32(option->value) & 3) == 3)
		finding(c, "epb_flags: direction 3 does not exist");
}

static void check_packet(struct checker *c)
{
	uint32_t interface = get32(c->block + 8);
	uint32_t caplen = get32(c->block + 20), origlen = get32(c->block + 24), padded;
	const char *fault = NULL;

	c->packets++;
	c->late_secrets = 0;
	if (interface >= c->interfaces)
		finding(c, "interface %u has no description before it", interface);
	if (caplen > c->total - 32) {
		finding(c, "captured length %u runs past the block's end", caplen);
		return;
	}
	padded = (caplen + 3) & ~3u; /* the block's own length is a multiple of 4 */
	if (caplen > origlen)
		finding(c, "captured length %u is above the original %u", caplen, origlen);
	if (c->has_interface && caplen > c->snaplen)
		finding(c, "captured length %u is above the snapshot length %u", caplen,
			c->snaplen);
	if (!all_zero(c->block + 28 + caplen, padded - caplen))
		finding(c, "the packet is padded with other than zeros");
	if (c->has_interface && c->linktype == 1)
		fault = frame_fault(c->block + 28, caplen, caplen == origlen);
	if (fault)
		finding(c, "%s", fault);
	check_options(c, EPB, 28 + padded, packet_option);
}

/* --- the other blocks --- */

/* The last DSBs of a section, after which no packet came: editcap 4.0 drops them, and no
 * frame is left to decrypt. */
static void end_section(struct checker *c)
{
	if (c->packets && c->late_secrets && !c->killed)
		finding_at(c, "DSB", c->late_number, c->late_offset,
			   "secrets after the last packet (%" PRIu64 " block%s); reordercap moves "
			   "them to the front",
			   c->late_secrets, c->late_secrets == 1 ? "" : "s");
	c->interfaces = 0;
	c->processes = 0;
	c->packets = 0;
	c->late_secrets = 0;
}

static void check_section(struct checker *c)
{
	end_section(c);
	if (get16(c->block + 12) != 1 || get16(c->block + 14) != 0)
		finding(c, "version %u.%u is not 1.0", get16(c->block + 12), get16(c->block + 14));
	if (get64(c->block + 16) != UINT64_MAX)
		finding(c, "the section length is not left open (-1)");
	check_options(c, SHB, 24, NULL);
}

static void interface_option(struct checker *c, const struct option_value *option)
{
	c->has_tsresol |= option->code == 9;
	if (option->code == 9 && option->length == 1 && option->value[0] != 9)
		finding(c, "if_tsresol is %u, not nanoseconds (9)", option->value[0]);
}

static void check_interface(struct checker *c)
{
	uint16_t linktype = get16(c->block + 8);
	uint32_t snaplen = get32(c->block + 12);

	if (c->interfaces == INTERFACES_MAX)
		finding(c, "more than %u interfaces", INTERFACES_MAX);
	c->interfaces++;
	if (linktype != 1)
		finding(c, "link type %u is not Ethernet (1)", linktype);
	if (get16(c->block + 10))
		finding(c, "the reserved field is not zero");
	if (!snaplen || snaplen > 262144)
		finding(c, "snapshot length %u is not 1 to 262144", snaplen);
	if (c->has_interface && (linktype != c->linktype || snaplen != c->snaplen))
		finding(c, "link type or snapshot length differs from the first interface's");
	if (!c->has_interface) {
		c->has_interface = true;
		c->linktype = linktype;
		c->snaplen = snaplen;
	}
	c->has_tsresol = false;
	check_options(c, IDB, 16, interface_option);
	if (!c->has_tsresol)
		finding(c, "no if_tsresol: times would be microseconds");
}

static void check_statistics(struct checker *c)
{
	if (get32(c->block + 8) >= c->interfaces)
		finding(c, "interface %u has no description before it", get32(c->block + 8));
	check_options(c, ISB, 20, NULL);
}

static void check_process(struct checker *c)
{
	c->processes++;
	check_options(c, (uint32_t)DPIB, 12, NULL);
}

static void check_key_log(struct checker *c, const char *text, size_t length)
{
	uint64_t number = 1;

	for (; length; number++) {
		const char *end = memchr(text, '\n', length);
		size_t line = end ? (size_t)(end - text) : length;

		if (!is_key_log_line(text, line))
			finding(c, "line %" PRIu64 " is not one of an NSS key log", number);
		if (!end) {
			finding(c, "the last line has no end; its rest may be lost");
			return;
		}
		text += line + 1;
		length -= line + 1;
	}
}

static void check_secrets(struct checker *c)
{
	uint32_t length = get32(c->block + 12), padded;

	if (!c->late_secrets++) {
		c->late_number = c->number;
		c->late_offset = c->offset;
	}
	if (get32(c->block + 8) != 0x544c534b) {
		finding(c, "secrets type 0x%08x is not a TLS key log", get32(c->block + 8));
		return;
	}
	if (length > c->total - 20) {
		finding(c, "secrets length %u runs past the block's end", length);
		return;
	}
	padded = (length + 3) & ~3u;
	if (!length)
		finding(c, "no secrets in it");
	if (!all_zero(c->block + 16 + length, padded - length))
		finding(c, "the secrets are padded with other than zeros");
	check_key_log(c, (const char *)c->block + 16, length);
	check_options(c, DSB, 16 + padded, NULL);
}

static const struct block_rule {
	uint32_t type;
	uint32_t minimum; /* total length without options */
	const char *name;
	void (*check)(struct checker *c);
} block_rules[] = {
	{SHB, 28, "SHB", check_section},    {IDB, 20, "IDB", check_interface},
	{EPB, 32, "EPB", check_packet},	    {DSB, 20, "DSB", check_secrets},
	{ISB, 24, "ISB", check_statistics}, {(uint32_t)DPIB, 16, "DPIB", check_process},
};
#define BLOCK_RULES (sizeof(block_rules) / sizeof(block_rules[0]))

static void check_block(struct checker *c)
{
	uint32_t type = get32(c->block);
	size_t i = 0;

	while (i < BLOCK_RULES && block_rules[i].type != type)
		i++;
	if (i == BLOCK_RULES) {
		finding(c, "type 0x%08x is none that tlspcap writes", type);
		return;
	}
	c->name = block_rules[i].name;
	c->counts[i]++;
	if (c->total < block_rules[i].minimum) {
		finding(c, "length %u is too short, at least %u", c->total, block_rules[i].minimum);
		return;
	}
	block_rules[i].check(c);
}

/* Reads the next block. False at the end of what can be read. */
static bool read_block(struct checker *c)
{
	size_t n = fread(c->block, 1, 12, c->file);

	c->offset += c->total;
	c->total = 0;
	c->name = "?";
	if (!n && c->number)
		return false;
	c->number++;
	if (n < 12) {
		finding(c, n ? "cut short inside the block's head" : "the file is empty");
		return false;
	}
	if (c->number == 1 && get32(c->block) != SHB) {
		finding(c, "no section header: this is not a pcapng file");
		return false;
	}
	if (get32(c->block) == SHB && get32(c->block + 8) != 0x1a2b3c4d) {
		finding(c, "the byte order is not little-endian; tlspcap writes no other");
		return false;
	}
	c->total = get32(c->block + 4);
	if (c->total < 12 || c->total % 4 || c->total > BLOCK_MAX) {
		finding(c,
			"block length %u is not a multiple of 4 from 12 to %u; the rest of the "
			"file cannot be read",
			c->total, BLOCK_MAX);
		return false;
	}
	n = fread(c->block + 12, 1, c->total - 12, c->file);
	if (n < c->total - 12) {
		finding(c, "cut short: %zu of %u bytes", n + 12, c->total);
		return false;
	}
	if (get32(c->block + c->total - 4) != c->total)
		finding(c, "the two block lengths differ: %u and %u", c->total,
			get32(c->block + c->total - 4));
	return true;
}

static void print_summary(const struct checker *c)
{
	if (c->findings > FINDINGS_SHOWN)
		printf("%s: and %" PRIu64 " more findings\n", c->path,
		       c->findings - FINDINGS_SHOWN);
	printf("%s:", c->path);
	for (size_t i = 0; i < BLOCK_RULES; i++)
		printf(" %" PRIu64 " %s,", c->counts[i], block_rules[i].name);
	printf(" %" PRIu64 " finding%s\n", c->findings, c->findings == 1 ? "" : "s");
}

static int check_file(const char *path, bool killed, uint8_t *memory)
{
	struct checker c = {.path = path, .killed = killed, .block = memory};
	int status;

	c.file = fopen(path, "rbe");
	if (!c.file) {
		fprintf(stderr, "tlspcap-check: cannot open %s: %s; name a pcapng file\n", path,
			strerror(errno));
		return 2;
	}
	while (read_block(&c))
		check_block(&c);
	end_section(&c);
	status = c.findings ? 1 : 0;
	if (ferror(c.file)) {
		fprintf(stderr,
			"tlspcap-check: reading %s failed: %s; it was checked up to there\n", path,
			strerror(errno));
		status = 2;
	}
	fclose(c.file);
	print_summary(&c);
	return status;
}

static const char usage[] =
	"Usage: tlspcap-check [-k] FILE...\n"
	"Checks pcapng files as tlspcap writes them, strictly: block structure, options, text,\n"
	"order, key log lines, IP and TCP checksums. Prints each finding with its block and\n"
	"offset, and a summary for each file.\n"
	"\n"
	"  -k, --killed   their writer was killed: the last secrets need no packets after them\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n"
	"\n"
	"Exit status: 0 clean, 1 findings, 2 wrong usage or a file that cannot be read.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"killed", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	bool killed = false;
	uint8_t *memory;
	int status = 0, c;

	while ((c = getopt_long(argc, argv, "khV", options, NULL)) != -1) {
		if (c == 'k') {
			killed = true;
			continue;
		}
		if (c == 'h' || c == 'V') {
			fputs(c == 'h' ? usage : "tlspcap-check " TLSPCAP_VERSION "\n", stdout);
			return 0;
		}
		fputs("tlspcap-check: see tlspcap-check --help\n", stderr);
		return 2;
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return 2;
	}
	memory = malloc(BLOCK_MAX);
	if (!memory) {
		fputs("tlspcap-check: out of memory; free some\n", stderr);
		return 2;
	}
	for (int i = optind; i < argc; i++) {
		int file = check_file(argv[i], killed, memory);

		if (file > status)
			status = file;
	}
	free(memory);
	return status;
}
