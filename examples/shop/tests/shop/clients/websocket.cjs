// A WebSocket of the Node package `ws`: sends numbers, expects them back, and prints how it was closed.
'use strict';
const WebSocket = require('ws');

const socket = new WebSocket(process.argv[2], { rejectUnauthorized: false });
let sent = 0, echoed = 0;
socket.on('open', () => setInterval(() => {
  if (socket.readyState === WebSocket.OPEN) socket.send(String(sent++));
}, 5));
socket.on('message', data => {
  if (String(data) !== String(echoed++)) throw new Error(`${data} is not the echo of ${echoed - 1}`);
  if (echoed === 10) console.log('open');
});
socket.on('close', (code, reason) => {
  console.log(JSON.stringify({ code, reason: String(reason) }));
  process.exit(0);
});
