/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Completions for shells, made from the tables that the parser and --help are made from. */
#include "options_internal.h"

#include <stdio.h>
#include <string.h>

/* What can stand after an option, where it is neither free text nor a file. */
/* One that may be left out is not completed. */
static bool takes_value(const struct options_row *row)
{
	return row->argument && !options_is_optional(row);
}

static const struct {
	const char *name;
	const char *words;
} choices[] = {
	{"view", "auto tls null-tls plain"},
	{"source", "auto records probes"},
	{"autostop", "duration: filesize: files: packets:"},
	{"ring-buffer", "filesize: duration: packets: interval: files: printname: nametimenum:"},
	{"split", "mntns netns"},
	{"tier", "tracepoint fentry kprobe btf syscall perf"},
	{"completion", "bash zsh fish"},
};

static const char *words_of(const struct options_row *row)
{
	for (size_t i = 0; row->name && i < sizeof(choices) / sizeof(choices[0]); i++)
		if (!strcmp(choices[i].name, row->name))
			return choices[i].words;
	return NULL;
}

/* FILE, N|PATH, …: the word stands alone in what --help shows. */
static bool takes_file(const struct options_row *row)
{
	static const char *const kinds[] = {"FILE", "PATH", "FOLDER"};

	for (size_t i = 0; row->argument && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strstr(row->argument, kinds[i]))
			return true;
	return false;
}

typedef void (*row_fn)(const struct options_row *row);

static void each_row(row_fn fn)
{
	for (size_t i = 0; i < OPTIONS_GROUPS; i++)
		for (size_t j = 0; j < OPTIONS_GROUP_ROWS && options_groups[i]->rows[j].set; j++)
			fn(&options_groups[i]->rows[j]);
}

/* The help's first words, without what quotes and brackets of the shells would mind. */
static void print_short_help(const struct options_row *row)
{
	for (const char *at = row->help; *at && !strchr(";(", *at); at++) {
		if (*at == '\n')
			putchar(' ');
		else if (*at == ':')
			putchar(',');
		else if (!strchr("'\"`$\\[]", *at))
			putchar(*at);
	}
}

/* --- bash ------------------------------------------------------------------------------------ */

static void print_names(const struct options_row *row, const char *separator)
{
	if (row->letter)
		printf("-%c", row->letter);
	if (row->letter && row->name)
		fputs(separator, stdout);
	if (row->name)
		printf("--%s", row->name);
}

static void bash_case(const struct options_row *row)
{
	if (!takes_value(row))
		return;
	fputs("\t", stdout);
	print_names(row, "|");
	if (words_of(row))
		printf(") COMPREPLY=($(compgen -W '%s' -- \"$value\")) ;;\n", words_of(row));
	else if (takes_file(row))
		puts(") compopt -o filenames; COMPREPLY=($(compgen -f -- \"$value\")) ;;");
	else
		puts(") ;;");
}

static void bash_word(const struct options_row *row)
{
	putchar(' ');
	print_names(row, " ");
	if (row->name && takes_value(row))
		putchar('=');
}

static void print_bash(void)
{
	puts("# bash completion of tlspcap: source it, or put it into\n"
	     "# /usr/share/bash-completion/completions/tlspcap\n"
	     "_tlspcap()\n"
	     "{\n"
	     "\tlocal value=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]} i\n"
	     "\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
	     "\t\t\tcompopt -o bashdefault -o default\n"
	     "\t\t\tCOMPREPLY=($(compgen -c -- \"$value\"))\n"
	     "\t\t\treturn\n"
	     "\t\tfi\n"
	     "\tdone\n"
	     "\t# bash makes words of --option, = and value.\n"
	     "\tif [[ $value == = ]]; then\n"
	     "\t\tvalue=\n"
	     "\telif [[ $option == = ]]; then\n"
	     "\t\toption=${COMP_WORDS[COMP_CWORD-2]}\n"
	     "\tfi\n"
	     "\tcase $option in");
	each_row(bash_case);
	fputs("\t*)\n"
	      "\t\tif [[ $value == -* ]]; then\n"
	      "\t\t\tCOMPREPLY=($(compgen -W '--",
	      stdout);
	each_row(bash_word);
	puts("' -- \"$value\"))\n"
	     "\t\t\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
	     "\t\tfi ;;\n"
	     "\tesac\n"
	     "}\n"
	     "complete -F _tlspcap tlspcap");
}

/* --- zsh ------------------------------------------------------------------------------------- */

static void zsh_tail(const struct options_row *row)
{
	putchar('[');
	print_short_help(row);
	putchar(']');
	if (takes_value(row)) {
		printf(":%s:", row->name ? row->name : "value");
		if (words_of(row))
			printf("(%s)", words_of(row));
		else if (takes_file(row))
			fputs("_files", stdout);
	}
	puts("' \\");
}

static void zsh_row(const struct options_row *row)
{
	if (row->letter) {
		printf("\t'*-%c%s", row->letter, takes_value(row) ? "+" : "");
		zsh_tail(row);
	}
	if (row->name) {
		printf("\t'*--%s%s", row->name, takes_value(row) ? "=" : "");
		zsh_tail(row);
	}
}

static void print_zsh(void)
{
	puts("#compdef tlspcap\n"
	     "# zsh completion of tlspcap: a file _tlspcap in a folder of $fpath\n"
	     "_arguments -s -S \\");
	each_row(zsh_row);
	puts("\t'*::command: _normal'");
}

/* --- fish ------------------------------------------------------------------------------------ */

static void fish_row(const struct options_row *row)
{
	fputs("complete -c tlspcap", stdout);
	if (row->letter)
		printf(" -s %c", row->letter);
	if (row->name)
		printf(" -l %s", row->name);
	if (words_of(row))
		printf(" -x -a '%s'", words_of(row));
	else if (takes_value(row))
		fputs(takes_file(row) ? " -r -F" : " -x", stdout);
	fputs(" -d '", stdout);
	print_short_help(row);
	puts("'");
}

static void print_fish(void)
{
	puts("# fish completion of tlspcap: ~/.config/fish/completions/tlspcap.fish\n"
	     "complete -c tlspcap -f");
	each_row(fish_row);
}

enum options_result options_completion(struct options *options, const char *value)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	(void)options;
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].shell, value))
			continue;
		shells[i].print();
		return OPTIONS_SHOWN;
	}
	options_say("--completion=%s: not known; one of bash, zsh, fish", value);
	return OPTIONS_WRONG;
}
