/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The files are the runtimes', but names, images and labels in them are anybody's who may
 * start a container: everything is optional, cut to size, and made printable.
 */
#include "runtime.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* printable ASCII, and NUL-terminated. */
static void put(char *to, size_t size, const char *text)
{
	size_t i = 0;

	for (; text[i] && i + 1 < size; i++)
		to[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	to[i] = '\0';
}

/* A member that is a string. NULL: there is none. */
static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void take(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = text_of(object, key);

	if (text && *text)
		put(to, size, text);
}

/* Where a field stands in annotations or labels: the first key that is there. */
struct label {
	const char *key;
	size_t offset, size;
};

#define LABEL(key, field)                                                                          \
	{                                                                                          \
		key, offsetof(struct target_container, field),                                     \
			sizeof(((struct target_container *)NULL)->field)                           \
	}

static const struct label labels[] = {
	/* the kubelet's, by dockershim and CRI-O */
	LABEL("io.kubernetes.container.name", name),
	LABEL("io.kubernetes.pod.name", pod),
	LABEL("io.kubernetes.pod.namespace", pod_namespace),
	LABEL("io.kubernetes.pod.uid", pod_uid),
	/* containerd's */
	LABEL("io.kubernetes.cri.container-name", name),
	LABEL("io.kubernetes.cri.image-name", image),
	LABEL("io.kubernetes.cri.sandbox-name", pod),
	LABEL("io.kubernetes.cri.sandbox-namespace", pod_namespace),
	LABEL("io.kubernetes.cri.sandbox-uid", pod_uid),
	/* CRI-O's */
	LABEL("io.kubernetes.cri-o.ImageName", image),
	LABEL("io.kubernetes.cri-o.Name", name),
	/* nerdctl's */
	LABEL("nerdctl/name", name),
};

static void take_labels(struct target_container *container, const json_t *object)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		char *field = (char *)container + labels[i].offset;

		if (!field[0])
			take(field, labels[i].size, object, labels[i].key);
	}
}

static int parse_docker(const json_t *root, const char *id, struct target_container *container,
			struct runtime_process *process)
{
	const json_t *config = json_object_get(root, "Config"), *state;
	const char *name = text_of(root, "Name"), *own = text_of(root, "ID");

	if (!own)
		return -EBADMSG;
	if (strcmp(own, id))
		return -ENOENT;
	take_labels(container, json_object_get(config, "Labels"));
	if (name && !container->name[0])
		put(container->name, sizeof(container->name), name + (name[0] == '/'));
	take(container->image, sizeof(container->image), config, "Image");
	state = json_object_get(root, "State");
	process->pid = (pid_t)json_integer_value(json_object_get(state, "Pid"));
	return 0;
}

static int parse_oci(const json_t *root, const char *id, struct target_container *container,
		     struct runtime_process *process)
{
	(void)id;
	(void)process;
	if (!json_is_object(json_object_get(root, "ociVersion")) && !text_of(root, "ociVersion"))
		return -EBADMSG;
	take_labels(container, json_object_get(root, "annotations"));
	return 0;
}

/* metadata is JSON in a string. */
static void take_metadata(struct target_container *container, const char *text)
{
	json_t *metadata = json_loads(text, 0, NULL);

	take(container->image, sizeof(container->image), metadata, "image-name");
	take(container->pod, sizeof(container->pod), metadata, "pod-name");
	json_decref(metadata);
}

static int parse_storage(const json_t *root, const char *id, struct target_container *container,
			 struct runtime_process *process)
{
	const json_t *entry, *names;
	size_t i;

	(void)process;
	if (!json_is_array(root))
		return -EBADMSG;
	json_array_foreach(root, i, entry)
	{
		const char *own = text_of(entry, "id"), *name, *metadata;

		if (!own || strcmp(own, id))
			continue;
		names = json_object_get(entry, "names");
		name = json_string_value(json_array_get(names, 0));
		if (name && !container->name[0])
			put(container->name, sizeof(container->name), name);
		metadata = text_of(entry, "metadata");
		if (metadata)
			take_metadata(container, metadata);
		return 0;
	}
	return -ENOENT;
}

static void take_process(struct runtime_process *process, const json_t *root, const char *pid,
			 const char *start)
{
	process->pid = (pid_t)json_integer_value(json_object_get(root, pid));
	process->start = (uint64_t)json_integer_value(json_object_get(root, start));
}

static int parse_runc(const json_t *root, const char *id, struct target_container *container,
		      struct runtime_process *process)
{
	const char *own = text_of(root, "id");

	(void)container;
	if (!own)
		return -EBADMSG;
	if (strcmp(own, id))
		return -ENOENT;
	take_process(process, root, "init_process_pid", "init_process_start");
	return 0;
}

static int parse_crun(const json_t *root, const char *id, struct target_container *container,
		      struct runtime_process *process)
{
	(void)id; /* it is the folder's name only */
	(void)container;
	if (!json_is_integer(json_object_get(root, "pid")))
		return -EBADMSG;
	take_process(process, root, "pid", "process-start-time");
	return 0;
}

int runtime_parse(enum runtime_kind kind, const char *text, size_t size, const char *id,
		  struct target_container *container, struct runtime_process *process)
{
	static int (*const parse[])(const json_t *root, const char *id,
				    struct target_container *container,
				    struct runtime_process *process) = {
		[RUNTIME_DOCKER] = parse_docker,   [RUNTIME_OCI] = parse_oci,
		[RUNTIME_STORAGE] = parse_storage, [RUNTIME_RUNC] = parse_runc,
		[RUNTIME_CRUN] = parse_crun,
	};
	struct runtime_process nobody;
	json_t *root;
	int error;

	if (!process)
		process = &nobody;
	*process = (struct runtime_process){0};
	root = json_loadb(text, size, 0, NULL);
	if (!root)
		return -EBADMSG;
	error = parse[kind](root, id, container, process);
	if (process->pid < 0)
		process->pid = 0;
	json_decref(root);
	return error;
}
