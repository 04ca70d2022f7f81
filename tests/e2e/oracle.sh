# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Sourced by lib.sh: what stock tools say about a file. Default settings of every tshark.

# The tsharks that are there; $tshark_missing says which are not, and why.
tsharks=(host)
tshark_missing=
for suite in trixie sid; do
	if root_ready "$suite"; then
		tsharks+=("$suite")
	else
		tshark_missing+="tshark of $suite: $(root_reason "$suite"). "
	fi
done
unset suite
[[ ${E2E_TSHARKS:-} ]] && read -ra tsharks <<<"$E2E_TSHARKS" && tshark_missing=

tshark_of() # SUITE ARGUMENT...
{
	"$ENVIRONMENT/tshark" "$@" 2>>"$W/tshark.err"
}

# What stands in a capture, one value for each frame that has it: FILE FIELD [FILTER]
fields()
{
	tshark_of host -r "$1" ${3:+-Y "$3"} -T fields -e "$2" | grep -v '^$'
}

count_frames() # FILE [FILTER]
{
	tshark_of host -r "$1" ${2:+-Y "$2"} -T fields -e frame.number | wc -l
}

# export_objects SUITE FILE FOLDER: the bodies of HTTP/1 and HTTP/2 messages; and what that
# tshark complains about, in FOLDER.expert. One pass.
export_objects()
{
	mkdir -p "$3"
	tshark_of "$1" -r "$2" --export-objects "http,$3" -T fields -E separator=/t \
		-e frame.number -e tcp.analysis.flags -e _ws.malformed -e _ws.expert.severity \
		-e _ws.expert.message >"$3.expert" || return
	# On a port of HTTP/1's, its dissector takes HTTP/2's first frames for an object.
	find "$3" -type f -size -2 -exec grep -laxF $'PRI * HTTP/2.0\r' {} + | xargs -r rm --
	# 4.0 does not export what HTTP/2 carried, but it shows it: bodies of several DATA
	# frames put together, and those of one.
	[[ $1 == host ]] || return 0
	: "${host_tshark:=$(tshark_of host --version)}"
	[[ $host_tshark == *'(Wireshark) 4.0.'* ]] || return 0
	http2_bodies "$1" "$2" "$3" many http2.body.reassembled.data http2.body.reassembled.data
	http2_bodies "$1" "$2" "$3" one http2.data.data \
		'http2.type == 0 && http2.flags.end_stream == 1 && !http2.body.reassembled.data'
}

http2_bodies() # SUITE FILE FOLDER NAME FIELD FILTER
{
	local body n=0

	while IFS= read -r body; do
		n=$((n + 1))
		printf '%s' "$body" | xxd -r -p >"$3/http2.$4.$n"
	done < <(tshark_of "$1" -r "$2" -Y "$6" -T fields -e "$5" | tr , '\n' | grep .)
}

# Lines of an .expert file that a clean file has not: analysis flags, malformed, Warn, Error.
# A test whose programs do reset their connections sets $resets_happen: that alone is no complaint.
resets_happen=
complaints() # FILE
{
	awk -F'\t' -v resets="$resets_happen" '
	{
		n = split($4, severity, ",")
		bad = $2 != "" || $3 != ""
		# PI_WARN, PI_ERROR
		for (i = 1; i <= n; i++)
			warnings += severity[i] + 0 >= 6291456
		bad = bad || warnings > (resets && $5 ~ /,Connection reset \(RST\)$/)
		warnings = 0
		if (bad)
			print "frame " $1 ": " $2 " " $3 " " $5
	}' "$1"
}

# shows_bodies NAME FILE HASHES: every tshark exports exactly the bodies with these sorted
# hashes, and finds nothing to complain about.
shows_bodies()
{
	local name=$1 file=$2 expected=$3 suite folder got

	[[ -s $file ]] || { fail "$name: no file $file"; return; }
	for suite in "${tsharks[@]}"; do
		folder=$W/objects.$suite
		rm -rf "$folder" "$folder.expert"
		if ! export_objects "$suite" "$file" "$folder"; then
			fail "$name: tshark of $suite cannot read the file"
			continue
		fi
		got=$(find "$folder" -type f -exec sha256sum {} + | cut -d' ' -f1 | sort)
		same "$name: bodies in tshark of $suite" "$expected" "$got"
		same "$name: nothing wrong for tshark of $suite" '' "$(complaints "$folder.expert")"
		rm -rf "$folder"
	done
	[[ $tshark_missing ]] && printf 'SKIP: %s\n' "$tshark_missing"
	sound "$name" "$file"
}

# Only the second half of shows_bodies.
shows_nothing_wrong() # NAME FILE
{
	local suite

	for suite in "${tsharks[@]}"; do
		export_objects "$suite" "$2" "$W/objects.$suite"
		rm -rf "$W/objects.$suite"
		same "$1: nothing wrong for tshark of $suite" '' \
			"$(complaints "$W/objects.$suite.expert")"
	done
	sound "$1" "$2"
}

# sound NAME FILE [OPTION...]: block by block, for stock tools and for our own strict checker,
# with its options.
sound()
{
	same "$1: sound blocks" '' \
		"$(tshark_of host -r "$2" -X 'read_format:MIME Files Format' -q -z expert)"
	check "$1: capinfos" "$ENVIRONMENT/tshark" --program=capinfos host "$2"
	check "$1: tcpdump reads it" tcpdump -Z root -nn -r "$2" -w /dev/null
	[[ -x $BUILD/tools/tlspcap-check ]] &&
		check "$1: tlspcap-check" "$BUILD/tools/tlspcap-check" "${@:3}" "$2"
}

# The key log lines in the file's decryption secrets blocks, sorted, each once.
secrets() # FILE
{
	"$PYTHON" -S "$E2E/secrets" "$1" | sort -u
}

# shows_secrets NAME FILE KEYLOG...: the same lines as these key logs.
shows_secrets()
{
	local name=$1 file=$2

	shift 2
	same "$name: secrets" "$(grep -hv '^#' -- "$@" | tr -d '\r' | sort -u)" \
		"$(secrets "$file")"
}

# plaintext FILE: all that the host's tshark shows of the conversations' contents, as text.
plaintext()
{
	local stream last follow=()

	last=$(fields "$1" tcp.stream | sort -n | tail -n 1)
	for ((stream = 0; stream <= ${last:--1}; stream++)); do
		follow+=(-z "follow,tls,ascii,$stream" -z "follow,tcp,ascii,$stream")
	done
	tshark_of host -r "$1" -q "${follow[@]}"
}

# talks FILE tls|tcp: the bytes of each direction of each conversation, as their number and their
# hash, sorted. Those of TLS are what tshark decrypts.
talks()
{
	local stream last follow=()

	last=$(fields "$1" tcp.stream | sort -n | tail -n 1)
	for ((stream = 0; stream <= ${last:--1}; stream++)); do
		follow+=(-z "follow,$2,raw,$stream")
	done
	tshark_of host -r "$1" -q "${follow[@]}" | "$PYTHON" -S -c '
import hashlib, re, sys
sides = [b"", b""]
def end():
    for side in sides:
        if side:
            print(len(side), hashlib.sha256(side).hexdigest())
for line in sys.stdin:
    if line.startswith("Follow: "):
        end()
        sides = [b"", b""]
    elif re.fullmatch("\t?([0-9a-f]{2})+\n", line):
        sides[line.startswith("\t")] += bytes.fromhex(line.strip())
end()' | sort
}

# contains FILE TEXT: TEXT is in the file as it is, or in what tshark decrypts.
contains()
{
	[[ $1.plaintext -nt $1 ]] || plaintext "$1" >"$1.plaintext"
	grep -qaF -- "$2" "$1" || grep -qaF -- "$2" "$1.plaintext"
}

# complete_conversations FILE: the number of TCP conversations with SYN, SYN-ACK and an end each way.
complete_conversations()
{
	tshark_of host -r "$1" -T fields -E separator=/t -e tcp.stream -e tcp.flags.str \
		-e tcp.srcport |
		awk -F'\t' '
		$2 ~ /S/ && $2 !~ /A/ { syn[$1] = 1 }
		$2 ~ /S/ && $2 ~ /A/ { syn_ack[$1] = 1 }
		$2 ~ /F/ { if (!(($1, $3) in seen)) fin[$1]++; seen[$1, $3] = 1 }
		$2 ~ /R/ { reset[$1] = 1 }
		END {
			for (s in syn)
				n += syn_ack[s] && (fin[s] == 2 || reset[s])
			print n + 0
		}'
}

# lossless NAME: the capture of that name lost nothing, by its own account.
lossless()
{
	if grep -q 'nothing was lost' "$W/$1.said"; then
		pass "$1: nothing was lost, says tlspcap"
	else
		fail "$1: tlspcap does not say that nothing was lost"
		sed 's/^/      | /' "$W/$1.said"
	fi
}

# The same of programs that close without reading what came last: what is missing can be no more
# than an alert of each conversation, whose record has 31 bytes at most.
lossless_but_alerts() # NAME
{
	local lost gaps bytes

	lost=$(grep -vE ': (capturing|[0-9]+ packets?|conversations captured at both ends)' \
		"$W/$1.said")
	if [[ ! $lost ]]; then
		lossless "$1"
	elif [[ $lost =~ ^'tlspcap: LOST: '([0-9]+)' gap'.*', '([0-9]+)' bytes'[^$'\n']*$ ]] &&
		gaps=${BASH_REMATCH[1]} bytes=${BASH_REMATCH[2]} && ((bytes <= 31 * gaps)); then
		pass "$1: nothing was lost but $gaps alerts that were not read"
	else
		fail "$1: more was lost than alerts"
		sed 's/^/      | /' "$W/$1.said"
	fi
}
