-- Move the scheduled jobs of a queue whose time has come; safe to run from anywhere at once.
-- KEYS: RQ's scheduled registry, its queue. ARGV: now (s), now (RQ's text), how many at most.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(due) do
  if redis.call('EXISTS', 'rq:job:' .. id) == 1 then
    redis.call('HSET', 'rq:job:' .. id, 'status', 'queued', 'enqueued_at', ARGV[2])
    redis.call('RPUSH', KEYS[2], id)
  end
  redis.call('ZREM', KEYS[1], id)
end
return #due
