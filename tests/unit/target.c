/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The target stage against real processes: children in mount namespaces of their own, with
 * roots that a hostile container could have. Those tests need root and are skipped without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <tlspcap/target.h>
#include <time.h>
#include <unistd.h>

/* ---- what a scan found ---- */

#define FOUND_MAX 256

struct found {
	size_t n;
	struct {
		struct target_identity identity;
		char path[PATH_MAX], text[32]; /* the first bytes of the file */
		uint32_t mntns;
		pid_t pid;
		bool mapped, is_program;
	} file[FOUND_MAX];
	int answer;
};

static int keep(void *ctx, const struct target_file *file)
{
	struct found *found = ctx;
	struct stat status;
	ssize_t n;

	assert_true(found->n < FOUND_MAX);
	assert_int_equal(fstat(file->fd, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(fcntl(file->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	n = pread(file->fd, found->file[found->n].text, 31, 0);
	assert_true(n > 0);
	found->file[found->n].text[n] = '\0';
	snprintf(found->file[found->n].path, PATH_MAX, "%s", file->path);
	found->file[found->n].identity = file->identity;
	found->file[found->n].mntns = file->mntns;
	found->file[found->n].pid = file->pid;
	found->file[found->n].mapped = file->mapped;
	found->file[found->n].is_program = file->is_program;
	found->n++;
	return found->answer;
}

/* The place of the file with these first bytes, or -1; fails when it is there twice. */
static int find_text(const struct found *found, const char *text)
{
	int at = -1;

	for (size_t i = 0; i < found->n; i++) {
		if (strcmp(found->file[i].text, text))
			continue;
		assert_int_equal(at, -1);
		at = (int)i;
	}
	return at;
}

static int find_path(const struct found *found, const char *part)
{
	for (size_t i = 0; i < found->n; i++)
		if (strstr(found->file[i].path, part))
			return (int)i;
	return -1;
}

/* As the kernel would: the same bytes "inode=N" are the same real file. */
static int identify_by_text(void *ctx, int fd, struct target_identity *identity)
{
	char text[32] = "";

	++*(unsigned int *)ctx;
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (strncmp(text, "inode=", 6))
		return -ENODATA;
	*identity = (struct target_identity){.inode = strtoull(text + 6, NULL, 10), .device = 1};
	return 0;
}

static struct found *new_found(void)
{
	struct found *found = calloc(1, sizeof(*found));

	assert_non_null(found);
	return found;
}

static int scan_pid(pid_t pid, target_identify_fn identify, void *ctx, struct found *found,
		    struct target_counts *counts)
{
	const struct target_scope scope = {.pid = &pid, .n_pid = 1};

	memset(counts, 0xff, sizeof(*counts));
	return target_scan(&scope, identify, ctx, keep, found, counts);
}

/* ---- children that stand for containers ---- */

struct child {
	pid_t pid;
	int stop; /* a byte ends the child; so does our own end */
};

/* Runs `prepare` in a child, and returns when it has succeeded; the child then waits. */
static struct child start_child(int (*prepare)(void *ctx), void *ctx)
{
	int ready[2], stop[2];
	struct child child;
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (!child.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stop[1]);
		close(ready[0]);
		if (prepare(ctx))
			_exit(1);
		if (write(ready[1], "r", 1) != 1 || read(stop[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(stop[0]);
	child.stop = stop[1];
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void stop_child(struct child *child)
{
	int status;

	/* Not by closing alone: children started later have this end of the pipe too. */
	assert_int_equal(write(child->stop, "s", 1), 1);
	close(child->stop);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

static void need_root(void)
{
	if (geteuid()) {
		print_message("skipped: making mount namespaces needs root\n");
		skip();
	}
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "child: %s: %s\n", #condition, strerror(errno));           \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

/* A namespace of its own with an empty tmpfs at /mnt, which is the working directory. */
static int own_namespace(void)
{
	CHECK(!unshare(CLONE_NEWNS));
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK(!mount("tmpfs", "/mnt", "tmpfs", 0, "size=64m"));
	CHECK(!chdir("/mnt"));
	return 0;
}

static int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK(file);
	CHECK(fputs(text, file) >= 0);
	CHECK(!fclose(file));
	return 0;
}

/* Makes the folder and those above it. */
static int make_folder(const char *path)
{
	char part[PATH_MAX];

	for (const char *at = path; at; at = strchr(at + 1, '/')) {
		const char *end = strchr(at + 1, '/');
		size_t length = end ? (size_t)(end - path) : strlen(path);

		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		CHECK(!mkdir(part, 0755) || errno == EEXIST);
		if (!end)
			break;
	}
	return 0;
}

static int enter(void)
{
	CHECK(!chroot("/mnt"));
	CHECK(!chdir("/"));
	return 0;
}

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

#define LIB "usr/lib/x86_64-linux-gnu"

static int hostile_root(void *ctx)
{
	FILE *conf;

	(void)ctx;
	CHECK(!own_namespace());
	CHECK(!make_folder(LIB "/glibc-hwcaps/x86-64-v3"));
	CHECK(!make_folder("usr/local/lib"));
	CHECK(!make_folder("etc/ld.so.conf.d"));
	CHECK(!make_folder("opt/product/lib"));
	CHECK(!make_folder("srv/tls"));
	CHECK(!symlink("usr/lib", "lib"));
	CHECK(!write_file(LIB "/libssl.so.3", "inode=1"));
	CHECK(!symlink("libssl.so.3", LIB "/libssl.so"));
	CHECK(!write_file(LIB "/glibc-hwcaps/x86-64-v3/libssl.so.3", "inode=2"));
	CHECK(!write_file("opt/product/lib/libssl.so.1.1", "inode=3"));
	CHECK(!write_file("srv/tls/libssl.so.3", "inode=4"));
	/* Out of the root, by name and by the two kinds of links that leave it. */
	CHECK(!write_file("etc/shadow", "inode=5"));
	CHECK(!make_folder("proc"));
	CHECK(!mount("proc", "proc", "proc", 0, NULL));
	CHECK(!symlink("/etc/shadow", "usr/local/lib/libssl.so.10"));
	CHECK(!symlink("../../../../../../etc/passwd", "usr/local/lib/libssl.so.11"));
	CHECK(!symlink("/proc/self/root/etc/passwd", "usr/local/lib/libssl.so.12"));
	CHECK(!symlink("/proc/1/root/usr/lib", "usr/lib64"));
	/* What waits, what acts, what does not end, what is no file. */
	CHECK(!mkfifo("usr/local/lib/libssl.so.13", 0666));
	CHECK(!mknod("usr/local/lib/libssl.so.14", S_IFCHR | 0666, makedev(5, 0)));
	CHECK(!symlink("libssl.so.15", "usr/local/lib/libssl.so.15"));
	CHECK(!mkdir("usr/local/lib/libssl.so.3", 0755));
	CHECK(!symlink("nowhere", "usr/local/lib/libssl.so.16"));
	CHECK(!write_file("usr/local/lib/libssl.so.17", ""));
	CHECK(!symlink("/dev/zero", "etc/ld.so.conf.d/a.conf"));
	CHECK(!mkfifo("etc/ld.so.conf.d/b.conf", 0666));
	CHECK(!write_file("etc/ld.so.conf.d/c.conf", "# no\n /srv/tls # yes\ninclude c.conf\n"));
	conf = fopen("etc/ld.so.conf", "w");
	CHECK(conf);
	fputs("include /etc/ld.so.conf\ninclude /etc/ld.so.conf.d/*.conf\n", conf);
	for (int i = 0; i < 20000; i++)
		fprintf(conf, "/../../srv/%d/../../%s\n", i, i % 2 ? "srv/tls" : "nowhere");
	CHECK(!fclose(conf));
	return enter();
}

static void hostile_root_is_harmless(void **state)
{
	struct found *found = new_found();
	struct target_counts counts;
	unsigned int identified = 0;
	struct target_scope scope = {0};
	struct child child;
	uint32_t mntns;
	int at;

	(void)state;
	need_root();
	child = start_child(hostile_root, NULL);
	assert_int_equal(target_mntns_of(child.pid, &mntns), 0);
	scope.mntns = &mntns;
	scope.n_mntns = 1;
	assert_int_equal(target_scan(&scope, identify_by_text, &identified, keep, found, &counts),
			 0);
	stop_child(&child);
	assert_int_equal(counts.processes, 1);
	assert_int_equal(counts.namespaces, 1);
	at = find_text(found, "inode=1");
	assert_true(at >= 0);
	assert_string_equal(found->file[at].path, "/" LIB "/libssl.so.3");
	assert_false(found->file[at].mapped);
	assert_int_equal(found->file[at].mntns, mntns);
	assert_int_equal(found->file[at].pid, child.pid);
	assert_true(find_text(found, "inode=2") >= 0);
	assert_true(find_text(found, "inode=3") >= 0);
	assert_true(find_text(found, "inode=4") >= 0);
	/* The root's own etc/shadow, not the machine's: the link ends inside. */
	at = find_text(found, "inode=5");
	assert_true(at >= 0);
	assert_string_equal(found->file[at].path, "/etc/shadow");
	assert_int_equal(found->n, 5);
	assert_int_equal(counts.files, 5);
	/* Our program and libraries have no "inode=", and ld.so.conf is too long: counted. */
	assert_true(counts.unreadable >= 2);
	free(found);
}

struct overlay {
	char lower[64], name[16];
	bool copy_up;
};

static int overlay_root(void *ctx)
{
	const struct overlay *overlay = ctx;
	char options[256];

	CHECK(!own_namespace());
	CHECK(!mkdir("upper", 0755) && !mkdir("work", 0755) && !mkdir("merged", 0755));
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=upper,workdir=work",
		 overlay->lower);
	CHECK(!mount(overlay->name, "merged", "overlay", 0, options));
	if (overlay->copy_up)
		CHECK(!write_file("merged/usr/lib/libssl.so.3", "inode=8"));
	CHECK(!chroot("merged"));
	CHECK(!chdir("/"));
	return 0;
}

static int make_lower(const char *folder)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/usr/lib", folder);
	CHECK(!make_folder(path));
	strcat(path, "/libssl.so.3");
	return write_file(path, "inode=7");
}

static void remove_lower(const char *folder)
{
	static const char *const part[] = {"/usr/lib/libssl.so.3", "/usr/lib", "/usr", ""};
	char path[128];

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folder, part[i]);
		assert_int_equal(remove(path), 0);
	}
}

static void overlays_share_one_file(void **state)
{
	struct overlay overlay[3] = {{.name = "one"}, {.name = "two"}, {"", "three", true}};
	char lower[] = "/tmp/tlspcap-target-XXXXXX";
	struct found *found = new_found();
	struct target_counts counts;
	unsigned int identified = 0;
	struct child child[3];
	uint32_t mntns[3];
	const struct target_scope scope = {.mntns = mntns, .n_mntns = 3};

	(void)state;
	need_root();
	assert_non_null(mkdtemp(lower));
	assert_int_equal(make_lower(lower), 0);
	for (int i = 0; i < 3; i++) {
		snprintf(overlay[i].lower, sizeof(overlay[i].lower), "%s", lower);
		child[i] = start_child(overlay_root, &overlay[i]);
		assert_int_equal(target_mntns_of(child[i].pid, &mntns[i]), 0);
	}
	assert_int_equal(target_scan(&scope, identify_by_text, &identified, keep, found, &counts),
			 0);
	for (int i = 0; i < 3; i++)
		stop_child(&child[i]);
	remove_lower(lower);
	assert_int_equal(counts.processes, 3);
	assert_int_equal(counts.namespaces, 3);
	assert_int_equal(found->n, 2);
	assert_true(find_text(found, "inode=7") >= 0);
	assert_true(find_text(found, "inode=8") >= 0);
	free(found);
}

/* Maps a library that has no name any more, and another one in its place. */
static int replaced_library(void *ctx)
{
	void *mapping;
	int fd;

	(void)ctx;
	CHECK(!own_namespace());
	CHECK(!make_folder("srv"));
	CHECK(!write_file("srv/libssl-1a2b\n3c.so.3", "inode=21"));
	fd = open("srv/libssl-1a2b\n3c.so.3", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	mapping = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(mapping != MAP_FAILED);
	close(fd);
	CHECK(!unlink("srv/libssl-1a2b\n3c.so.3"));
	CHECK(!write_file("srv/libssl-1a2b\n3c.so.3", "inode=22"));
	return enter();
}

static void mapped_file_is_the_real_one(void **state)
{
	struct found *found = new_found();
	struct target_counts counts;
	unsigned int identified = 0;
	struct child child;

	(void)state;
	need_root();
	child = start_child(replaced_library, NULL);
	assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &counts), 0);
	stop_child(&child);
	assert_int_equal(found->n, 1);
	assert_string_equal(found->file[0].text, "inode=21");
	assert_true(found->file[0].mapped);
	assert_null(strchr(found->file[0].path, '\n'));
	free(found);
}

/* A library below so many folders that its path is longer than every buffer. */
static int deep_library(void *ctx)
{
	char folder[201];
	void *mapping;
	int fd;

	(void)ctx;
	CHECK(!own_namespace());
	memset(folder, '\n', 200);
	folder[200] = '\0';
	for (int i = 0; i < *(const int *)ctx; i++)
		CHECK(!mkdir(folder, 0755) && !chdir(folder));
	CHECK(!write_file("libssl.so.3", "inode=31"));
	fd = open("libssl.so.3", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	mapping = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(mapping != MAP_FAILED);
	close(fd);
	return 0;
}

static void long_paths(void **state)
{
	static const int depth[] = {4, 15, 100, 500};

	(void)state;
	need_root();
	for (size_t i = 0; i < sizeof(depth) / sizeof(depth[0]); i++) {
		int folders = depth[i];
		struct found *found = new_found();
		struct target_counts counts;
		unsigned int identified = 0;
		struct child child = start_child(deep_library, &folders);
		const char *path;

		assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &counts),
				 0);
		stop_child(&child);
		assert_int_equal(found->n, 1);
		assert_string_equal(found->file[0].text, "inode=31");
		path = found->file[0].path;
		assert_string_equal(path + strlen(path) - 12, "/libssl.so.3");
		if (folders > 4)
			assert_non_null(strstr(path, "/..."));
		free(found);
	}
}

static int chrooted(void *ctx)
{
	CHECK(!chdir(ctx));
	CHECK(!chroot("."));
	return 0;
}

static void chroots_are_looked_into(void **state)
{
	char folder[] = "/tmp/tlspcap-target-XXXXXX";
	struct found *found = new_found();
	struct target_counts counts;
	unsigned int identified = 0;
	struct child child;
	int at;

	(void)state;
	need_root();
	assert_non_null(mkdtemp(folder));
	assert_int_equal(make_lower(folder), 0);
	child = start_child(chrooted, folder);
	assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &counts), 0);
	stop_child(&child);
	remove_lower(folder);
	at = find_text(found, "inode=7");
	assert_true(at >= 0);
	assert_string_equal(found->file[at].path, "/usr/lib/libssl.so.3");
	assert_int_equal(found->n, 1);
	free(found);
}

static int crowd_root(void *ctx)
{
	char path[64];

	(void)ctx;
	CHECK(!own_namespace());
	CHECK(!make_folder("usr/lib"));
	for (int i = 0; i < 1500; i++) {
		snprintf(path, sizeof(path), "usr/lib/libssl.so.%d", i);
		CHECK(!write_file(path, "inode=1"));
	}
	return enter();
}

static void crowds_are_bounded_and_counted(void **state)
{
	struct found *found = new_found();
	struct target_counts counts, before;
	unsigned int identified = 0;
	struct child child;

	(void)state;
	need_root();
	child = start_child(hostile_name, NULL);
	assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &before), 0);
	stop_child(&child);
	found->n = 0;
	identified = 0;
	child = start_child(crowd_root, NULL);
	assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &counts), 0);
	stop_child(&child);
	assert_int_equal(found->n, 1);
	assert_in_range(identified, 1000, 1100);
	assert_true(counts.unreadable >= 1);
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
		cmocka_unit_test(hostile_root_is_harmless),
		cmocka_unit_test(overlays_share_one_file),
		cmocka_unit_test(mapped_file_is_the_real_one),
		cmocka_unit_test(long_paths),
		cmocka_unit_test(chroots_are_looked_into),
		cmocka_unit_test(crowds_are_bounded_and_counted),
		cmocka_unit_test(process_without_first_thread),
		cmocka_unit_test(machine_scan),
		cmocka_unit_test(no_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
