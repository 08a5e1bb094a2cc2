//! What happens in Redis, each as one script and so as one step.
//!
//! The keys and what is in them are those of `apalis-redis` 1.0: a list of waiting jobs, one set of
//! jobs for each worker, sorted sets of workers (by when they were heard of) and of scheduled jobs (by
//! when they are due), sets of done and dead ones, a hash of payloads, and one hash of facts for each
//! job. Times are the server's, in seconds.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $lua:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new($lua));
        )*
    };
}

scripts! {
    /// KEYS: workers, facts about this worker. ARGV: worker.
    REGISTER = r"
local now = redis.call('time')[1]
redis.call('zadd', KEYS[1], now, ARGV[1])
redis.call('zadd', 'core:apalis:queues:list', 'GT', now, KEYS[1])
redis.call('hset', KEYS[2], 'backend_name', 'RedisStorage', 'service', 'lameduck')
";

    /// Says that a worker is alive, and has the jobs of those handed out again that are not.
    /// KEYS: workers, waiting, signal, prefix of workers' sets, prefix of facts. ARGV: worker, lease.
    /// False if the worker was taken for dead.
    HEARTBEAT = r"
local now = tonumber(redis.call('time')[1])
if not redis.call('zscore', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('zadd', KEYS[1], now, ARGV[1])
local back = 0
for _, worker in ipairs(redis.call('zrangebyscore', KEYS[1], 0, now - tonumber(ARGV[2]) - 1)) do
  local set = KEYS[4] .. ':' .. worker
  for _, id in ipairs(redis.call('smembers', set)) do
    redis.call('lpush', KEYS[2], id)
    redis.call('hset', KEYS[5] .. ':' .. id, 'status', 'Pending')
    redis.call('hdel', KEYS[5] .. ':' .. id, 'locked_at', 'locked_by')
    back = back + 1
  end
  redis.call('del', set)
  redis.call('zrem', KEYS[1], worker)
end
if back > 0 then
  redis.call('del', KEYS[3])
  redis.call('lpush', KEYS[3], 1)
end
return 1
";

    /// KEYS: workers, waiting, this worker's set, payloads, prefix of facts, scheduled. ARGV: worker,
    /// most. Each job as id, payload, attempt; nil if the worker was taken for dead. A job without a
    /// payload has been cleared away, and is nothing to run.
    FETCH = r"
if not redis.call('zscore', KEYS[1], ARGV[1]) then
  return false
end
local now = redis.call('time')[1]
for _, id in ipairs(redis.call('zrangebyscore', KEYS[6], 0, now, 'limit', 0, 1000)) do
  redis.call('rpush', KEYS[2], id)
  redis.call('zrem', KEYS[6], id)
end
local fetched = {}
while #fetched < tonumber(ARGV[2]) do
  local id = redis.call('lpop', KEYS[2])
  if not id then
    break
  end
  local payload = redis.call('hget', KEYS[4], id)
  if payload then
    local facts = KEYS[5] .. ':' .. id
    redis.call('sadd', KEYS[3], id)
    redis.call('hset', facts, 'status', 'Running', 'locked_by', ARGV[1], 'locked_at', now)
    redis.call('hdel', facts, 'settled')
    fetched[#fetched + 1] = {id, payload, redis.call('hincrby', facts, 'handed_out', 1)}
  end
end
return fetched
";

    /// To the front of the waiting, the first of them first. KEYS: the worker's set, waiting, signal,
    /// prefix of facts. ARGV: jobs, each with the attempt that is to go back.
    PUT_BACK = r"
for i = #ARGV - 1, 1, -2 do
  local id = ARGV[i]
  local facts = KEYS[4] .. ':' .. id
  if redis.call('hget', facts, 'handed_out') == ARGV[i + 1] and redis.call('srem', KEYS[1], id) == 1 then
    redis.call('lpush', KEYS[2], id)
    redis.call('hset', facts, 'status', 'Pending')
    redis.call('hdel', facts, 'locked_at', 'locked_by')
    redis.call('publish', 'tasks:' .. KEYS[2] .. ':available', id)
  end
end
redis.call('del', KEYS[3])
redis.call('lpush', KEYS[3], 1)
";

    /// To the front of the waiting, all that is the worker's but these. KEYS as above. ARGV: what the
    /// worker knows of, each with its attempt. How many there were.
    PUT_BACK_UNKNOWN = r"
local known = {}
for i = 1, #ARGV, 2 do
  known[ARGV[i] .. ' ' .. ARGV[i + 1]] = true
end
local back = 0
for _, id in ipairs(redis.call('smembers', KEYS[1])) do
  local facts = KEYS[4] .. ':' .. id
  if not known[id .. ' ' .. (redis.call('hget', facts, 'handed_out') or '')] then
    redis.call('srem', KEYS[1], id)
    redis.call('lpush', KEYS[2], id)
    redis.call('hset', facts, 'status', 'Pending')
    redis.call('hdel', facts, 'locked_at', 'locked_by')
    redis.call('publish', 'tasks:' .. KEYS[2] .. ':available', id)
    back = back + 1
  end
end
if back > 0 then
  redis.call('del', KEYS[3])
  redis.call('lpush', KEYS[3], 1)
end
return back
";

    /// KEYS: the worker's set, done, dead, scheduled, prefix of facts. ARGV: job, worker, Done or
    /// Failed, result, attempt. False if that attempt is not the worker's; true again if it was told so
    /// before, since an answer may be lost on its way.
    SETTLE = r"
local id = ARGV[1]
local facts = KEYS[5] .. ':' .. id
if redis.call('hget', facts, 'handed_out') ~= ARGV[5] then
  return 0
end
if redis.call('srem', KEYS[1], id) == 0 then
  local now = redis.call('hmget', facts, 'locked_by', 'settled')
  if now[1] == ARGV[2] and now[2] == ARGV[2] then
    return 1
  end
  return 0
end
local now = tonumber(redis.call('time')[1])
local attempts = redis.call('hincrby', facts, 'attempts', 1)
local status = ARGV[3]
if status == 'Done' then
  redis.call('sadd', KEYS[2], id)
  redis.call('publish', 'tasks:' .. KEYS[2], id)
else
  local most = tonumber(redis.call('hget', facts, 'max_attempts') or 25)
  if attempts < most then
    status = 'Pending'
    redis.call('zadd', KEYS[4], now + attempts, id)
    redis.call('publish', 'tasks:' .. KEYS[4] .. ':retry', id)
  else
    redis.call('sadd', KEYS[3], id)
    redis.call('publish', 'tasks:' .. KEYS[3], id)
  end
end
redis.call('hset', facts, 'result', ARGV[4], 'status', status, 'done_at', now, 'settled', ARGV[2])
return 1
";
}
