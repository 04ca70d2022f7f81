/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Names: as the user wrote them, and what is put into them. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <files/internal.h>

#define LABEL_SIZE 65 /* of a container's name in a file's name */

enum placeholder {
	PLACE_MNTNS,
	PLACE_NETNS,
	PLACE_CONTAINER,
	PLACES,
};

static const struct {
	const char *text;
	enum files_split split;
} placeholders[PLACES] = {
	[PLACE_MNTNS] = {"%{mntns}", FILES_BY_MNTNS},
	[PLACE_NETNS] = {"%{netns}", FILES_BY_NETNS},
	[PLACE_CONTAINER] = {"%{container}", FILES_BY_MNTNS},
};

/* Which placeholder begins here; PLACES: none. */
static enum placeholder placeholder_at(const char *at)
{
	size_t i = 0;

	while (i < PLACES && strncmp(at, placeholders[i].text, strlen(placeholders[i].text)))
		i++;
	return i;
}

/* The last ".ext", with ".gz" after it if that is there. */
static size_t suffix_at(const char *name)
{
	size_t length = strlen(name), end = length;
	const char *dot;

	if (length > 3 && !strcmp(name + length - 3, ".gz"))
		end = length - 3;
	dot = memrchr(name, '.', end);
	/* A dot at the beginning hides a file, and one inside of %{} is none. */
	if (!dot || dot == name || memchr(dot, '}', (size_t)(name + end - dot)))
		return end;
	return (size_t)(dot - name);
}

bool name_parse(const char *name, struct name_pattern *pattern)
{
	size_t at = suffix_at(name);

	memset(pattern, 0, sizeof(*pattern));
	if (strlen(name) >= NAME_SIZE)
		return false;
	memcpy(pattern->stem, name, at);
	strcpy(pattern->suffix, name + at);
	for (const char *place = pattern->stem; (place = strstr(place, "%{")); place++) {
		enum placeholder kind = placeholder_at(place);

		if (kind == PLACES)
			return false;
		pattern->labelled = true;
		pattern->split |= placeholders[kind].split;
	}
	return true;
}

/* Text from a captured container: letters, digits and few signs; nothing that leads elsewhere. */
static void clean(char out[LABEL_SIZE], const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "0123456789-_.";
	size_t n = 0;

	for (; *text && n < LABEL_SIZE - 1; text++) {
		bool first = n == 0;

		if (strchr(letters, *text) || (strchr(others, *text) && !(first && *text == '.')))
			out[n++] = *text;
		else if (!first && out[n - 1] != '-')
			out[n++] = '-';
	}
	out[n] = '\0';
}

static int expand(enum placeholder kind, const struct files_label *label, char *out, size_t room)
{
	char container[LABEL_SIZE] = "";

	if (kind == PLACE_CONTAINER && label->container)
		clean(container, label->container);
	if (container[0])
		return snprintf(out, room, "%s", container);
	return snprintf(out, room, "%u", kind == PLACE_NETNS ? label->netns : label->mntns);
}

bool name_label(const struct name_pattern *pattern, enum files_split split,
		const struct files_label *label, char stem[NAME_SIZE])
{
	size_t used = 0;
	int n;

	for (const char *at = pattern->stem; *at;) {
		enum placeholder kind = placeholder_at(at);

		if (kind == PLACES)
			n = snprintf(stem + used, NAME_SIZE - used, "%c", *at);
		else
			n = expand(kind, label, stem + used, NAME_SIZE - used);
		used += (size_t)n;
		if (used >= NAME_SIZE)
			return false;
		at += kind == PLACES ? 1 : strlen(placeholders[kind].text);
	}
	if (!pattern->labelled && split != FILES_TOGETHER) {
		n = snprintf(stem + used, NAME_SIZE - used, "_%u",
			     split == FILES_BY_NETNS ? label->netns : label->mntns);
		used += (size_t)n;
	}
	stem[used < NAME_SIZE ? used : NAME_SIZE - 1] = '\0';
	return used < NAME_SIZE;
}

bool name_make(const char *stem, const char *suffix, enum name_form form, bool times,
	       uint32_t number, uint64_t time_ns, char name[NAME_SIZE])
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	char expanded[NAME_SIZE], stamp[16];
	struct tm local;
	int n;

	localtime_r(&seconds, &local);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &local);
	if (times) {
		/* strftime() says 0 for too long, and for nothing. */
		if (*stem && !strftime(expanded, sizeof(expanded), stem, &local))
			return false;
		if (strchr(expanded, '/'))
			return false; /* %D */
		stem = expanded;
	}
	switch (form) {
	case NAME_NUMBERED:
		n = snprintf(name, NAME_SIZE, "%s_%05u%s", stem, number, suffix);
		break;
	case NAME_NUMBER_TIME:
		n = snprintf(name, NAME_SIZE, "%s_%05u_%s%s", stem, number, stamp, suffix);
		break;
	case NAME_TIME_NUMBER:
		n = snprintf(name, NAME_SIZE, "%s_%s_%05u%s", stem, stamp, number, suffix);
		break;
	default:
		n = snprintf(name, NAME_SIZE, "%s%s", stem, suffix);
	}
	return n > 0 && n < NAME_SIZE;
}
