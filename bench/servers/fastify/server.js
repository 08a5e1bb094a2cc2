// Fastify, stopped by https://fastify.dev/docs/latest/Reference/Server/#close.
const { Readable } = require('node:stream');
const { setTimeout: sleep } = require('node:timers/promises');
const fastify = require('fastify')({ bodyLimit: 10 * 1024 * 1024 });

fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body));

fastify.get('/', async () => 'hello\n');

fastify.get('/slow', async () => {
  await sleep(1000);
  return 'slow\n';
});

fastify.post('/upload', async (request) => `${request.body.length}\n`);

fastify.get('/stream', async (request, reply) => {
  async function* chunks() {
    for (let number = 0; number < 10; number++) {
      await sleep(100);
      yield `chunk ${number}\n`;
    }
  }
  return reply.type('text/plain').send(Readable.from(chunks()));
});

fastify.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });

process.on('SIGTERM', async () => {
  await fastify.close();
  process.exit(0);
});
