/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Which interface and process blocks there are, and their numbers in the file. */
#include <stdio.h>
#include <writer/internal.h>

#define INTERFACES_MAX	    4096
#define PROCESSES_MAX	    65536
#define MNTNS_OF_THE_OTHERS 0 /* what comes after INTERFACES_MAX shares this one */

bool names_init(struct names *names)
{
	return table_init(&names->interfaces, INTERFACES_MAX) &&
	       table_init(&names->processes, PROCESSES_MAX);
}

static void free_interface(struct table_node *node)
{
	struct interface *interface = container_of(node, struct interface, node);

	free(interface->name);
	free(interface->description);
	free(interface);
}

static void free_process(struct table_node *node)
{
	free(container_of(node, struct process_name, node));
}

static void free_all(struct table *table, void (*free_node)(struct table_node *node))
{
	for (size_t i = 0; table->buckets && i <= table->mask; i++) {
		struct table_node *node = table->buckets[i];
		struct table_node *next;

		for (; node; node = next) {
			next = node->next;
			free_node(node);
		}
	}
	table_free(table);
}

void names_free(struct names *names)
{
	free_all(&names->interfaces, free_interface);
	free_all(&names->processes, free_process);
	free(names->written);
}

static char *interface_name(uint32_t mntns, const char *given)
{
	char *name;
	int length;

	if (mntns == MNTNS_OF_THE_OTHERS)
		return strdup("mntns:other");
	length = asprintf(&name, "mntns:%u%s%s", mntns, *given ? " " : "", given);
	return length < 0 ? NULL : name;
}

static struct interface *find_interface(struct names *names, uint32_t mntns)
{
	uint64_t hash = table_hash(&names->interfaces, mntns);
	struct table_node *node = table_find(&names->interfaces, hash);
	struct interface *interface;

	for (; node; node = table_match(node->next, hash)) {
		interface = container_of(node, struct interface, node);
		if (interface->mntns == mntns)
			return interface;
	}
	return NULL;
}

struct interface *names_interface(struct names *names, uint32_t mntns)
{
	struct interface *interface = find_interface(names, mntns);

	if (interface)
		return interface;
	if (names->n_interfaces >= INTERFACES_MAX && mntns != MNTNS_OF_THE_OTHERS)
		return names_interface(names, MNTNS_OF_THE_OTHERS);
	interface = calloc(1, sizeof(*interface));
	if (!interface)
		return NULL;
	interface->mntns = mntns;
	interface->index = -1;
	interface->name = interface_name(mntns, "");
	if (!interface->name) {
		free(interface);
		return NULL;
	}
	table_add(&names->interfaces, &interface->node, table_hash(&names->interfaces, mntns));
	names->n_interfaces++;
	return interface;
}

void names_describe(struct names *names, const struct tlspcap_namespace *name_space)
{
	struct interface *interface = names_interface(names, name_space->event.mntns);
	char *name, *description;

	if (!interface || interface->index >= 0 || interface->mntns != name_space->event.mntns)
		return;
	name = interface_name(interface->mntns, name_space->name);
	description = strdup(name_space->description);
	if (!name || !description) {
		free(name);
		free(description);
		return;
	}
	free(interface->name);
	free(interface->description);
	interface->name = name;
	interface->description = description;
}

bool names_mark_written(struct names *names, struct interface *interface)
{
	struct interface **written =
		reallocarray(names->written, names->n_written + 1, sizeof(*written));

	if (!written)
		return false;
	names->written = written;
	interface->index = (int64_t)names->n_written;
	written[names->n_written++] = interface;
	return true;
}

struct process_name *names_process(struct names *names, uint32_t pid, const char *comm)
{
	struct process_name key = {.pid = pid, .index = -1};
	struct process_name *process;
	struct table_node *node;
	uint64_t hash;

	memcpy(key.comm, comm, strnlen(comm, sizeof(key.comm)));
	hash = table_hash_bytes(&names->processes, key.comm, sizeof(key.comm)) ^
	       table_hash(&names->processes, pid);
	for (node = table_find(&names->processes, hash); node;
	     node = table_match(node->next, hash)) {
		process = container_of(node, struct process_name, node);
		if (process->pid == pid && memcmp(process->comm, key.comm, sizeof(key.comm)) == 0)
			return process;
	}
	if (names->n_processes >= PROCESSES_MAX)
		return NULL;
	process = malloc(sizeof(*process));
	if (!process)
		return NULL;
	*process = key;
	table_add(&names->processes, &process->node, hash);
	names->n_processes++;
	return process;
}
