/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The target stage: names of namespaces, which processes are in scope, and scans of them.
 * What needs a mount namespace of its own needs root, and is skipped without.
 */
#include "target.h"

/* ---- names of namespaces ---- */

static void parse_numbers(void **state)
{
	static const char *const bad[] = {
		"",	      "0",
		"-1",	      "+5",
		" 5",	      "5 ",
		"4294967296", "0x10",
		"1e3",	      "99999999999999999999",
		"mnt:[]",     "mnt:[0]",
		"mnt:[-1]",   "mnt:[5",
		"mnt:[5]x",   "mnt:5",
		"net:[5]",    "mnt:[4294967296]",
		"nonsense",   "5]",
	};
	uint32_t mntns = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(target_parse_mntns(bad[i], &mntns), -EINVAL);
	assert_int_equal(mntns, 77);
	assert_int_equal(target_parse_mntns("4026532573", &mntns), 0);
	assert_int_equal(mntns, 4026532573u);
	assert_int_equal(target_parse_mntns("4294967295", &mntns), 0);
	assert_int_equal(mntns, UINT32_MAX);
	assert_int_equal(target_parse_mntns("mnt:[4026531841]", &mntns), 0);
	assert_int_equal(mntns, 4026531841u);
}

static void parse_paths(void **state)
{
	char folder[] = "/tmp/tlspcap-target-XXXXXX", fifo[64], path[64];
	uint32_t mntns = 0, own = 0;

	(void)state;
	assert_int_equal(target_mntns_of(getpid(), &own), 0);
	assert_int_equal(target_parse_mntns("/proc/self/ns/mnt", &mntns), 0);
	assert_int_equal(mntns, own);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", getpid());
	assert_int_equal(target_parse_mntns(path, &mntns), 0);
	assert_int_equal(mntns, own);
	assert_int_equal(target_parse_mntns("/proc/self/ns/net", &mntns), -ENOTTY);
	assert_int_equal(target_parse_mntns("/proc/self/ns/pid", &mntns), -ENOTTY);
	assert_int_equal(target_parse_mntns("/proc/self", &mntns), -ENOTTY);
	assert_int_equal(target_parse_mntns("/dev/null", &mntns), -ENOTTY);
	assert_int_equal(target_parse_mntns("/nowhere/ns/mnt", &mntns), -ENOENT);
	assert_int_equal(target_parse_mntns("/dev/null/ns/mnt", &mntns), -ENOENT);

	/* A FIFO without a writer must not hold us. */
	assert_non_null(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(target_parse_mntns(fifo, &mntns), -ENOTTY);
	unlink(fifo);
	rmdir(folder);
	assert_int_equal(mntns, own);
}

static void find_processes(void **state)
{
	uint32_t own = 0, mntns = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(target_mntns_of(getpid(), &own), 0);
	pid = target_find_process(own);
	assert_true(pid > 0);
	assert_int_equal(target_mntns_of(pid, &mntns), 0);
	assert_int_equal(mntns, own);
	assert_int_equal(target_find_process(1), -ESRCH);
	assert_int_equal(target_find_process(0), -ESRCH);
	assert_int_equal(target_mntns_of(0, &mntns), -EINVAL);
	assert_int_equal(target_mntns_of(-1, &mntns), -EINVAL);
	assert_int_equal(target_mntns_of(INT_MAX, &mntns), -ESRCH);
}

/* ---- describing ---- */

static int hostile_name(void *ctx)
{
	(void)ctx;
	CHECK(!own_namespace());
	CHECK(!prctl(PR_SET_NAME, "a)\n\033[31m \xc3\x28"));
	return 0;
}

static void describe(void **state)
{
	char name[64], description[512], small[12], expected[64];
	struct child child;
	uint32_t own, mntns;

	(void)state;
	need_root();
	assert_int_equal(target_mntns_of(getpid(), &own), 0);
	child = start_child(hostile_name, NULL);
	assert_int_equal(target_mntns_of(child.pid, &mntns), 0);
	assert_int_not_equal(own, mntns);
	assert_int_equal(target_find_process(mntns), child.pid);
	target_describe_mntns(mntns, name, sizeof(name), description, sizeof(description));
	assert_string_equal(name, "a)??[31m ?(");
	snprintf(expected, sizeof(expected), "process %d (a)??[31m ?()", child.pid);
	assert_non_null(strstr(description, expected));

	/* What does not fit says so. */
	memset(small, 'x', sizeof(small));
	target_describe_mntns(mntns, NULL, 0, small, sizeof(small));
	assert_string_equal(small, "mount na...");
	target_describe_mntns(mntns, small, 1, description, 3);
	assert_string_equal(small, "");
	assert_string_equal(description, "mo");
	stop_child(&child);

	target_describe_mntns(mntns, name, sizeof(name), description, sizeof(description));
	assert_non_null(strstr(description, "no process"));
	if (target_mntns_of(1, &mntns) == 0) {
		target_describe_mntns(mntns, name, sizeof(name), description, sizeof(description));
		assert_string_equal(name, "host");
	}
}

/* The folder of cgroup version 2, or false. */
static bool find_cgroups(char *folder, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	const struct mntent *entry;
	bool found = false;

	assert_non_null(mounts);
	while (!found && (entry = getmntent(mounts))) {
		found = !strcmp(entry->mnt_type, "cgroup2");
		if (found)
			snprintf(folder, size, "%s", entry->mnt_dir);
	}
	endmntent(mounts);
	return found;
}

static int join_cgroup(void *ctx)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", (const char *)ctx);
	CHECK(!write_file(path, "0"));
	CHECK(!own_namespace());
	CHECK(!prctl(PR_SET_NAME, "nginx"));
	return 0;
}

static void describe_container(void **state)
{
	char root[512], folder[PATH_MAX], name[64], description[512], expected[64];
	struct child child;
	uint32_t mntns;

	(void)state;
	need_root();
	if (!find_cgroups(root, sizeof(root))) {
		print_message("skipped: no cgroup version 2 is mounted\n");
		skip();
	}
	snprintf(folder, sizeof(folder), "%s/docker-%012x%052x.scope", root, getpid(), 0xabc);
	if (mkdir(folder, 0755)) {
		print_message("skipped: %s: %s\n", folder, strerror(errno));
		skip();
	}
	child = start_child(join_cgroup, folder);
	assert_int_equal(target_mntns_of(child.pid, &mntns), 0);
	target_describe_mntns(mntns, name, sizeof(name), description, sizeof(description));
	stop_child(&child);
	assert_int_equal(rmdir(folder), 0);
	snprintf(expected, sizeof(expected), "nginx %012x", getpid());
	assert_string_equal(name, expected);
	snprintf(expected, sizeof(expected), ", cgroup /docker-%012x000", getpid());
	assert_non_null(strstr(description, expected));
}

/* ---- scans ---- */

static void own_process(void **state)
{
	struct found *found = new_found();
	struct target_counts counts;
	char self[PATH_MAX] = "";
	void *library;
	int program = -1;

	(void)state;
	library = dlopen("libssl.so.3", RTLD_NOW);
	assert_int_equal(scan_pid(getpid(), NULL, NULL, found, &counts), 0);
	assert_int_equal(counts.processes, 1);
	assert_int_equal(counts.namespaces, 1);
	assert_int_equal(counts.files, found->n);
	for (size_t i = 0; i < found->n; i++) {
		assert_int_equal(found->file[i].pid, getpid());
		if (found->file[i].is_program) {
			assert_int_equal(program, -1);
			program = (int)i;
		}
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(&found->file[i].identity, &found->file[j].identity,
						sizeof(found->file[i].identity));
	}
	assert_true(program >= 0);
	assert_true(found->file[program].mapped);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_string_equal(found->file[program].path, self);
	if (library) {
		int at = find_path(found, "/libssl.so.3");

		assert_true(at >= 0);
		assert_true(found->file[at].mapped);
		assert_false(found->file[at].is_program);
		dlclose(library);
	} else {
		print_message("no libssl.so.3 here: not looked for\n");
	}
	free(found);
}

static void callback_ends_scan(void **state)
{
	struct found *found = new_found();
	struct target_counts counts;

	(void)state;
	found->answer = 42;
	assert_int_equal(scan_pid(getpid(), NULL, NULL, found, &counts), 42);
	assert_int_equal(found->n, 1);
	free(found);
}

static void scope_combines(void **state)
{
	const pid_t pid[] = {getpid(), INT_MAX};
	const uid_t uid[] = {getuid(), 12345678}, other_uid = 12345678;
	const uint32_t other = 1;
	struct target_scope scope = {.pid = pid, .n_pid = 2, .uid = uid, .n_uid = 2};
	struct found *found = new_found();
	struct target_counts counts;

	(void)state;
	assert_int_equal(target_scan(&scope, NULL, NULL, keep, found, &counts), 0);
	assert_int_equal(counts.processes, 1);
	scope.uid = &other_uid;
	scope.n_uid = 1;
	assert_int_equal(target_scan(&scope, NULL, NULL, keep, found, &counts), 0);
	assert_int_equal(counts.processes, 0);
	scope.n_uid = 0;
	scope.mntns = &other;
	scope.n_mntns = 1;
	assert_int_equal(target_scan(&scope, NULL, NULL, keep, found, &counts), 0);
	assert_int_equal(counts.processes, 0);
	assert_int_equal(counts.namespaces, 0);
	free(found);
}

static void *wait_for_end(void *ctx)
{
	char byte;

	_exit(read(*(int *)ctx, &byte, 1) ? 1 : 0);
}

/* The first thread ends, another one goes on: /proc/PID then shows no mapping. */
static void process_without_first_thread(void **state)
{
	struct found *found = new_found();
	struct target_counts counts;
	int stop[2], status;
	char path[64], text[512];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		pthread_t thread;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stop[1]);
		if (pthread_create(&thread, NULL, wait_for_end, &stop[0]))
			_exit(1);
		syscall(SYS_exit, 0);
	}
	close(stop[0]);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	/* There is nothing to wait on: the end of a thread that is not the last is no event. */
	for (;;) {
		FILE *file = fopen(path, "r");
		size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

		assert_non_null(file);
		fclose(file);
		text[n] = '\0';
		if (strstr(text, ") Z "))
			break;
		sched_yield();
	}
	assert_int_equal(scan_pid(pid, NULL, NULL, found, &counts), 0);
	close(stop[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(counts.processes, 1);
	assert_true(found->n >= 1);
	assert_true(found->file[0].is_program);
	assert_int_equal(found->file[0].pid, pid);
	free(found);
}

static size_t count_descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(list);
	while (readdir(list))
		n++;
	closedir(list);
	return n;
}

static int count_only(void *ctx, const struct target_file *file)
{
	(void)file;
	++*(size_t *)ctx;
	return 0;
}

/* While processes come and go, a scan of the machine succeeds and keeps no descriptor. */
static void machine_scan(void **state)
{
	const struct target_scope all = {0};
	struct target_counts counts;
	struct timespec begin, end;
	size_t files = 0;
	pid_t churn;
	const size_t descriptors = count_descriptors();
	int status;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(target_scan(&all, NULL, NULL, count_only, &files, &counts), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(counts.files, files);
	print_message("the machine: %zu processes, %zu namespaces, %zu files, %zu unreadable, "
		      "%.1f ms\n",
		      counts.processes, counts.namespaces, counts.files, counts.unreadable,
		      (double)(end.tv_sec - begin.tv_sec) * 1e3 +
			      (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
	churn = fork();
	assert_true(churn >= 0);
	if (!churn) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			pid_t pid = fork();

			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(target_scan(&all, NULL, NULL, count_only, &files, NULL), 0);
	kill(churn, SIGKILL);
	waitpid(churn, &status, 0);
	assert_int_equal(count_descriptors(), descriptors);
}

/* Without descriptors the scan fails: it must not pass as one that found nothing. */
static void no_descriptors(void **state)
{
	struct found *found = new_found();
	struct target_counts counts;
	struct rlimit limit, small;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	small = limit;
	small.rlim_cur = 5;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	assert_int_equal(scan_pid(getpid(), NULL, NULL, found, &counts), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_numbers),
		cmocka_unit_test(parse_paths),
		cmocka_unit_test(find_processes),
		cmocka_unit_test(describe),
		cmocka_unit_test(describe_container),
		cmocka_unit_test(own_process),
		cmocka_unit_test(callback_ends_scan),
		cmocka_unit_test(scope_combines),
		cmocka_unit_test(process_without_first_thread),
		cmocka_unit_test(machine_scan),
		cmocka_unit_test(no_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
