// Node's own server, stopped as https://nodejs.org/api/process.html#signal-events and
// https://nodejs.org/api/http.html#serverclosecallback have it.
const http = require('node:http');

const server = http.createServer((request, response) => {
  if (request.url === '/slow') {
    setTimeout(() => response.end('slow\n'), 1000);
  } else if (request.url === '/upload') {
    let bytes = 0;
    request.on('data', (chunk) => { bytes += chunk.length; });
    request.on('end', () => response.end(`${bytes}\n`));
  } else if (request.url === '/stream') {
    let chunks = 0;
    const timer = setInterval(() => {
      response.write(`chunk ${chunks}\n`);
      if (++chunks === 10) {
        clearInterval(timer);
        response.end();
      }
    }, 100);
  } else {
    response.end('hello\n');
  }
});

server.listen(Number(process.argv[2]), '127.0.0.1');

process.on('SIGTERM', () => server.close());
