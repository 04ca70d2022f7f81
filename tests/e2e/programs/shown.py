# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
"""shown.py SERVER-PORT SENT RECEIVED WHOLE... <FOLLOWED: was there what is shown?

FOLLOWED: the output of `tshark -q -z follow,tls,raw,N` (or tcp) for each TCP stream of one connection.
SENT, RECEIVED: what its client sent and received. The bytes of each TCP stream must be one
piece of these; all WHOLE files must be in it. Prints what is wrong, and on standard error what
is shown.
"""
import re
import sys

server, sent_file, received_file, *whole = sys.argv[1:]
truth = [open(sent_file, "rb").read(), open(received_file, "rb").read()]
streams = []
for line in sys.stdin:
    line = line.rstrip("\n")
    if line.startswith("Filter: "):
        streams.append([b"", b""])
    elif line.startswith("Node 0: "):
        server_is_first = line.endswith(":" + server)
    elif re.fullmatch(r"\t?[0-9a-f]+", line):
        from_server = server_is_first ^ line.startswith("\t")
        streams[-1][from_server] += bytes.fromhex(line)

shown = [0, 0]
for number, stream in enumerate(streams):
    for way in (0, 1):
        if stream[way] and stream[way] not in truth[way]:
            print("stream %d shows %d bytes that were not %s" %
                  (number, len(stream[way]), ("sent", "received")[way]))
        shown[way] += len(stream[way])
for name in whole:
    body = open(name, "rb").read()
    count = sum(stream[1].count(body) for stream in streams)
    if count != 1:
        print("%s is shown %d times" % (name, count))
print("%d streams show %d of %d bytes sent, %d of %d received" %
      (len(streams), shown[0], len(truth[0]), shown[1], len(truth[1])), file=sys.stderr)
