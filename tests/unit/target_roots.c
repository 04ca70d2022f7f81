/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The target stage against roots that a hostile container could have, and files that are
 * not what their names say. All of it needs root to make mount namespaces.
 */
#include "target.h"

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

static int empty_root(void *ctx)
{
	(void)ctx;
	CHECK(!own_namespace());
	return enter();
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
	child = start_child(empty_root, NULL);
	assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &before), 0);
	stop_child(&child);
	found->n = 0;
	identified = 0;
	child = start_child(crowd_root, NULL);
	assert_int_equal(scan_pid(child.pid, identify_by_text, &identified, found, &counts), 0);
	stop_child(&child);
	assert_int_equal(found->n, 1);
	assert_in_range(identified, 1000, 1100);
	/* The program and each of the files is the same; what is more is the bound's. */
	assert_int_equal(counts.unreadable, before.unreadable + 1);
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_root_is_harmless),
		cmocka_unit_test(overlays_share_one_file),
		cmocka_unit_test(mapped_file_is_the_real_one),
		cmocka_unit_test(long_paths),
		cmocka_unit_test(chroots_are_looked_into),
		cmocka_unit_test(crowds_are_bounded_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
