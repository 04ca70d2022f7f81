/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * tlspcap: options, then probes and the file (run_open.c), then the events until the end.
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "doctor.h"
#include "extcap.h"
#include "list.h"
#include "report.h"

#define EXIT_WRONG_USAGE 2
#define EXIT_LOSS	 3 /* with --fail-on-loss */
#define TICK_MS		 250
#define CHECK_NS	 (1000ull * 1000 * 1000)

/* Set by signals; the only state outside of struct run. */
static volatile sig_atomic_t stop_signals, term_signals, report_signals;

static void on_signal(int signal)
{
	if (signal == SIGUSR1) {
		report_signals++;
	} else {
		stop_signals++;
		term_signals += signal == SIGTERM;
	}
}

static void on_child(int signal)
{
	(void)signal; /* ends the wait; command_ended() looks */
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = on_child;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL); /* a reader that left is a write error */
}

static bool is_over(struct run *run)
{
	/* With a command, its end is the end: Ctrl-C reached it as well. A second one insists. */
	if (stop_signals && (!run->command.pid || stop_signals > 1))
		return true;
	if (term_signals && run->command.pid && !run->command.ended) {
		kill(run->command.pid, SIGTERM);
		term_signals = 0;
	}
	if (run->command.pid && command_ended(&run->command))
		return true;
	if (run->end_ns && run_clock_ns(CLOCK_MONOTONIC) >= run->end_ns)
		return true;
	return writer_done(run->writer) || run->record_error;
}

static int wait_ms(const struct run *run)
{
	uint64_t now, left;

	if (!run->end_ns)
		return TICK_MS;
	now = run_clock_ns(CLOCK_MONOTONIC);
	left = now < run->end_ns ? (run->end_ns - now) / 1000000 + 1 : 0;
	return left < TICK_MS ? (int)left : TICK_MS;
}

static void flush(struct run *run)
{
	writer_flush(run->writer);
	if (run->recorder && !run->record_error)
		run->record_error = record_flush(run->recorder);
}

static struct discover_counts discovered(const struct run *run)
{
	return run->discover ? discover_counts(run->discover) : (struct discover_counts){0};
}

static void report(struct run *run)
{
	struct discover_counts counts = discovered(run);

	if (run->discover)
		report_discovery(&counts, run->options.quiet);
	report_totals(run->options.path, writer_counts(run->writer),
		      conversations_counts(run->conversations), run->options.quiet);
}

static void check_older(struct run *run)
{
	uint64_t now = run_clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < run->n_bypassing; i++)
		older_add(run->older, run->bypassing[i]);
	run->n_bypassing = 0;
	if (now < run->next_check_ns)
		return;
	run->next_check_ns = now + CHECK_NS;
	older_check(run->older);
}

static int capture_until_end(struct run *run)
{
	bool prompt = run->options.unbuffered || writer_is_pipe(run->writer);

	while (!is_over(run)) {
		int n = capture_poll(run->capture, wait_ms(run), run_on_event, run);

		if (n < 0 && n != -EINTR) {
			fprintf(stderr, "tlspcap: reading events failed: %s\n", strerror(-n));
			return n;
		}
		if (run_clock_ns(CLOCK_MONOTONIC) >= run->next_tick_ns) {
			run_tick(run);
			flush(run);
		} else if (n > 0 && prompt) {
			flush(run);
		}
		check_older(run);
		run_check_namespaces(run);
		after_poll(run->after);
		if (report_signals) {
			report_signals = 0;
			run_take_losses(run);
			report(run);
		}
	}
	return 0;
}

/* What the ring still holds belongs to the capture: probes off first, then the rest. */
static void drain(struct run *run)
{
	discover_stop(run->discover);
	capture_stop(run->capture);
	while (capture_poll(run->capture, 0, run_on_event, run) > 0)
		;
	run_take_losses(run);
	run_tick(run);
	conversations_finish(run->conversations);
}

static int close_writer(struct run *run)
{
	char *why = NULL;
	int error = writer_close(run->writer, &why);

	/* Wireshark ends a capture by leaving. */
	if (run->for_wireshark && error == -EPIPE)
		error = 0;
	if (error)
		fprintf(stderr, "tlspcap: %s\n", why ? why : "no memory");
	free(why);
	return error;
}

static int close_all(struct run *run)
{
	int error = 0, closed;
	bool started = run->writer != NULL;

	if (started)
		error = close_writer(run);
	if (run->recorder) {
		closed = record_close(run->recorder);
		if (!run->record_error)
			run->record_error = closed;
		if (run->record_error) {
			fprintf(stderr, "tlspcap: %s: %s\n", run->options.record,
				strerror(-run->record_error));
			error = run->record_error;
		}
	}
	if (!after_close(run->after, &stop_signals) && !error)
		error = -EIO;
	conversations_free(run->conversations);
	discover_free(run->discover);
	hold_free(run->hold);
	older_free(run->older);
	libraries_free(&run->libraries);
	capture_close(run->capture);
	free(run->namespaces);
	free(run->namespace_ids);
	free(run->is_living);
	namespaces_free(run->met);
	free(run->wanted);
	free(run->cgroups);
	command_release(&run->command);
	options_free(&run->options);
	output_guard_end(run->guard);
	return error;
}

/* --list: what would be captured. */
static int show_list(struct run *run)
{
	int error = run_open_capture(run);

	if (!error)
		error = run_open_probes(run);
	if (!error)
		error = list_print(&run->options, run->capture, &run->scope, &run->libraries,
				   run->met);
	close_all(run);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int show_doctor(struct run *run)
{
	bool can = doctor_report(&run->options);

	options_free(&run->options);
	return can ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct run run = {.command = {.go = -1}};
	enum options_result parsed;
	char **arguments = NULL;
	struct discover_counts discovery;
	bool lost = false;
	int error, closed, status;

	libraries_init(&run.libraries);
	if (extcap_is_asked(argc, argv)) {
		switch (extcap_answer(argc, argv, &argc, &arguments)) {
		case EXTCAP_SHOWN:
			free(arguments);
			return EXIT_SUCCESS;
		case EXTCAP_WRONG:
			free(arguments);
			return EXIT_WRONG_USAGE;
		case EXTCAP_CAPTURE:
			break;
		}
		run.for_wireshark = true;
		argv = arguments;
	}
	parsed = options_parse(argc, argv, &run.options);
	if (parsed != OPTIONS_RUN) {
		options_free(&run.options);
		return parsed == OPTIONS_SHOWN	  ? EXIT_SUCCESS
		       : parsed == OPTIONS_FAILED ? EXIT_FAILURE
						  : EXIT_WRONG_USAGE;
	}
	if (run.options.doctor)
		return show_doctor(&run);
	if (run.options.list)
		return show_list(&run);
	/* Before anything that it must not hold; a pipe has no half blocks to cut. */
	if (strcmp(run.options.path, "-") != 0)
		run.guard = output_guard_start();
	run.insist = &stop_signals;
	catch_signals();
	run_describe_machine(&run);
	error = run_open(&run);
	if (!error) {
		error = capture_until_end(&run);
		drain(&run);
		report(&run);
		discovery = discovered(&run);
		lost = !report_nothing_lost(conversations_counts(run.conversations), &discovery);
	}
	status = run.command.status;
	if (!status && lost && run.options.fail_on_loss)
		status = EXIT_LOSS;
	closed = close_all(&run);
	free(arguments);
	if (error || closed)
		return EXIT_FAILURE;
	return status;
}
