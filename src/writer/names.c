/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The names of namespaces and processes, as long as something refers to them and longer. */
#include <stdio.h>
#include <writer/internal.h>

#define INTERFACES_MAX	    4096
#define PROCESSES_MAX	    65536
#define MNTNS_OF_THE_OTHERS 0 /* what comes after INTERFACES_MAX shares this one */

bool names_init(struct names *names)
{
	list_init(&names->idle_interfaces);
	list_init(&names->idle_processes);
	return table_init(&names->interfaces, INTERFACES_MAX) &&
	       table_init(&names->processes, PROCESSES_MAX);
}

static void free_interface(struct interface *interface)
{
	free(interface->name);
	free(interface->description);
	free(interface->label);
	free(interface->container);
	free(interface);
}

static void free_interface_node(struct table_node *node)
{
	free_interface(container_of(node, struct interface, node));
}

static void free_process_node(struct table_node *node)
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
	free_all(&names->interfaces, free_interface_node);
	free_all(&names->processes, free_process_node);
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

/* The one that nobody has used for longest. False: all are in use. */
static bool forget_interface(struct names *names)
{
	struct interface *oldest;

	if (list_empty(&names->idle_interfaces))
		return false;
	oldest = container_of(names->idle_interfaces.next, struct interface, idle);
	list_remove(&oldest->idle);
	table_remove(&names->interfaces, &oldest->node);
	free_interface(oldest);
	names->n_interfaces--;
	return true;
}

static struct interface *get_interface(struct names *names, uint32_t mntns)
{
	struct interface *interface = find_interface(names, mntns);

	if (interface)
		return interface;
	if (names->n_interfaces >= INTERFACES_MAX && mntns != MNTNS_OF_THE_OTHERS &&
	    !forget_interface(names))
		return get_interface(names, MNTNS_OF_THE_OTHERS);
	interface = calloc(1, sizeof(*interface));
	if (!interface)
		return NULL;
	interface->mntns = mntns;
	interface->name = interface_name(mntns, "");
	if (!interface->name) {
		free(interface);
		return NULL;
	}
	list_add(&names->idle_interfaces, &interface->idle);
	table_add(&names->interfaces, &interface->node, table_hash(&names->interfaces, mntns));
	names->n_interfaces++;
	return interface;
}

struct interface *names_interface(struct names *names, uint32_t mntns)
{
	struct interface *interface = get_interface(names, mntns);

	if (interface && !interface->references++)
		list_remove(&interface->idle);
	return interface;
}

void names_release_interface(struct names *names, struct interface *interface)
{
	if (!interface || --interface->references)
		return;
	if (interface->retired)
		free_interface(interface);
	else
		list_add(&names->idle_interfaces, &interface->idle);
}

/*
 * The number of a mount namespace is used again: what is still written for the one that had
 * it before keeps its name, and the new one gets an interface of its own.
 */
static void retire(struct names *names, const struct tlspcap_namespace *name_space)
{
	struct interface *interface = find_interface(names, name_space->event.mntns);

	if (!interface || !interface->references || !interface->label ||
	    !strcmp(interface->label, name_space->name))
		return;
	table_remove(&names->interfaces, &interface->node);
	names->n_interfaces--;
	interface->retired = true;
}

void names_describe(struct names *names, const struct tlspcap_namespace *name_space)
{
	struct interface *interface;
	char *name, *description, *label, *container;

	retire(names, name_space);
	interface = get_interface(names, name_space->event.mntns);
	if (!interface || interface->mntns != name_space->event.mntns)
		return;
	name = interface_name(interface->mntns, name_space->name);
	description = strdup(name_space->description);
	label = strdup(name_space->name);
	container = strdup(name_space->container);
	if (!name || !description || !label || !container) {
		free(name);
		free(description);
		free(label);
		free(container);
		return;
	}
	free(interface->name);
	free(interface->description);
	free(interface->label);
	free(interface->container);
	interface->name = name;
	interface->description = description;
	interface->label = label;
	interface->container = container;
}

static bool forget_process(struct names *names)
{
	struct process_name *oldest;

	if (list_empty(&names->idle_processes))
		return false;
	oldest = container_of(names->idle_processes.next, struct process_name, idle);
	list_remove(&oldest->idle);
	table_remove(&names->processes, &oldest->node);
	free(oldest);
	names->n_processes--;
	return true;
}

static struct process_name *get_process(struct names *names, uint32_t pid, const char *comm)
{
	struct process_name key = {.pid = pid};
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
	if (names->n_processes >= PROCESSES_MAX && !forget_process(names))
		return NULL;
	process = malloc(sizeof(*process));
	if (!process)
		return NULL;
	*process = key;
	list_add(&names->idle_processes, &process->idle);
	table_add(&names->processes, &process->node, hash);
	names->n_processes++;
	return process;
}

struct process_name *names_process(struct names *names, uint32_t pid, const char *comm)
{
	struct process_name *process = get_process(names, pid, comm);

	if (process && !process->references++)
		list_remove(&process->idle);
	return process;
}

void names_release_process(struct names *names, struct process_name *process)
{
	if (process && !--process->references)
		list_add(&names->idle_processes, &process->idle);
}
