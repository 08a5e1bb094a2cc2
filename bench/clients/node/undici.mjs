// undici's `request`, with its global dispatcher.
import { request } from 'undici';
import { run } from './workers.mjs';

const headers = { 'content-type': 'application/json' };

run(async (url, body) => {
  const answer = await request(url, body ? { method: 'POST', body, headers } : {});
  await answer.body.text();
  return answer.statusCode;
});
