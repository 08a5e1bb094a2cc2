// Express, stopped as https://expressjs.com/en/advanced/healthcheck-graceful-shutdown.html has it.
const express = require('express');

const app = express();

app.get('/', (request, response) => response.send('hello\n'));

app.get('/slow', (request, response) => {
  setTimeout(() => response.send('slow\n'), 1000);
});

app.post('/upload', express.raw({ type: () => true, limit: '10mb' }), (request, response) => {
  response.send(`${request.body.length}\n`);
});

app.get('/stream', (request, response) => {
  let chunks = 0;
  const timer = setInterval(() => {
    response.write(`chunk ${chunks}\n`);
    if (++chunks === 10) {
      clearInterval(timer);
      response.end();
    }
  }, 100);
});

const server = app.listen(Number(process.argv[2]), '127.0.0.1');

process.on('SIGTERM', () => {
  console.log('SIGTERM signal received: closing HTTP server');
  server.close(() => {
    console.log('HTTP server closed');
  });
});
