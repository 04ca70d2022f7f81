#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# samples/ci: the YAML is YAML, its scripts are scripts, and its capture step does what it says.
. "$(dirname "$0")/lib.sh"
need nginx
samples=$E2E/../../samples/ci

# The commands in the files, as a runner would take them.
"$PYTHON" - "$samples" >"$W/scripts" <<'PY' || die 'the YAML cannot be read'
import sys
import yaml

github = yaml.safe_load(open(sys.argv[1] + "/github-actions.yml"))
for job in github["jobs"].values():
    for step in job["steps"]:
        assert "uses" in step or "run" in step, step
        if "run" in step:
            print(step["run"])
gitlab = yaml.safe_load(open(sys.argv[1] + "/gitlab-ci.yml"))
for job in gitlab.values():
    for line in job["before_script"] + job["script"]:
        print(line)
PY
check 'the scripts are sound' bash -n "$W/scripts"
# The names in them exist here.
while IFS= read -r path; do
	check "$path exists" test -x "$E2E/../../${path#tlspcap/}"
done < <(grep -oE 'tlspcap/(tools|samples)/[a-z/-]+' "$W/scripts" | sort -u)
same 'both run the same step' 2 "$(grep -c '^tlspcap/samples/ci/capture capture make test$' "$W/scripts")"

# --- the step itself -------------------------------------------------------------------------
start_nginx nginx 443
make_body "$W/served/file" 20000
mkdir "$W/job"
printf 'test:\n\tcurl -sSk -o got https://127.0.0.1/file\n\tfalse\n' >"$W/job/Makefile"
(cd "$W/job" && TLSPCAP=$TLSPCAP "$samples/capture" capture make test >"$W/said" 2>&1)
same "the tests' own exit status" 2 $?
ls "$W/job/capture" >"$W/files"
same 'what is uploaded' $'summary.txt\ntls.pcapng\ntlspcap.log' "$(cat "$W/files")"
shows_bodies 'the download' "$W/job/capture/tls.pcapng" "$(hashes "$W/served/file")"
check 'the summary names the request' grep -q $'\tGET\t/file' "$W/job/capture/summary.txt"
rm -r "$W/job/capture"
printf 'test:\n\tcurl -sSk -o got https://127.0.0.1/file\n' >"$W/job/Makefile"
(cd "$W/job" && TLSPCAP=$TLSPCAP "$samples/capture" capture make test >"$W/said" 2>&1)
same 'success is success' 0 $?
"$samples/capture" only-a-folder 2>/dev/null
same 'wrong usage' 2 $?
finish
