/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Where captures are written to and where not, and what a full disk leaves. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <tlspcap/output.h>
#include <tlspcap/pcapng.h>

static char directory[] = "/tmp/tlspcap-output-XXXXXX";

/* A path in the test's own folder; four at once. */
static const char *in_directory(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static off_t size_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

static void assert_private(const char *path, off_t size)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_uid, geteuid());
	assert_int_equal(status.st_size, size);
}

static void assert_refused(const char *path, int error, const char *part)
{
	struct output *output = (void *)1;
	char *why = NULL;

	assert_int_equal(output_open(path, NULL, &output, &why), error);
	assert_null(output);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	assert_non_null(strstr(why, ";")); /* what to do */
	free(why);
}

static struct output *opened(const char *path)
{
	struct output *output = NULL;
	char *why = NULL;
	int error = output_open(path, NULL, &output, &why);

	if (error)
		fail_msg("%s: %d %s", path, error, why ? why : "");
	assert_null(why);
	return output;
}

/* A block of `size` bytes that says `fill`. False: refused. */
static bool put(struct output *output, size_t size, int fill)
{
	uint8_t *out = output_reserve(output, size + 10);

	if (!out)
		return false;
	memset(out, fill, size);
	output_commit(output, size);
	return true;
}

static void test_new_file(void **state)
{
	const char *path = in_directory("new");
	mode_t mask = umask(0777); /* neither wider nor narrower than it must be */
	struct output *output = opened(path);

	(void)state;
	umask(mask);
	assert_false(output_is_pipe(output));
	assert_true(put(output, 100, 'a'));
	assert_int_equal(output_bytes(output), 100);
	assert_int_equal(size_of(path), 0);
	assert_int_equal(output_flush(output), 0);
	assert_int_equal(size_of(path), 100);
	assert_true(put(output, 28, 'b'));
	assert_int_equal(output_close(output), 0);
	assert_private(path, 128);
}

static void test_own_file_becomes_private_and_empty(void **state)
{
	const char *path = in_directory("own");

	(void)state;
	write_file(path, "old contents", 0644);
	assert_int_equal(output_close(opened(path)), 0);
	assert_private(path, 0);
}

static void test_symbolic_links(void **state)
{
	const char *target = in_directory("target"), *link = in_directory("link");
	const char *dangling = in_directory("dangling"), *nothing = in_directory("nothing");

	(void)state;
	write_file(target, "precious", 0644);
	assert_int_equal(symlink(target, link), 0);
	assert_refused(link, -ELOOP, "symbolic link");
	assert_int_equal(size_of(target), 8);
	assert_int_equal(symlink(nothing, dangling), 0);
	assert_refused(dangling, -ELOOP, "symbolic link");
	assert_int_equal(access(nothing, F_OK), -1);
}

static void test_hard_link(void **state)
{
	const char *path = in_directory("one"), *other = in_directory("two");

	(void)state;
	write_file(path, "precious", 0600);
	assert_int_equal(link(path, other), 0);
	assert_refused(path, -EMLINK, "more than one name");
	assert_int_equal(size_of(path), 8);
}

static void test_other_owner(void **state)
{
	const char *path = in_directory("theirs");

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can give a file away\n");
		skip();
	}
	write_file(path, "precious", 0666);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_refused(path, -EPERM, "another user");
	assert_int_equal(size_of(path), 8);
	unlink(path);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_refused(path, -EPERM, "another user");
}

static void test_what_is_no_file(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = in_directory("folder");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(path, -EISDIR, "folder");
	assert_refused(in_directory("missing/file"), -ENOENT, "create its folder");
	path = in_directory("plain");
	write_file(path, "", 0600);
	assert_refused(in_directory("plain/file"), -ENOTDIR, "not a folder");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_refused(address.sun_path, -ENXIO, "socket");
	close(fd);
	if (geteuid() == 0) {
		path = in_directory("block");
		/* Never opened; a number that no driver has would do as well. */
		if (mknod(path, S_IFBLK | 0600, makedev(240, 0)) == 0)
			assert_refused(path, -EINVAL, "block device");
	}
}

static void test_null_device(void **state)
{
	struct output *output = opened("/dev/null");
	struct stat status;

	(void)state;
	assert_true(put(output, 100, 'a'));
	assert_int_equal(output_close(output), 0);
	assert_int_equal(stat("/dev/null", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666);
}

static void test_full_device(void **state)
{
	struct output *output = opened("/dev/full");

	(void)state;
	assert_true(put(output, 100, 'a'));
	assert_int_equal(output_flush(output), -ENOSPC);
	assert_int_equal(output_error(output), -ENOSPC);
	assert_false(put(output, 1, 'a'));
	assert_int_equal(output_close(output), -ENOSPC);
}

/* --- pipes --- */

/* Reads `path` or `fd` to its end in a child; exits 0 when it got `expected` bytes. */
static pid_t start_reader(const char *path, int fd, size_t expected)
{
	pid_t pid = fork();

	if (pid == 0) {
		char buffer[4096];
		size_t total = 0;
		ssize_t n;

		if (path)
			fd = open(path, O_RDONLY);
		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			total += (size_t)n;
		_exit(total == expected ? 0 : 1);
	}
	assert_true(pid > 0);
	return pid;
}

static void assert_reader_content(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_fifo(void **state)
{
	const char *path = in_directory("fifo");
	struct output *output;
	struct stat status;
	pid_t reader;

	(void)state;
	assert_int_equal(mkfifo(path, 0640), 0);
	reader = start_reader(path, -1, 3000000);
	output = opened(path);
	assert_true(output_is_pipe(output));
	for (int i = 0; i < 3000; i++)
		assert_true(put(output, 1000, 'x'));
	assert_int_equal(output_close(output), 0);
	assert_reader_content(reader);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640); /* the owner's choice */
}

/* Runs `fn` with `fd` as standard output; its result is the child's exit status. */
static int with_stdout(int fd, int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		if (dup2(fd, STDOUT_FILENO) < 0)
			_exit(99);
		close(fd);
		_exit(fn());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int write_two_megabytes(void)
{
	struct output *output;
	char *why;

	if (output_open("-", NULL, &output, &why))
		return 98;
	for (int i = 0; i < 2000; i++) {
		if (!put(output, 1000, 'x'))
			break;
	}
	return -output_close(output);
}

static int open_fails(void)
{
	struct output *output;
	char *why = NULL;
	int error = output_open("-", NULL, &output, &why);

	return error && why && strstr(why, "-w FILE") ? -error : 98;
}

static void test_standard_output(void **state)
{
	int pipe_fds[2], file;
	const char *path = in_directory("redirected");
	pid_t reader;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	reader = fork();
	if (reader == 0) {
		/* Without the writing end, or it would wait for itself. */
		close(pipe_fds[1]);
		reader = start_reader(NULL, pipe_fds[0], 2000000);
		waitpid(reader, &file, 0);
		_exit(WEXITSTATUS(file));
	}
	/* Somebody made the pipe non-blocking: nothing is lost nevertheless. */
	assert_int_equal(fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK), 0);
	close(pipe_fds[0]);
	assert_int_equal(with_stdout(pipe_fds[1], write_two_megabytes), 0);
	close(pipe_fds[1]);
	assert_reader_content(reader);

	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(file, "before", 6), 6);
	assert_int_equal(with_stdout(file, write_two_megabytes), 0);
	close(file);
	assert_int_equal(size_of(path), 2000006);
}

static void test_reader_gone(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	assert_int_equal(with_stdout(fds[1], write_two_megabytes), EPIPE);
	close(fds[1]);
}

static void test_terminal(void **state)
{
	int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	(void)state;
	if (master < 0 || grantpt(master) || unlockpt(master)) {
		print_message("no pseudo terminal here\n");
		skip();
	}
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(with_stdout(slave, open_fails), ENOTTY);
	close(slave);
	close(master);
	assert_int_equal(with_stdout(read_only, open_fails), EBADF);
	close(read_only);
}

/* --- blocks --- */

static void test_blocks_larger_than_the_buffer(void **state)
{
	const char *path = in_directory("large");
	struct output *output = opened(path);
	uint8_t *out;

	(void)state;
	assert_true(put(output, 10, 'a'));
	out = output_reserve(output, PCAPNG_BLOCK_MAX);
	assert_non_null(out);
	memset(out, 'b', PCAPNG_BLOCK_MAX);
	output_commit(output, PCAPNG_BLOCK_MAX);
	assert_null(output_reserve(output, PCAPNG_BLOCK_MAX + 1));
	assert_int_equal(output_error(output), 0);
	assert_true(put(output, 10, 'c'));
	/* Reserved and not committed: as if it had never been. */
	assert_non_null(output_reserve(output, 100));
	output_commit(output, 0);
	assert_non_null(output_reserve(output, 100));
	assert_int_equal(output_bytes(output), PCAPNG_BLOCK_MAX + 20);
	assert_int_equal(output_close(output), 0);
	assert_private(path, PCAPNG_BLOCK_MAX + 20);
}

static void test_many_small_blocks(void **state)
{
	const char *path = in_directory("small");
	struct output *output = opened(path);

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_true(put(output, 4, 'a'));
	assert_int_equal(output_close(output), 0);
	assert_private(path, 400000);
}

/* Blocks of an odd size until the disk is full: the file ends at a block's end, and every
 * block in it is whole. */
static int fill_disk(const char *path)
{
	const size_t size = 1004;
	struct output *output;
	struct stat status;
	char *why;
	int error;

	if (output_open(path, NULL, &output, &why))
		return 2;
	for (int i = 0; i < 10000; i++) {
		if (!put(output, size, 'a'))
			break;
	}
	error = output_close(output);
	if (error != -ENOSPC && error != -EFBIG)
		return 3;
	if (stat(path, &status) || status.st_size == 0)
		return 4;
	return status.st_size % (off_t)size ? 5 : 0;
}

static int fill_tmpfs(void)
{
	char path[300];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 77;
	snprintf(path, sizeof(path), "%s/disk", directory);
	if (mkdir(path, 0700) || mount("tmpfs", path, "tmpfs", 0, "size=1M"))
		return 77;
	strcat(path, "/out");
	return fill_disk(path);
}

static int fill_quota(void)
{
	struct rlimit limit = {1500000, 1500000};
	char path[300];

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 77;
	snprintf(path, sizeof(path), "%s/limited", directory);
	return fill_disk(path);
}

static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_disk_full(void **state)
{
	int result = geteuid() == 0 ? in_child(fill_tmpfs) : 77;

	(void)state;
	if (result == 77) {
		print_message("cannot mount a small file system (not root?)\n");
		skip();
	}
	assert_int_equal(result, 0);
}

static void test_file_size_limit(void **state)
{
	int result = in_child(fill_quota);

	(void)state;
	if (result == 77)
		skip();
	assert_int_equal(result, 0);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_file),
		cmocka_unit_test(test_own_file_becomes_private_and_empty),
		cmocka_unit_test(test_symbolic_links),
		cmocka_unit_test(test_hard_link),
		cmocka_unit_test(test_other_owner),
		cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_null_device),
		cmocka_unit_test(test_full_device),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_standard_output),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_blocks_larger_than_the_buffer),
		cmocka_unit_test(test_many_small_blocks),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_file_size_limit),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
