// A small server that shuts down as it should, or wrongly in one chosen way, on Node's own modules alone: HTTP/1.1, HTTP/2
// in cleartext, gRPC and WebSockets on one port.
//
// What must hold: without a fault it keeps every promise that the prover knows. On SIGTERM readiness and health fail, a
// lame-duck phase serves on, answers say `Connection: close`, HTTP/2 sessions are told to go, handshakes are filtered
// before the listener closes, idle connections are closed once they have been quiet, event streams end behind an event,
// WebSockets are sent away one after the other, and what is stuck at the end is named.
'use strict';

const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');

const LAME_DUCK = 800; // how long it serves on with readiness failing
const QUIET = 150; // without a new connection for so long nobody is on the way to the queue
const IDLE = 900; // while stopping, a connection without a byte for so long is closed
const HEAD_LIMIT = 1000; // while stopping, a head that has not ended by then never will
const LINGER = 500; // how long a closed connection is read on, so that it ends with FIN and not with RST
const RESERVE = 1000; // kept back at the end of the grace to tell what is stuck
const CUT_OFF = 400; // what peers have to see the end of their connections
const PACE = 40; // between two WebSockets that are sent away
const EVENT = 50; // between two events

const options = {};
for (let at = 2; at < process.argv.length; at += 2) {
  options[process.argv[at].slice(2)] = process.argv[at + 1];
}
const fault = options.fault ?? 'none';
const FAULTS = `none resets closes cuts not-found empty short-bodies drops-queue stays-ready exit-three unannounced
  plain-close loses-orders h2-cut h2-no-goaway h2-status grpc-unimplemented grpc-unavailable grpc-cut grpc-stays-serving
  grpc-hangs event-cut event-torn events-hang event-status websocket-cut websocket-1000 websocket-burst
  websocket-refuses grpc-stream-status grpc-always-fails always-refuses-h2 orphan`.split(/\s+/);
if (!FAULTS.includes(fault)) {
  console.error(`no fault ${fault}, expected one of ${FAULTS.join(' ')}`);
  process.exit(2);
}

let signalled;
let signals = 0;
let helper;
const uponSignal = [];
process.on('SIGTERM', () => {
  signals += 1;
  if (signals === 3) {
    helper?.kill('SIGKILL');
    process.exit(143);
  }
  if (signalled !== undefined) return;
  signalled = performance.now();
  // Some leave the list when they are told.
  for (const tell of [...uponSignal]) tell();
});
const isStopping = () => signalled !== undefined;
const stoppingFor = () => (isStopping() ? performance.now() - signalled : 0);
const errs = (name) => fault === name && isStopping();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
// Over with the signal, too.
const nap = (ms) =>
  new Promise((resolve) => {
    const timer = setTimeout(over, ms);
    function over() {
      clearTimeout(timer);
      const place = uponSignal.indexOf(over);
      if (place >= 0) uponSignal.splice(place, 1);
      resolve();
    }
    if (!isStopping()) uponSignal.push(over);
  });

// Orders, each with a job, in a file that is there before anybody is told.
const books = { orders: 0, receipts: 0, duplicates: 0, pending: 0, running: 0, ids: [] };
function change(changes) {
  for (const [name, by] of Object.entries(changes)) books[name] += by;
  fs.writeFileSync(`${options.books}.new`, JSON.stringify(books));
  fs.renameSync(`${options.books}.new`, options.books);
}
async function work() {
  while (!isStopping()) {
    if (books.pending === 0) {
      await nap(2);
      continue;
    }
    change({ pending: -1, running: 1 });
    await sleep(30);
    change({ running: -1, receipts: 1 });
  }
}

// What is open, with the moment of its last byte.
const connections = new Set();
const sessions = new Set();
const inFlight = new Map();
// Nothing is answered any more.
let isCutOff = false;

// Closes with FIN, and reads on, so that it does not end with RST.
function closeSoftly(socket) {
  if (socket.ended) return;
  socket.ended = true;
  socket.end();
  setTimeout(() => socket.destroy(), LINGER);
}

function answer(response, status, body) {
  const fields = { 'content-length': Buffer.byteLength(body) };
  if (isStopping() && fault !== 'unannounced' && response.socket) fields.connection = 'close';
  response.writeHead(status, fields);
  response.end(body);
}

async function handle(request, response) {
  const [route, query] = request.url.split('?');
  const takes = Number((query ?? '').replace('ms=', '')) || 0;
  const isH2 = request.httpVersionMajor === 2;
  let length = 0;
  for await (const some of request) length += some.length;
  if (route === '/upload') return answer(response, 200, String(length));
  if (route === '/stream') return stream(response, takes / 10, isH2);
  if (route === '/raw') return raw(response, takes / 10);
  if (route === '/events') return events(response, isH2);
  await sleep(takes);
  if (isCutOff || (isH2 && response.stream.session?.isCutOff)) return undefined;
  if (isH2) {
    if (errs('h2-status')) return answer(response, 404, 'gone');
    if (errs('h2-cut')) return response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  } else {
    if (errs('not-found')) return answer(response, 404, 'gone');
    if (errs('empty')) return answer(response, 200, '');
    if (errs('resets')) return response.socket.resetAndDestroy();
    if (errs('closes')) return closeSoftly(response.socket);
    if (errs('cuts')) {
      response.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nhalf');
      return closeSoftly(response.socket);
    }
  }
  if (route !== '/orders') return answer(response, 200, 'done');
  if (!errs('loses-orders')) {
    books.ids.push(request.headers['idempotency-key'] ?? '');
    change({ orders: 1, pending: 1 });
  }
  return answer(response, 201, 'done');
}

async function stream(response, pause, isH2) {
  response.writeHead(200, isStopping() && !isH2 ? { connection: 'close' } : {});
  for (let chunk = 0; chunk < 10; chunk += 1) {
    await sleep(pause);
    if (!isH2 && errs('cuts')) return closeSoftly(response.socket);
    response.write('chunk');
  }
  return response.end();
}

// Without a length: whether it was all of it only the peer knows.
async function raw(response, pause) {
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { connection: 'close' });
  response.flushHeaders();
  for (let piece = 0; piece < 10; piece += 1) {
    await sleep(pause);
    if (errs('short-bodies')) break;
    response.write('r'.repeat(1000));
  }
  response.end();
}

async function events(response, isH2) {
  if (fault === 'event-status') return answer(response, 404, 'no events');
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    ...(isH2 ? {} : { connection: 'close' }),
  });
  let retry = 'retry: 2000\n';
  for (let number = 1; !isStopping() || fault === 'events-hang'; number += 1) {
    response.write(`${retry}data: ${number}\n\n`);
    retry = '';
    await (fault === 'events-hang' ? sleep(EVENT) : nap(EVENT));
    if (response.destroyed) return;
  }
  if (fault === 'event-cut') {
    return isH2 ? response.stream.close(http2.constants.NGHTTP2_CANCEL) : response.socket.destroy();
  }
  if (fault === 'event-torn') response.write('data: ');
  response.end();
}

// RFC 6455, of which only as much as is needed: short unmasked frames out, anything in.
let sentAway = 0;
function webSocket(request, socket) {
  if (fault === 'websocket-refuses') {
    return socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  }
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.isUpgraded = true;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  const write = (opcode, payload) =>
    socket.writable && socket.write(Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), payload]));
  let isLeaving = false;
  const leave = async () => {
    const place = sentAway;
    sentAway += 1;
    await sleep(300 + place * (fault === 'websocket-burst' ? 0 : PACE) - stoppingFor());
    if (fault === 'websocket-cut') return closeSoftly(socket);
    isLeaving = true;
    const code = fault === 'websocket-1000' ? 1000 : 1001;
    write(8, Buffer.from([code >> 8, code & 255]));
    await sleep(1000);
    closeSoftly(socket);
  };
  uponSignal.push(leave);
  socket.on('close', () => uponSignal.splice(uponSignal.indexOf(leave) >>> 0, 1));
  let buffer = Buffer.alloc(0);
  socket.on('data', (some) => {
    buffer = Buffer.concat([buffer, some]);
    for (;;) {
      if (buffer.length < 2) return;
      const [opcode, long] = [buffer[0] & 15, (buffer[1] & 127) === 126];
      if (long && buffer.length < 4) return;
      const length = long ? buffer.readUInt16BE(2) : buffer[1] & 127;
      const start = long ? 4 : 2;
      if (buffer.length < start + 4 + length) return;
      const mask = buffer.subarray(start, start + 4);
      const payload = Buffer.from(buffer.subarray(start + 4, start + 4 + length).map((byte, at) => byte ^ mask[at % 4]));
      buffer = buffer.subarray(start + 4 + length);
      if (opcode === 8) {
        if (!isLeaving) write(8, payload.subarray(0, 2));
        return closeSoftly(socket);
      }
      if (opcode < 3 && !isLeaving) write(opcode, payload);
    }
  });
  socket.on('end', () => closeSoftly(socket));
}

const message = (...bytes) => Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);
const SERVING = 1;
const NOT_SERVING = 2;

async function grpc(path, response) {
  const end = (status, last) => {
    if (response.destroyed) return;
    response.setTrailer('grpc-status', String(status));
    response.end(last);
  };
  response.stream.resume();
  response.writeHead(200, { 'content-type': 'application/grpc' });
  if (path === '/grpc.health.v1.Health/Check') {
    const isServing = !isStopping() || fault === 'grpc-stays-serving';
    return end(0, message(8, isServing ? SERVING : NOT_SERVING));
  }
  if (path === '/test.Echo/Say') {
    await sleep(20);
    if (response.stream.session?.isCutOff) return undefined;
    if (fault === 'grpc-always-fails') return end(7);
    if (errs('grpc-unimplemented')) return end(12);
    if (errs('grpc-unavailable')) return end(14);
    if (errs('grpc-cut')) return response.stream.close(http2.constants.NGHTTP2_CANCEL);
    return end(0, message());
  }
  if (path === '/test.Echo/Watch') {
    if (fault === 'grpc-stream-status') return end(7);
    while (!isStopping() || fault === 'grpc-hangs') {
      if (response.destroyed) return;
      response.write(message(1));
      await (fault === 'grpc-hangs' ? sleep(EVENT) : nap(EVENT));
    }
    return end(0, message(1));
  }
  return end(12);
}

const http1Server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
http1Server.on('request', (request, response) => {
  const socket = request.socket;
  socket.requests = (socket.requests ?? 0) + 1;
  inFlight.set(response, request.url);
  response.on('close', () => {
    inFlight.delete(response);
    socket.requests -= 1;
    socket.lastByte = performance.now();
  });
  handle(request, response).catch(() => socket.destroy());
});
http1Server.on('upgrade', (request, socket) => webSocket(request, socket));
http1Server.on('clientError', (_, socket) => socket.destroy());

const http2Server = http2.createServer();
http2Server.on('session', (session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
  session.on('error', () => {});
  if (isStopping()) sendAway(session);
});
http2Server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  inFlight.set(stream, headers[':path']);
  stream.on('close', () => inFlight.delete(stream));
});
http2Server.on('request', (request, response) => {
  if (request.headers['content-type']?.startsWith('application/grpc')) return grpc(request.url, response);
  handle(request, response).catch(() => response.stream.close());
});

// First it is told that nothing more is wanted of it, then which stream was the last (RFC 9113, 6.8).
async function sendAway(session) {
  await sleep(100);
  if (session.destroyed) return;
  if (fault === 'h2-no-goaway') return undefined;
  session.goaway(http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
  await sleep(LAME_DUCK);
  return session.destroyed || session.close();
}
uponSignal.push(() => sessions.forEach(sendAway));

// In the middle of the lame-duck phase, and again behind it: FIN, without an answer to what is under way, and without a
// word.
async function closeWithoutGoaway() {
  for (const pause of [LAME_DUCK / 2, LAME_DUCK * 1.5]) {
    await sleep(pause);
    for (const session of sessions) session.isCutOff = true;
    for (const socket of connections) if (socket.isH2) closeSoftly(socket);
  }
}
if (fault === 'h2-no-goaway') uponSignal.push(closeWithoutGoaway);

const PREFACE = Buffer.from('PRI * HTTP/2.0');
let accepted = 0;
const listener = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  accepted += 1;
  connections.add(socket);
  socket.lastByte = performance.now();
  socket.on('close', () => connections.delete(socket));
  socket.on('error', () => {});
  socket.once('readable', () => {
    const first = socket.read();
    if (first === null) return closeSoftly(socket);
    socket.hasSpoken = true;
    socket.lastByte = performance.now();
    socket.unshift(first);
    const isH2 = first.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, first.length));
    socket.isH2 = isH2;
    if (isH2 && fault === 'always-refuses-h2') return socket.destroy();
    (isH2 ? http2Server : http1Server).emit('connection', socket);
  });
});

const admin = http.createServer((request, response) => {
  const isLive = request.url === '/livez';
  const isGood = isLive || !isStopping() || fault === 'stays-ready';
  response.writeHead(isGood ? 200 : 503, { connection: 'close', 'content-length': 0 });
  response.end();
});

// Node cannot set such an option: for a TCP socket a filter sees the TCP header, byte 13 of which holds the flags; SYN
// without ACK is dropped.
const DROP_BARE_SYNS = `
import ctypes, socket, struct
code = [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 2), (6, 0, 0, 0), (6, 0, 0, 0xffffffff)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *it) for it in code))
listener = socket.socket(fileno=3)
listener.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters)))
listener.detach()
`;
function dropBareSyns() {
  return new Promise((resolve) => {
    helper = spawn(process.env.PYTHON ?? 'python3', ['-c', DROP_BARE_SYNS], { stdio: ['ignore', 'inherit', 'inherit', listener._handle] });
    helper.on('exit', resolve);
  });
}

async function emptyTheQueue() {
  await dropBareSyns();
  for (let seen = -1; seen !== accepted; ) {
    seen = accepted;
    await sleep(QUIET);
  }
}

// Who says nothing any more is sent away.
function sweep() {
  const now = performance.now();
  for (const socket of connections) {
    if (socket.isH2 || socket.isUpgraded || socket.requests > 0 || socket.ended) continue;
    // The head of a request may be under way: what has come since is seen in the number of bytes.
    if (socket.bytesRead !== socket.seen) {
      socket.seen = socket.bytesRead;
      if (!(socket.hasSpoken && !socket.served)) socket.lastByte = now;
    }
    const quiet = now - Math.max(socket.lastByte, signalled);
    const limit = socket.hasSpoken && !socket.served ? HEAD_LIMIT : IDLE;
    if (quiet >= limit) closeSoftly(socket);
  }
}

// Whoever is being served gets no answer; each connection ends with FIN, and is read on until its peer has seen that.
async function cutOff() {
  isCutOff = true;
  connections.forEach(closeSoftly);
  await sleep(CUT_OFF);
}

async function main() {
  const started = performance.now();
  while (performance.now() - started < Number(options['start-up'] ?? 0)) {
    if (isStopping()) process.exit(0);
    await sleep(2);
  }
  try {
    Object.assign(books, JSON.parse(fs.readFileSync(options.books)));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  books.pending += books.running;
  books.running = 0;
  change({});
  if (fault === 'orphan') spawn('sleep', ['600'], { stdio: 'ignore' }).unref();
  const working = work();
  const listen = (server, [host, port]) => new Promise((resolve) => server.listen({ host, port, backlog: 1024 }, resolve));
  await listen(admin, options.admin.split(':'));
  await listen(listener, options.listen.split(':'));
  while (!isStopping()) await nap(1000);
  if (fault === 'plain-close') {
    // What `server.close()` does from Node 19 on.
    for (const socket of connections) if (!socket.isUpgraded && socket.served && socket.requests === 0) closeSoftly(socket);
  } else {
    await sleep(LAME_DUCK);
    if (fault === 'drops-queue') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
    else await emptyTheQueue();
  }
  listener.close();
  if (fault === 'stays-ready') await sleep(QUIET);
  while (connections.size > 0) {
    if (stoppingFor() >= Number(options.grace ?? 30) * 1000 - RESERVE) {
      for (const path of inFlight.values()) fs.writeSync(2, `let go: ${path}\n`);
      if (fault === 'unannounced') await cutOff();
      process.exit(124);
    }
    sweep();
    await sleep(5);
  }
  await working;
  process.exit(fault === 'exit-three' ? 3 : 0);
}
http1Server.on('request', (request) => (request.socket.served = true));
main();
