/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What runtimes write about their containers, and how people name these. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <target/runtime.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse(enum runtime_kind kind, const char *text, struct target_container *container,
		 struct runtime_process *process)
{
	memset(container, 0, sizeof(*container));
	snprintf(container->id, sizeof(container->id), "%s", ID);
	return runtime_parse(kind, text, strlen(text), ID, container, process);
}

static void docker(void **state)
{
	static const char text[] =
		"{\"ID\":\"" ID "\",\"Name\":\"/web\",\"State\":{\"Pid\":4711,\"Running\":true},"
		"\"Config\":{\"Image\":\"nginx:latest\",\"Labels\":{"
		"\"io.kubernetes.pod.name\":\"web-1\",\"io.kubernetes.pod.namespace\":\"shop\"}}}";
	struct target_container container;
	struct runtime_process process;

	(void)state;
	assert_int_equal(parse(RUNTIME_DOCKER, text, &container, &process), 0);
	assert_string_equal(container.name, "web");
	assert_string_equal(container.image, "nginx:latest");
	assert_string_equal(container.pod, "web-1");
	assert_string_equal(container.pod_namespace, "shop");
	assert_int_equal(process.pid, 4711);
	assert_true(target_container_is(&container, "web"));
	assert_true(target_container_is(&container, ID));
	assert_true(target_container_is(&container, "0123"));
	assert_true(target_container_is(&container, "0123456789ab"));
	assert_false(target_container_is(&container, "012"));
	assert_false(target_container_is(&container, "1234"));
	assert_false(target_container_is(&container, "we"));
	assert_true(target_container_is_in_pod(&container, "web-1"));
	assert_true(target_container_is_in_pod(&container, "shop/web-1"));
	assert_false(target_container_is_in_pod(&container, "other/web-1"));
	assert_false(target_container_is_in_pod(&container, "shop/web"));
	assert_false(target_container_is_in_pod(&container, "/web-1"));
}

/* A file of another container says nothing of this one. */
static void other_id(void **state)
{
	struct target_container container;

	(void)state;
	assert_int_equal(
		parse(RUNTIME_DOCKER, "{\"ID\":\"feed\",\"Name\":\"/victim\"}", &container, NULL),
		-ENOENT);
	assert_string_equal(container.name, "");
	assert_int_equal(
		parse(RUNTIME_RUNC, "{\"id\":\"feed\",\"init_process_pid\":1}", &container, NULL),
		-ENOENT);
}

static void containerd(void **state)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.2\",\"annotations\":{"
		"\"io.kubernetes.cri.container-name\":\"app\","
		"\"io.kubernetes.cri.image-name\":\"docker.io/library/nginx:1\","
		"\"io.kubernetes.cri.sandbox-name\":\"web-1\","
		"\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
		"\"io.kubernetes.cri.sandbox-uid\":\"0f00baaa-1111-2222-3333-444444444444\"}}";
	struct target_container container;
	char pairs[512], small[40];

	(void)state;
	assert_int_equal(parse(RUNTIME_OCI, text, &container, NULL), 0);
	assert_string_equal(container.name, "app");
	assert_string_equal(container.image, "docker.io/library/nginx:1");
	assert_string_equal(container.pod, "web-1");
	assert_true(target_container_is_in_pod(&container, "0f00baaa-1111"));
	target_container_pairs(&container, pairs, sizeof(pairs));
	assert_string_equal(pairs, "container=app;container-id=" ID
				   ";image=docker.io/library/nginx:1;pod=shop/web-1;");
	target_container_pairs(&container, small, sizeof(small));
	assert_string_equal(small, "container=app;pod=shop/web-1;"); /* whole pairs only */
}

static void storage(void **state)
{
	static const char text[] =
		"[{\"id\":\"feed\",\"names\":[\"other\"]},{\"id\":\"" ID "\",\"names\":[\"web\"],"
		"\"metadata\":\"{\\\"image-name\\\":\\\"quay.io/web:2\\\"}\"}]";
	struct target_container container;

	(void)state;
	assert_int_equal(parse(RUNTIME_STORAGE, text, &container, NULL), 0);
	assert_string_equal(container.name, "web");
	assert_string_equal(container.image, "quay.io/web:2");
}

static void runc_and_crun(void **state)
{
	struct target_container container;
	struct runtime_process process;

	(void)state;
	assert_int_equal(parse(RUNTIME_RUNC,
			       "{\"id\":\"" ID "\",\"init_process_pid\":77,"
			       "\"init_process_start\":1234}",
			       &container, &process),
			 0);
	assert_int_equal(process.pid, 77);
	assert_int_equal(process.start, 1234);
	assert_int_equal(
		parse(RUNTIME_CRUN, "{\"pid\":78,\"process-start-time\":5}", &container, &process),
		0);
	assert_int_equal(process.pid, 78);
	assert_int_equal(parse(RUNTIME_CRUN, "{\"pid\":-1}", &container, &process), 0);
	assert_int_equal(process.pid, 0);
}

/* Names are anybody's: no control characters, no end of a comment's pair, no overflow. */
static void hostile(void **state)
{
	static const char *const broken[] = {
		"",	 "[",  "{",  "null",	   "7",
		"\"x\"", "[]", "{}", "{\"ID\":7}", "{\"ID\":null,\"Config\":[]}"};
	static const char controls[] =
		"{\"ID\":\"" ID "\",\"Name\":\"/a\\u001b[2J;pid=1;\\n\",\"Config\":{\"Image\":7}}";
	struct target_container container;
	char pairs[512], *text = malloc(100000);

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		for (int kind = 0; kind < RUNTIME_KINDS; kind++)
			assert_int_not_equal(
				parse((enum runtime_kind)kind, broken[i], &container, NULL), 0);
	assert_int_equal(parse(RUNTIME_DOCKER, controls, &container, NULL), 0);
	assert_string_equal(container.name, "a?[2J;pid=1;?");
	target_container_pairs(&container, pairs, sizeof(pairs));
	assert_string_equal(pairs, "container=a?[2J?pid=1??;container-id=" ID ";");

	snprintf(text, 100000, "{\"ID\":\"" ID "\",\"Name\":\"/%090000d\"}", 0);
	assert_int_equal(parse(RUNTIME_DOCKER, text, &container, NULL), 0);
	assert_int_equal(strlen(container.name), sizeof(container.name) - 1);
	memset(text, '[', 90000); /* deeper than a parser may go */
	text[90000] = '\0';
	assert_int_not_equal(parse(RUNTIME_STORAGE, text, &container, NULL), 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker),	 cmocka_unit_test(other_id),
		cmocka_unit_test(containerd),	 cmocka_unit_test(storage),
		cmocka_unit_test(runc_and_crun), cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests_name("target_runtime", tests, NULL, NULL);
}
