/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* New namespaces without a name: when they are asked about again, and who waits how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <unnamed.h>

#define MS    1000000ull
#define BEGIN (5000 * MS)

struct asked {
	enum unnamed_answer answer;
	unsigned int asked, ended;
};

static enum unnamed_answer ask(void *ctx, const struct mapped_event *event)
{
	struct asked *asked = ctx;

	assert_int_equal(event->mntns, 77);
	asked->asked++;
	return asked->answer;
}

static void end(void *ctx, const struct mapped_event *event)
{
	struct asked *asked = ctx;

	assert_true(event->held);
	asked->ended++;
}

static const struct mapped_event free_one = {.time_ns = BEGIN, .mntns = 77, .pid = 1234};
static const struct mapped_event held_one = {.time_ns = BEGIN, .mntns = 77, .pid = 1234, .held = 1};

/* Looks when it says so, for a second. */
static void run(struct unnamed *unnamed, struct asked *asked)
{
	for (uint64_t now = BEGIN; now < BEGIN + 1000 * MS;) {
		int ms = unnamed_wait(unnamed, now, 1000);

		assert_in_range(ms, 0, 1000);
		now += (uint64_t)ms * MS;
		unnamed_look(unnamed, now, false, ask, end, asked);
	}
}

static void asks_a_few_times(void **state)
{
	struct unnamed *unnamed = unnamed_new();
	struct asked asked = {.answer = UNNAMED_NOTHING};

	(void)state;
	assert_false(unnamed_take(unnamed, &free_one, UNNAMED_NOTHING, BEGIN));
	assert_int_equal(unnamed_wait(unnamed, BEGIN, 1000), 5);
	unnamed_look(unnamed, BEGIN + 4 * MS, false, ask, end, &asked);
	assert_int_equal(asked.asked, 0);
	run(unnamed, &asked);
	assert_int_equal(asked.asked, 4);
	assert_int_equal(unnamed_wait(unnamed, BEGIN + 1000 * MS, 1000), 1000);
	unnamed_free(unnamed);
}

static void settles(void **state)
{
	struct unnamed *unnamed = unnamed_new();
	struct asked asked = {.answer = UNNAMED_SETTLED};

	(void)state;
	assert_false(unnamed_take(unnamed, &held_one, UNNAMED_SETTLED, BEGIN));
	assert_int_equal(unnamed_wait(unnamed, BEGIN, 1000), 1000);
	unnamed_take(unnamed, &free_one, UNNAMED_COMING, BEGIN);
	run(unnamed, &asked);
	assert_int_equal(asked.asked, 1);
	assert_int_equal(asked.ended, 0);
	unnamed_free(unnamed);
}

/* Who is held waits only for what is coming, and not for ever. */
static void holds(void **state)
{
	struct unnamed *unnamed = unnamed_new();
	struct asked asked = {.answer = UNNAMED_COMING};

	(void)state;
	assert_false(unnamed_take(unnamed, &held_one, UNNAMED_NOTHING, BEGIN));
	unnamed_free(unnamed);

	unnamed = unnamed_new();
	assert_true(unnamed_take(unnamed, &held_one, UNNAMED_COMING, BEGIN));
	for (int i = 1; i < 100; i++)
		unnamed_look(unnamed, BEGIN + (uint64_t)i * MS, false, ask, end, &asked);
	assert_int_equal(asked.ended, 0);
	assert_int_equal(asked.asked, 99);
	unnamed_look(unnamed, BEGIN + 100 * MS, false, ask, end, &asked);
	assert_int_equal(asked.ended, 1);
	run(unnamed, &asked); /* and without, it is asked about as others are */
	assert_int_equal(asked.asked, 101);
	assert_int_equal(asked.ended, 1);

	assert_true(unnamed_take(unnamed, &held_one, UNNAMED_COMING, BEGIN));
	asked.answer = UNNAMED_SETTLED;
	unnamed_look(unnamed, BEGIN + 2 * MS, false, ask, end, &asked);
	assert_int_equal(asked.ended, 2);
	unnamed_free(unnamed);
}

/* At the end, and when there are too many, nobody stays held. */
static void lets_go(void **state)
{
	struct unnamed *unnamed = unnamed_new();
	struct asked asked = {.answer = UNNAMED_COMING};
	unsigned int taken = 0;

	(void)state;
	while (taken < 100000 && unnamed_take(unnamed, &held_one, UNNAMED_COMING, BEGIN))
		taken++;
	assert_in_range(taken, 100, 10000);
	unnamed_look(unnamed, BEGIN + MS, true, ask, end, &asked);
	assert_int_equal(asked.asked, 0);
	assert_int_equal(asked.ended, taken);
	unnamed_free(unnamed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_a_few_times),
		cmocka_unit_test(settles),
		cmocka_unit_test(holds),
		cmocka_unit_test(lets_go),
	};

	return cmocka_run_group_tests_name("unnamed", tests, NULL, NULL);
}
