// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
// http2_long.js CERTIFICATE PORT REQUESTS TABLE: one long HTTP/2 connection, both ends of it.
//
// Each request and each answer has a body, and headers of which some are always the same, some come
// again, and some are new: the header compression of either side refers to what was before. TABLE
// is the size of its tables. Prints what was said: a line for each message with its path, its token,
// and the SHA-256 and the length of its body.
'use strict';
const http2 = require('http2');
const crypto = require('crypto');
const fs = require('fs');

const [certificate, port, requests, table] = process.argv.slice(2);
const pem = fs.readFileSync(certificate);
const settings = { headerTableSize: Number(table) };
const said = [];

function body(kind, number, length) {
	const out = [];
	for (let at = 0; at < length; at += 32)
		out.push(crypto.createHash('sha256').update(`${kind} ${number} ${at}`).digest());
	return Buffer.concat(out).subarray(0, length);
}

function token(kind, number) {
	return crypto.createHash('sha256').update(`${kind} ${number % 7}`).digest('hex');
}

function say(kind, number, bytes) {
	said.push([kind, `/${number}`, token(kind, number),
		crypto.createHash('sha256').update(bytes).digest('hex'), bytes.length].join(' '));
}

function headers(kind, number) {
	return {
		'x-path': `/${number}`,
		'x-token': token(kind, number),
		'x-always': 'the same in every message',
		'x-new': `${kind} ${'n'.repeat(number % 90)} ${number}`,
		'content-type': 'application/octet-stream',
		date: 'today',
	};
}

const server = http2.createSecureServer({ key: pem, cert: pem, settings });
server.on('stream', (stream, got) => {
	const number = Number(got[':path'].slice(1));
	const answer = body('down', number, 20000 + 977 * (number % 20));
	stream.resume();
	stream.on('end', () => {
		say('down', number, answer);
		stream.respond({ ':status': 200, ...headers('down', number) });
		stream.end(answer);
	});
});

async function talk() {
	const client = http2.connect(`https://127.0.0.1:${port}`,
		{ rejectUnauthorized: false, settings });
	for (let number = 0; number < requests; number++) {
		const stream = client.request({ ':method': 'POST', ':path': `/${number}`,
			...headers('up', number) });
		const question = body('up', number, 3000 + 331 * (number % 9));
		say('up', number, question);
		stream.end(question);
		stream.resume();
		await new Promise((resolve, reject) => {
			stream.on('end', resolve);
			stream.on('error', reject);
		});
	}
	await new Promise((resolve) => client.close(resolve));
	server.close();
	console.log(said.join('\n'));
}

server.listen(Number(port), '127.0.0.1', talk);
