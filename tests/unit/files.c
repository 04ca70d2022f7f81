/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Names of files, which are deleted, and what the options about them say together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <tlspcap/files.h>

/* 2026-11-23 20:37:40 UTC; the tests run in UTC. */
#define NOW 1795466260000000000

struct fixture {
	char folder[64], path[256];
	struct files_options options;
	struct files *files;
	char closed[4096];
};

static void note_closed(void *ctx, const char *path)
{
	struct fixture *f = ctx;
	const char *name = strrchr(path, '/') + 1;

	if (strlen(f->closed) + strlen(name) + 2 < sizeof(f->closed))
		strcat(strcat(f->closed, name), " ");
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	setenv("TZ", "UTC", 1);
	strcpy(f->folder, "/tmp/tlspcap-files-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->options.path = f->path;
	f->options.closed = note_closed;
	f->options.ctx = f;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	files_free(f->files);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void begin(struct fixture *f, const char *name)
{
	char *why = NULL;

	snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
	if (files_open(&f->options, &f->files, &why))
		fail_msg("%s", why);
}

static struct files_file *create(struct files_set *set, uint64_t time_ns)
{
	struct files_file *file;
	char *why;

	if (files_create(set, time_ns, &file, &why))
		fail_msg("%s", why);
	return file;
}

/* A whole file of so many bytes. */
static void make(struct files_set *set, size_t bytes)
{
	struct files_file *file = create(set, NOW);
	uint8_t *out = output_reserve(file->output, bytes);

	assert_non_null(out);
	memset(out, 0, bytes);
	output_commit(file->output, bytes);
	assert_int_equal(files_close(file), 0);
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return access(path, F_OK) == 0;
}

static size_t count_files(const struct fixture *f)
{
	DIR *folder = opendir(f->folder);
	size_t n = 0;

	while (readdir(folder))
		n++;
	closedir(folder);
	return n - 2;
}

static void names_are_those_of_dumpcap(void **state)
{
	struct fixture *f = *state;
	const struct files_label nobody = {0};
	struct files_set *set;

	f->options.rules.bytes = 1000;
	begin(f, "out.pcapng.gz");
	assert_true(files_are_sets(f->files));
	set = files_set_begin(f->files, &nobody);
	make(set, 10);
	make(set, 10);
	assert_string_equal(f->closed, "out_00001_20261123203740.pcapng.gz "
				       "out_00002_20261123203740.pcapng.gz ");
}

static void the_time_may_come_first(void **state)
{
	struct fixture *f = *state;
	const struct files_label nobody = {0};

	f->options.rules.duration_ns = 1000;
	f->options.rules.time_first = true;
	begin(f, "no-suffix");
	make(files_set_begin(f->files, &nobody), 10);
	assert_string_equal(f->closed, "no-suffix_20261123203740_00001 ");
}

static void names_may_be_formats_of_times(void **state)
{
	struct fixture *f = *state;
	const struct files_label nobody = {0};
	struct files_set *set;

	f->options.rules.duration_ns = 1000;
	f->options.rules.times_in_path = true;
	begin(f, "%Y-%H.pcapng");
	set = files_set_begin(f->files, &nobody);
	make(set, 10);
	make(set, 10); /* the name is taken */
	assert_string_equal(f->closed, "2026-20.pcapng 2026-20_00002.pcapng ");
}

static void a_name_that_is_taken_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const struct files_label nobody = {0};

	f->options.rules.bytes = 1000;
	begin(f, "out.pcapng");
	snprintf(f->path, sizeof(f->path), "%s/out_00001_20261123203740.pcapng", f->folder);
	assert_int_equal(symlink("/nonexistent", f->path), 0);
	make(files_set_begin(f->files, &nobody), 10);
	assert_string_equal(f->closed, "out_00002_20261123203740.pcapng ");
}

static void namespaces_stand_in_names(void **state)
{
	struct fixture *f = *state;
	const struct files_label labels[] = {
		{.mntns = 11, .container = "web 3f2a"},
		{.mntns = 12, .container = "../../etc/x;\n\xff"},
		{.mntns = 13, .container = "web 3f2a"}, /* the same name, another one */
		{.mntns = 14},
	};

	begin(f, "a-%{container}.pcapng");
	assert_int_equal(files_split(f->files), FILES_BY_MNTNS);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		make(files_set_begin(f->files, &labels[i]), 10);
	assert_string_equal(f->closed, "a-web-3f2a.pcapng a-etc-x-.pcapng a-web-3f2a_13.pcapng "
				       "a-14.pcapng ");
	assert_int_equal(count_files(f), 4);
}

static void a_namespace_that_comes_back_goes_on(void **state)
{
	struct fixture *f = *state;
	const struct files_label label = {.mntns = 11};
	struct files_set *set;

	f->options.rules.split = FILES_BY_MNTNS;
	f->options.rules.bytes = 1000;
	f->options.rules.keep = 2;
	begin(f, "out.pcapng");
	set = files_set_begin(f->files, &label);
	make(set, 10);
	files_set_end(set);
	make(files_set_begin(f->files, &label), 10);
	make(files_set_begin(f->files, &label), 10);
	assert_string_equal(f->closed, "out_11_00001_20261123203740.pcapng "
				       "out_11_00002_20261123203740.pcapng "
				       "out_11_00003_20261123203740.pcapng ");
	assert_int_equal(count_files(f), 2);
}

static void a_ring_deletes_only_its_own(void **state)
{
	struct fixture *f = *state;
	const struct files_label nobody = {0};
	struct files_set *set;

	f->options.rules.bytes = 1000;
	f->options.rules.keep = 2;
	begin(f, "out.pcapng");
	set = files_set_begin(f->files, &nobody);
	make(set, 10);
	make(set, 10);
	/* Somebody puts another file in the place of the first one. */
	snprintf(f->path, sizeof(f->path), "%s/out_00001_20261123203740.pcapng", f->folder);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("/nonexistent", f->path), 0);
	make(set, 10);
	make(set, 10);
	assert_int_equal(files_counts(f->files).deleted, 1);
	assert_int_equal(count_files(f), 3);
}

/* One floods; the others have little, and keep it. */
static void a_disk_is_shared_fairly(void **state)
{
	struct fixture *f = *state;
	struct files_set *sets[30];
	uint64_t limit;

	f->options.rules.split = FILES_BY_MNTNS;
	f->options.rules.max_disk = 12000000;
	begin(f, "out.pcapng");
	assert_int_equal(files_limit(f->files), 3000000);
	for (uint32_t i = 0; i < 30; i++) {
		const struct files_label label = {.mntns = 100 + i};

		sets[i] = files_set_begin(f->files, &label);
		make(sets[i], 1000);
	}
	limit = files_limit(f->files);
	assert_int_equal(limit, 100000);
	for (int round = 0; round < 300; round++) {
		make(sets[0], limit);
		if (round % 10 == 0)
			make(sets[1 + round / 10 % 29], 20000);
	}
	/* 9 MB of closed files, 609 KB of them are the quiet ones'. */
	assert_in_range(files_counts(f->files).deleted, 215, 219);
	for (uint32_t i = 1; i < 30; i++) {
		char name[64];

		snprintf(name, sizeof(name), "out_%u_00001_20261123203740.pcapng", 100 + i);
		assert_true(exists(f, name));
	}
	assert_false(exists(f, "out_100_00001_20261123203740.pcapng"));
}

static void refuse(struct fixture *f, const char *path, const char *word)
{
	char *why = NULL;

	f->options.path = path;
	assert_int_equal(files_open(&f->options, &f->files, &why), -EINVAL);
	assert_non_null(why);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
	free(why);
	f->files = NULL;
}

static void what_cannot_be_is_refused(void **state)
{
	struct fixture *f = *state;

	refuse(f, "/tmp/%{pod}.pcapng", "%{mntns}");
	refuse(f, "/tmp/%{mntns}/out.pcapng", "folder");
	f->options.rules.bytes = 1000;
	refuse(f, "-", "standard output");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_those_of_dumpcap),    TEST(the_time_may_come_first),
		TEST(names_may_be_formats_of_times), TEST(a_name_that_is_taken_is_left_alone),
		TEST(namespaces_stand_in_names),     TEST(a_namespace_that_comes_back_goes_on),
		TEST(a_ring_deletes_only_its_own),   TEST(a_disk_is_shared_fairly),
		TEST(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
