// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
// Node's https, which keeps TLS away from the socket; the same exchanges as exchange.py:
//
//	exchange.js client PORT CONNECTIONS
//	exchange.js server PORT CERTIFICATE
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');

const sizes = [50, 10000, 1500];
const [how, port, argument] = process.argv.slice(2);

function reversed(body) {
	return Buffer.from(body).reverse();
}

function gather(stream, done) {
	const pieces = [];
	stream.on('data', (piece) => pieces.push(piece));
	stream.on('end', () => done(Buffer.concat(pieces)));
}

function serve() {
	const pem = fs.readFileSync(argument);
	https.createServer({ key: pem, cert: pem }, (request, response) => {
		gather(request, (body) => {
			response.writeHead(200, {
				'Content-Type': 'text/plain',
				'Content-Length': body.length,
			});
			response.end(reversed(body));
		});
	}).listen(Number(port), '127.0.0.1', 200);
}

function say(local, way, body) {
	const hash = crypto.createHash('sha256').update(body).digest('hex');
	process.stdout.write(`${local} ${way} ${hash}\n`);
}

// Nobody sends before all are connected.
let waiting = [];
function connected(go) {
	waiting.push(go);
	if (waiting.length === Number(argument))
		waiting.forEach((each) => each());
}

function exchange(agent, step) {
	if (step === sizes.length) {
		agent.destroy();
		return;
	}
	const body = Buffer.from(crypto.randomBytes(sizes[step]).toString('hex'));
	const request = https.request({
		host: '127.0.0.1', port, agent, method: 'POST', path: `/${body.slice(0, 16)}`,
		rejectUnauthorized: false, servername: 'server.test',
		headers: { 'Content-Type': 'text/plain', 'Content-Length': body.length },
	}, (response) => {
		const local = response.socket.localPort;
		gather(response, (answer) => {
			say(local, '>', body);
			say(local, '<', answer);
			if (response.statusCode !== 200 || !answer.equals(reversed(body)))
				throw new Error('a wrong answer');
			// The agent takes the connection back before the next request.
			setImmediate(() => exchange(agent, step + 1));
		});
	});
	if (step > 0) {
		request.end(body);
		return;
	}
	request.on('socket', (socket) => {
		socket.once('secureConnect', () => connected(() => request.end(body)));
	});
}

if (how === 'server') {
	serve();
} else {
	for (let i = 0; i < Number(argument); i++)
		exchange(new https.Agent({ keepAlive: true, maxSockets: 1 }), 0);
}
