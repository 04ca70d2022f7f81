/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "scope.h"

bool scope_has(const struct target_scope *scope, pid_t pid)
{
	bool pid_fits = !scope->n_pid, mntns_fits = !scope->n_mntns;
	uint32_t mntns;

	for (size_t i = 0; i < scope->n_pid && !pid_fits; i++)
		pid_fits = scope->pid[i] == pid;
	if (!pid_fits || mntns_fits)
		return pid_fits;
	if (target_mntns_of(pid, &mntns))
		return false;
	for (size_t i = 0; i < scope->n_mntns && !mntns_fits; i++)
		mntns_fits = scope->mntns[i] == mntns;
	return mntns_fits;
}
