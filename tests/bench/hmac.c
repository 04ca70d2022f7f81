/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * bench-hmac [mbedtls|nss]: HMACs of 64 bytes with SHA-256, one after the other, outside of any
 * TLS: what the probes cost there that see secrets in mbedTLS's and NSS's HMAC. Compare with and
 * without a capture of it (docs/performance.md). CPU time, which a busy machine disturbs least.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define HMACS 200000

static unsigned char text[64], digest[64];

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void *find(void *library, const char *name)
{
	void *function = library ? dlsym(library, name) : NULL;

	if (!function) {
		printf("SKIP: no %s: %s\n", name, dlerror());
		exit(77);
	}
	return function;
}

static void report(const char *library, double seconds)
{
	printf("%-8s %7.0f ns of CPU time for each HMAC, %8.0f HMACs/s\n", library,
	       seconds / HMACS * 1e9, HMACS / seconds);
}

static void run_mbedtls(void)
{
	static _Alignas(16) char context[256]; /* the caller's memory, larger than it needs */
	void *library = dlopen("libmbedcrypto.so.7", RTLD_NOW);
	void (*init)(void *) = find(library, "mbedtls_md_init");
	const void *(*kind)(int) = find(library, "mbedtls_md_info_from_type");
	int (*setup)(void *, const void *, int) = find(library, "mbedtls_md_setup");
	int (*starts)(void *, const unsigned char *, size_t) =
		find(library, "mbedtls_md_hmac_starts");
	int (*update)(void *, const unsigned char *, size_t) =
		find(library, "mbedtls_md_hmac_update");
	int (*finish)(void *, unsigned char *) = find(library, "mbedtls_md_hmac_finish");
	double start;

	init(context);
	if (setup(context, kind(6), 1)) /* MBEDTLS_MD_SHA256 */
		exit(1);
	start = cpu_seconds();
	for (int i = 0; i < HMACS; i++) {
		starts(context, text, 32);
		update(context, text, sizeof(text));
		finish(context, digest);
	}
	report("mbedTLS", cpu_seconds() - start);
}

struct item { /* SECItem */
	int type;
	unsigned char *data;
	unsigned length;
};

static void run_nss(void)
{
	void *library = dlopen("libnss3.so", RTLD_NOW);
	int (*init)(const char *) = find(library, "NSS_NoDB_Init");
	void *(*get_slot)(void) = find(library, "PK11_GetInternalSlot");
	void *(*import)(void *, unsigned long, int, unsigned long, struct item *, void *) =
		find(library, "PK11_ImportSymKey");
	void *(*new_context)(unsigned long, unsigned long, void *, struct item *) =
		find(library, "PK11_CreateContextBySymKey");
	int (*begin)(void *) = find(library, "PK11_DigestBegin");
	int (*update)(void *, const unsigned char *, unsigned) = find(library, "PK11_DigestOp");
	int (*finish)(void *, unsigned char *, unsigned *, unsigned) =
		find(library, "PK11_DigestFinal");
	const unsigned long hmac = 0x251, sign = 0x108; /* CKM_SHA256_HMAC, CKA_SIGN */
	struct item key = {0, text, 32}, none = {0, NULL, 0};
	void *context;
	unsigned length;
	double start;

	if (init(NULL))
		exit(1);
	context = new_context(hmac, sign, import(get_slot(), hmac, 4, sign, &key, NULL), &none);
	if (!context)
		exit(1);
	start = cpu_seconds();
	for (int i = 0; i < HMACS; i++) {
		begin(context);
		update(context, text, sizeof(text));
		finish(context, digest, &length, sizeof(digest));
	}
	report("NSS", cpu_seconds() - start);
}

int main(int argc, char **argv)
{
	const char *one = argc > 1 ? argv[1] : "";

	if (strcmp(one, "nss") != 0)
		run_mbedtls();
	if (strcmp(one, "mbedtls") != 0)
		run_nss();
	return 0;
}
