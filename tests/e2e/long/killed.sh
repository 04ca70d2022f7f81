#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# As tests/e2e/killed.sh, many more times: 260 kills, 60 of them of tlspcap itself.
export E2E_KILLS=${E2E_KILLS:-200} E2E_REAL_KILLS=${E2E_REAL_KILLS:-60}
exec bash "$(dirname "$0")/../killed.sh"
