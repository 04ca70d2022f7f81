/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* tcpdump's and dumpcap's options about files: their units, and what goes together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <rules.h>

static void units_are_those_of_the_models(void **state)
{
	struct rules rules = {0};

	(void)state;
	assert_null(rules_size(&rules, "3"));
	assert_int_equal(rules.size, 3000000);
	assert_null(rules_size(&rules, "3k"));
	assert_int_equal(rules.size, 3072);
	assert_null(rules_size(&rules, "2G"));
	assert_int_equal(rules.size, (uint64_t)2 << 30);
	assert_null(rules_follow(&rules, "filesize:5"));
	assert_int_equal(rules.files.bytes, 5000);
	assert_null(rules_follow(&rules, "duration:0.5"));
	assert_int_equal(rules.files.duration_ns, 500000000);
	assert_null(rules_follow(&rules, "nametimenum:2"));
	assert_true(rules.files.time_first);
	assert_null(rules_stop(&rules, "filesize:7"));
	assert_int_equal(rules.stop_bytes, 7000);
	assert_null(rules_max_disk(&rules, "20"));
	assert_int_equal(rules.files.max_disk, 20000000);
}

static void nonsense_is_refused(void **state)
{
	static const char *const sizes[] = {
		"", "0", "-1", "1.5", "k", "1kk", "99999999999999999999"};
	static const char *const pairs[] = {
		"",	      "files",	     "files:",	      "files:0",     "file:3",
		"duration:x", "duration:-1", "nametimenum:3", "filesize:1k", "packets:-2",
		"printname:"};
	struct rules rules = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_non_null(rules_size(&rules, sizes[i]));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_non_null(rules_follow(&rules, pairs[i]));
	assert_non_null(rules_stop(&rules, "interval:3"));
	assert_non_null(rules_split(&rules, "container"));
	assert_non_null(rules_max_disk(&rules, "900k"));
	assert_non_null(rules_seconds(&rules, "0"));
	assert_non_null(rules_count(&rules, "0"));
}

static void a_count_means_what_it_does_in_tcpdump(void **state)
{
	struct rules ring = {0}, end = {0}, alone = {0}, files = {0};

	(void)state;
	rules_size(&ring, "1");
	rules_count(&ring, "5");
	assert_null(rules_finish(&ring, "out.pcapng"));
	assert_int_equal(ring.files.keep, 5);
	assert_int_equal(ring.files.stop_files, 0);

	rules_seconds(&end, "60");
	rules_count(&end, "5");
	assert_null(rules_finish(&end, "out.pcapng"));
	assert_int_equal(end.files.keep, 0);
	assert_int_equal(end.files.stop_files, 5);

	rules_count(&alone, "5");
	assert_non_null(rules_finish(&alone, "out.pcapng"));
	rules_stop(&files, "files:3");
	assert_non_null(rules_finish(&files, "out.pcapng"));
}

static void only_seconds_make_a_name_a_format(void **state)
{
	struct rules dated = {0}, split = {0}, other = {0};

	(void)state;
	rules_seconds(&dated, "60");
	assert_null(rules_finish(&dated, "/tmp/%H.pcapng"));
	assert_true(dated.files.times_in_path);
	rules_seconds(&split, "60");
	assert_null(rules_finish(&split, "/%Y/%{mntns}.pcapng"));
	assert_false(split.files.times_in_path);
	rules_follow(&other, "duration:60");
	assert_null(rules_finish(&other, "%H.pcapng"));
	assert_false(other.files.times_in_path);
}

static void a_size_at_which_to_end_is_one_for_the_next_file(void **state)
{
	struct rules one = {0}, many = {0};

	(void)state;
	rules_stop(&one, "filesize:10");
	assert_null(rules_finish(&one, "out"));
	assert_int_equal(one.files.stop_bytes, 10000);
	assert_int_equal(one.files.bytes, 0);
	rules_stop(&many, "filesize:10");
	rules_follow(&many, "duration:60");
	assert_null(rules_finish(&many, "out"));
	assert_int_equal(many.files.stop_bytes, 0);
	assert_int_equal(many.files.bytes, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_those_of_the_models),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_count_means_what_it_does_in_tcpdump),
		cmocka_unit_test(only_seconds_make_a_name_a_format),
		cmocka_unit_test(a_size_at_which_to_end_is_one_for_the_next_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
