// What ../python/workers.py does, for Node.

const [base, count, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const PAUSE = 200;
const GIVES_UP_AFTER = 3;
const WARM = 3;

const tally = { answered: 0, posted: 0, refused: 0, failed: [] };
let warm = 0;

// mulberry32: small, and the same for the same seed.
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function isRefused(error) {
  for (let e = error; e; e = e.cause) {
    if (e.code === 'ECONNREFUSED' || /refused/i.test(e.message ?? e.details ?? '')) return true;
    if (e.errors?.length && e.errors.every(isRefused)) return true;
  }
  return false;
}

async function work(number, send) {
  const next = random(seed * 1000 + number);
  let [answered, inVain] = [0, 0];
  for (let asked = 1; inVain < GIVES_UP_AFTER; asked++) {
    await new Promise((done) => setTimeout(done, next() * PAUSE));
    const body = next() < 0.5 ? JSON.stringify({ item: `${seed}-${number}-${asked}`, quantity: 1 }) : undefined;
    try {
      const status = await send(base + (body ? '/orders' : '/work?ms=5'), body);
      if (status < 200 || status > 299) throw new Error(`status ${status}`);
      inVain = 0;
      tally.answered++;
      if (body) tally.posted++;
      if (++answered === WARM && ++warm === count) console.log('ready');
    } catch (error) {
      inVain++;
      if (isRefused(error)) tally.refused++;
      else tally.failed.push(`${error.name}: ${error.code ?? ''} ${error.message} ${error.cause ?? ''}`.slice(0, 300));
    }
  }
}

export const url = base;

// `send(url, body)` resolves to the status.
export async function run(send) {
  await Promise.all(Array.from({ length: count }, (_, number) => work(number, send)));
  console.log(JSON.stringify(tally));
  process.exit(0);
}
