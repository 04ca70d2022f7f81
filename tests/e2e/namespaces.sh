#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Two containers talk TLS at the same time. A capture of one has not one byte of the other's,
# with each its own libssl, and with one library file for both.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
for name in vermilion ultramarine; do
	make_body "$W/served/$name-large" 200000
	{
		printf 'token-of-%s ' "$name"
		make_body "$W/random" 3000 && base64 "$W/random"
	} >"$W/served/$name"
	{
		printf 'upload-of-%s ' "$name"
		base64 "$W/random"
	} >"$W/upload-$name"
done

# HTTP/1.1, in which every text is as it was given (HTTP/2 compresses headers).
# 15 conversations of the container, each with a token in path, header, body and upload.
work() # CONTAINER NAME
{
	local i name=$2

	for ((i = 0; i < 5; i++)); do
		SSLKEYLOGFILE=$W/keys-$name in_container "$1" curl -sS --fail -k --http1.1 \
			--resolve "$name.test:443:127.0.0.1" -H "Cookie: cookie-of-$name" \
			"https://$name.test/$name" -o "$W/got-$name" \
			--next -sS --fail -k --http1.1 --resolve "$name.test:443:127.0.0.1" \
			"https://$name.test/$name-large" -o "$W/got-$name" \
			--next -sS --fail -k --http1.1 --resolve "$name.test:443:127.0.0.1" \
			-T "$W/upload-$name" "https://$name.test/up-$name-$i" -o "$W/got-$name" ||
			echo "curl failed" >>"$W/work-$name"
	done
	return 0
}

# Captures one while both work.
one_of_two() # HOW CAPTURED OTHER
{
	local name="$1 of libssl, --mntns of $2" file=$W/case.pcapng text jobs=()

	rm -f "$W"/keys-* "$W"/work-*
	start_capture case "--mntns=${container_mntns[$1-$2]}"
	work "$1-$2" "$2" & jobs+=($!)
	work "$1-$3" "$3" & jobs+=($!)
	wait "${jobs[@]}"
	stop_capture case
	same "$name: both worked" '' "$(cat "$W"/work-* 2>/dev/null)"
	lossless case
	for text in token-of cookie-of upload-of; do
		contains "$file" "$text-$2" && pass "$name: has $text-$2" ||
			fail "$name: has no $text-$2"
	done
	for text in token-of- cookie-of- upload-of- '' ; do
		contains "$file" "$text$3" && fail "$name: has $text$3" ||
			pass "$name: nowhere $text$3"
	done
	shows_secrets "$name" "$file" "$W/keys-$2"
	same "$name: no secret of $3" '' \
		"$(comm -12 <(sort -u "$W/keys-$3") <(secrets "$file"))"
	same "$name: bodies" "$(
		for i in 1 2 3 4 5; do
			sha256sum "$W/served/$2" "$W/served/$2-large" "$W/upload-$2"
		done | cut -d' ' -f1 | sort
	)" "$(
		export_objects host "$file" "$W/objects" && hashes "$W"/objects/*
		rm -rf "$W/objects"
	)"
	same "$name: nothing wrong" '' "$(complaints "$W/objects.expert")"
}

for how in own shared; do
	for name in vermilion ultramarine; do
		start_container "$how-$name" / "$how"
	done
	one_of_two $how vermilion ultramarine
	one_of_two $how ultramarine vermilion
done

# Both at once: each conversation under its own interface.
start_capture both "--mntns=${container_mntns[own-vermilion]}" "--mntns=${container_mntns[own-ultramarine]}"
work own-vermilion vermilion
work own-ultramarine ultramarine
stop_capture both
lossless both
contains "$W/both.pcapng" token-of-vermilion && contains "$W/both.pcapng" token-of-ultramarine &&
	pass 'two --mntns: both are there' || fail 'two --mntns: one is missing'
same 'two --mntns: two interfaces' 2 \
	"$(fields "$W/both.pcapng" frame.interface_id | sort -u | wc -l)"
finish
