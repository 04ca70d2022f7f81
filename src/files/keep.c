/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which files go when there are too many. The disk is shared so that who writes much loses
 * its own: what is deleted is the oldest file of the set that has most, never one of a set
 * that has less than its share.
 */
#include <stdlib.h>
#include <unistd.h>
#include <files/internal.h>

void keep_forget(struct files_set *set)
{
	struct kept *kept = set->oldest;

	set->oldest = kept->next;
	if (!set->oldest)
		set->newest = &set->oldest;
	set->files->n_active -= !--set->n_kept;
	set->bytes -= kept->bytes;
	set->files->bytes -= kept->bytes;
	free(kept);
}

void keep_drop_ended(struct files *files)
{
	struct files_set **at = &files->all;

	while (*at) {
		struct files_set *set = *at;

		if (!set->ended || set->oldest) {
			at = &set->next;
			continue;
		}
		*at = set->next;
		free(set);
	}
}

/* Only what was made here: somebody may have moved it away and put another file there. */
static void delete_oldest(struct files_set *set)
{
	struct files *files = set->files;
	struct kept *kept = set->oldest;

	if (files->options.privilege)
		files->options.privilege(true);
	if (output_is_there(files->folder, kept->name, &kept->identity) &&
	    !unlinkat(files->folder, kept->name, 0))
		files->counts.deleted++;
	if (files->options.privilege)
		files->options.privilege(false);
	keep_forget(set);
}

static bool may_delete(const struct files_set *set)
{
	return set->oldest && !set->oldest->file.output;
}

static struct files_set *largest(struct files *files)
{
	struct files_set *most = NULL;

	for (struct files_set *set = files->all; set; set = set->next)
		if (may_delete(set) && (!most || set->bytes > most->bytes))
			most = set;
	return most;
}

void keep_within(struct files_set *set)
{
	struct files *files = set->files;
	/* A quarter is for the files that are open: files_limit(). */
	uint64_t closed_max = files->rules.max_disk - files->rules.max_disk / 4;
	struct files_set *most;

	while (files->rules.keep && set->n_kept > files->rules.keep && may_delete(set))
		delete_oldest(set);
	while (files->rules.max_disk && files->bytes > closed_max) {
		most = largest(files);
		if (!most)
			break;
		delete_oldest(most);
	}
	keep_drop_ended(files);
}
