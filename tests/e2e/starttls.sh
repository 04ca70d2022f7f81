#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Protocols that begin in the clear and go over to TLS: PostgreSQL, SMTP and IMAP, each end
# captured on its own. What was said before is in the stream, so that every tshark follows.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)
need curl initdb openssl postgres psql setpriv ss

make_certificate server
start_container client
start_container server
SHOWN_FIELDS=(tcp.stream tcp.srcport tcp.dstport frame.comment tcp.analysis.flags tls.record.content_type
	_ws.malformed pgsql.type pgsql.query smtp.req.command smtp.response.code imap.request.command
	imap.response.status data.data)

# --- servers ----------------------------------------------------------------------------------

# Nothing of it may stay in shared memory, however it ends.
as_postgres()
{
	in_container server unshare --ipc setpriv --reuid=postgres --regid=postgres --clear-groups \
		env "PATH=$PATH" "$@"
}

install -d -o postgres "$W/pg"
install -m 600 -o postgres "$W/server.key" "$W/pg/key"
check 'initdb' as_postgres initdb --no-sync --auth=trust --username=tester -D "$W/pg/5432" ||
	finish
as_postgres cp -a "$W/pg/5432" "$W/pg/5433"
start_postgres() # PORT
{
	as_postgres postgres -D "$W/pg/$1" -k "$W/pg" -p "$1" -c listen_addresses=127.0.0.1 \
		-c ssl=on -c "ssl_cert_file=$W/server.crt" -c "ssl_key_file=$W/pg/key" \
		-c fsync=off -c dynamic_shared_memory_type=mmap >"$W/pg.$1.out" 2>&1 &
	processes+=($!)
	listening "$1" "$!"
}
start_postgres 5432
start_postgres 5433

# Says just enough for a client to be content. Lines of a command go to the protocol's function.
cat >"$W/talker" <<'END'
import socket, ssl, sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3])


def smtp(line, state):
    word = line.split()[0].upper()
    if state.get("data"):
        if line != ".":
            return ""
        state["data"] = False
        return "250 taken"
    if word == "EHLO":
        return "250 server.test" if state.get("tls") else "250-server.test\r\n250 STARTTLS"
    if word == "DATA":
        state["data"] = True
        return "354 go on"
    return {"STARTTLS": "220 go ahead", "QUIT": "221 bye"}.get(word, "250 ok")


def imap(line, state):
    tag, word = line.split()[:2]
    extra = {"CAPABILITY": "* CAPABILITY IMAP4rev1" + ("" if state.get("tls") else " STARTTLS"),
             "LIST": '* LIST () "/" folder-token', "LOGOUT": "* BYE"}.get(word.upper())
    return (extra + "\r\n" if extra else "") + tag + " OK done"


def serve(one, answer, greeting):
    state, lines = {}, one.makefile("rb")
    one.sendall((greeting + "\r\n").encode())
    while line := lines.readline().decode():
        said = answer(line.strip(), state) if line.strip() else ""
        if said:
            one.sendall((said + "\r\n").encode())
        if "STARTTLS" in line.upper():
            lines.close()
            one = context.wrap_socket(one, server_side=True)
            lines, state["tls"] = one.makefile("rb"), True
        if line.strip().upper().endswith(("QUIT", "LOGOUT")):
            break
    lines.close()
    one.close()


answer, greeting = {
    "smtp": (smtp, "220 server.test ESMTP"),
    "imap": (imap, "* OK hello"),
}[sys.argv[1]]
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
while True:
    serve(listener.accept()[0], answer, greeting)
END
for protocol in smtp:25 smtp:2525 imap:143; do
	in_container server "$PYTHON" -S "$W/talker" "${protocol%:*}" "${protocol#*:}" \
		"$W/server.pem" >"$W/talker.out" 2>&1 &
	processes+=($!)
	listening "${protocol#*:}" "$!"
done

# --- connections ------------------------------------------------------------------------------

start_shown client "--mntns=${container_mntns[client]}"
start_shown server "--mntns=${container_mntns[server]}"

for port in 5432 5433; do
	same "psql, port $port" "token-$port TLSv1.3" "$(in_container client psql -XAtq \
		"host=127.0.0.1 port=$port user=tester dbname=postgres sslmode=require" -F ' ' \
		-c "select 'token-$port', version from pg_stat_ssl where pid = pg_backend_pid()")"
done

printf 'Subject: test\r\n\r\nmail-token\r\n' >"$W/mail"
secure_curl() # ARGUMENT...
{
	SSLKEYLOGFILE=$W/client.keys in_container client curl -sS -k --ssl-reqd \
		--max-time "$TIMEOUT" "$@"
}
for port in 25 2525; do
	check "curl, SMTP, port $port" secure_curl --mail-from me@server.test \
		--mail-rcpt you@server.test -T "$W/mail" "smtp://127.0.0.1:$port/client.test"
done
check 'curl, IMAP' secure_curl -u tester:word imap://127.0.0.1:143/

{
	printf 'EHLO client.test\r\nMAIL FROM:<me@server.test>\r\nQUIT\r\n'
} | in_container client openssl s_client -connect 127.0.0.1:25 -starttls smtp -quiet -tls1_2 \
	-keylogfile "$W/client.keys" -servername server.test >"$W/s_client.out" 2>&1
check 's_client, SMTP' grep -q '^221 bye' "$W/s_client.out"

stop_shown client
stop_shown server
lossless client
lossless server

# --- what is shown ----------------------------------------------------------------------------

# Of each conversation, in the order of the servers' ports, what its sides said in turn, without
# TLS and within; data of which tshark does not know the protocol as text.
cat >"$W/dialog" <<'END'
import re, sys

dialogs = {}
for line in open(sys.argv[1], encoding="latin-1"):
    stream, source, target, comment, analysis, records, wrong, *said, data = line.rstrip("\n").split("\t")
    if analysis or wrong:
        print("wrong:", analysis, wrong)
    said = [s for s in said if s and s != "SSL response"]  # which 4.0 does not show
    if data:
        data = bytes.fromhex(data.replace(",", "").replace(":", ""))
        said.append("".join(chr(c) if 32 <= c < 127 else "." for c in data)[:77])
    port, turns = dialogs.setdefault(stream, (int(target), []))
    if not said:
        continue
    view = next(p for p in comment.split(";") if p.startswith("view="))
    who = "client" if int(target) == port else "server"
    turn = f"{view} {who} {'in TLS' if '23' in records else 'in clear'}:"
    if not turns or turns[-1][0] != turn:
        turns.append([turn])
    turns[-1] += said
for port, turns in sorted(dialogs.values(), key=lambda d: d[0]):
    for turn in turns:
        print(port, re.sub("(Parameter status,)+", r"\1", " ".join(turn)))
END

cat >"$W/expected" <<'END'
25 view=tls server in clear: 220
25 view=tls client in clear: EHLO
25 view=tls server in clear: 250
25 view=tls client in clear: STAR
25 view=tls server in clear: 220
25 view=tls client in TLS: EHLO
25 view=tls server in TLS: 250
25 view=tls client in TLS: MAIL
25 view=tls server in TLS: 250
25 view=tls client in TLS: RCPT
25 view=tls server in TLS: 250
25 view=tls client in TLS: DATA
25 view=tls server in TLS: 354 250
25 view=tls client in TLS: QUIT
25 view=tls server in TLS: 221
25 view=tls server in clear: 220
25 view=tls client in clear: EHLO
25 view=tls server in clear: 250
25 view=tls client in clear: STAR
25 view=tls server in clear: 220
25 view=tls client in TLS: EHLO,MAIL,QUIT
25 view=tls server in TLS: 250 250 221
143 view=tls client in clear: CAPABILITY
143 view=tls server in clear: OK
143 view=tls client in clear: STARTTLS
143 view=tls server in clear: OK
143 view=tls client in TLS: CAPABILITY
143 view=tls server in TLS: OK
143 view=tls client in TLS: LOGIN
143 view=tls server in TLS: OK
143 view=tls client in TLS: LIST
143 view=tls server in TLS: OK
143 view=tls client in TLS: LOGOUT
143 view=tls server in TLS: OK
2525 view=tls server in clear: 220 server.test ESMTP..
2525 view=tls client in clear: EHLO client.test..
2525 view=tls server in clear: 250-server.test..250 STARTTLS..
2525 view=tls client in clear: STARTTLS..
2525 view=tls server in clear: 220 go ahead..
2525 view=tls client in TLS: EHLO client.test..
2525 view=tls server in TLS: 250 server.test..
2525 view=tls client in TLS: MAIL FROM:<me@server.test>..
2525 view=tls server in TLS: 250 ok..
2525 view=tls client in TLS: RCPT TO:<you@server.test>..
2525 view=tls server in TLS: 250 ok..
2525 view=tls client in TLS: DATA..
2525 view=tls server in TLS: 354 go on..
2525 view=tls client in TLS: Subject: test....mail-token.. ...
2525 view=tls server in TLS: 250 taken..
2525 view=tls client in TLS: QUIT..
2525 view=tls server in TLS: 221 bye..
5432 view=tls client in clear: SSL request
5432 view=tls client in TLS: Startup message
5432 view=tls server in TLS: Authentication request,Parameter status,Backend key data,Ready for query
5432 view=tls client in TLS: Simple query select 'token-5432', version from pg_stat_ssl where pid = pg_backend_pid()
5432 view=tls server in TLS: Row description,Data row,Command completion,Ready for query
5432 view=tls client in TLS: Termination
5433 view=tls client in clear: ......./
5433 view=tls server in clear: S
5433 view=tls client in TLS: ...=....user.tester.database.postgres.application_name.psql..
5433 view=tls server in TLS: R........S....application_name.psql.S....client_encoding.UTF8.S....DateStyle.
5433 view=tls client in TLS: Q...Oselect 'token-5433', version from pg_stat_ssl where pid = pg_backend_pid
5433 view=tls server in TLS: T...;..?column?...................version.../...............D..........token-
5433 view=tls client in TLS: X....
END

for end in client server; do
	for suite in "${tsharks[@]}"; do
		for from in piped filed; do
			same "$end, tshark of $suite, $from" "$(cat "$W/expected")" \
				"$("$PYTHON" -S "$W/dialog" "$W/$end.$suite.$from")"
		done
	done
	sound $end "$W/$end.pcapng"
	# libpq and the servers log no keys: what the other clients log is a part.
	same "$end: no secret is missing that a client logged" '' \
		"$(comm -23 <(grep -v '^#' "$W/client.keys" | sort -u) <(secrets "$W/$end.pcapng"))"
done
finish
